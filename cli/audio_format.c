#include "audio_format.h"

#include "report.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

typedef struct {
  const char* extension;
  int         container;
  int         code; ///< The only sample format of this extension, or 0
} extension_format;

static const extension_format extensions[] = {
  {"wav", SF_FORMAT_WAV, 0},
  {"wave", SF_FORMAT_WAV, 0},
  {"bwf", SF_FORMAT_WAV, 0},
  {"rf64", SF_FORMAT_RF64, 0},
  {"w64", SF_FORMAT_W64, 0},
  {"aif", SF_FORMAT_AIFF, 0},
  {"aiff", SF_FORMAT_AIFF, 0},
  {"aifc", SF_FORMAT_AIFF, 0},
  {"au", SF_FORMAT_AU, 0},
  {"snd", SF_FORMAT_AU, 0},
  {"caf", SF_FORMAT_CAF, 0},
  {"flac", SF_FORMAT_FLAC, 0},
  {"ogg", SF_FORMAT_OGG, SF_FORMAT_VORBIS},
  {"oga", SF_FORMAT_OGG, SF_FORMAT_VORBIS},
  {"opus", SF_FORMAT_OGG, SF_FORMAT_OPUS},
  {"mp3", SF_FORMAT_MPEG, SF_FORMAT_MPEG_LAYER_III},
  {"voc", SF_FORMAT_VOC, 0},
  {"sph", SF_FORMAT_NIST, 0},
  {"nist", SF_FORMAT_NIST, 0},
};

/// Bytes of samples that fit a 4 GiB file, with room for its header
#define MAX_SMALL_BYTES (UINT32_MAX - (1 << 20))

static const char* extension_of(const char* path)
{
  const char* const slash = strrchr(path, '/');
  const char* const name  = slash ? slash + 1 : path;
  const char* const dot   = strrchr(name, '.');
  return dot && dot != name ? dot + 1 : "";
}

static const extension_format* find_extension(const char* path)
{
  const char* const extension = extension_of(path);
  for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); ++i) {
    if (!strcasecmp(extension, extensions[i].extension)) {
      return &extensions[i];
    }
  }
  return NULL;
}

bool audio_format_is_known(const char* path)
{
  return find_extension(path) != NULL;
}

unsigned audio_format_bits(int format)
{
  switch (format & SF_FORMAT_SUBMASK) {
  case SF_FORMAT_PCM_S8:
  case SF_FORMAT_PCM_U8:
  case SF_FORMAT_DPCM_8:
    return 8;
  case SF_FORMAT_DWVW_12:
    return 12;
  case SF_FORMAT_ALAC_20:
    return 20;
  case SF_FORMAT_PCM_24:
  case SF_FORMAT_ALAC_24:
  case SF_FORMAT_DWVW_24:
    return 24;
  case SF_FORMAT_PCM_32:
  case SF_FORMAT_ALAC_32:
    return 32;
  case SF_FORMAT_FLOAT:
  case SF_FORMAT_DOUBLE:
  case SF_FORMAT_VORBIS:
  case SF_FORMAT_OPUS:
  case SF_FORMAT_MPEG_LAYER_I:
  case SF_FORMAT_MPEG_LAYER_II:
  case SF_FORMAT_MPEG_LAYER_III:
    return 0;
  default: // 16-bit PCM and what libsndfile decodes to it
    return 16;
  }
}

static bool can_write(const SF_INFO* info, int format)
{
  SF_INFO out = *info;
  out.format  = format;
  return sf_format_check(&out) != 0;
}

/// Return the sample format of a container that loses least, or 0
static int nearest_code(const SF_INFO* info, int container)
{
  static const int codes[] = {SF_FORMAT_FLOAT, SF_FORMAT_PCM_32,
                              SF_FORMAT_PCM_24, SF_FORMAT_PCM_16};

  const int      own     = info->format & SF_FORMAT_SUBMASK;
  const unsigned bits    = audio_format_bits(info->format);
  const bool     is_real = own == SF_FORMAT_FLOAT || own == SF_FORMAT_DOUBLE;
  // A lossy code is left with its container: WAV may hold MP3, nobody wants it
  if ((bits || is_real) && can_write(info, container | own)) {
    return own;
  }

  size_t first = 3;
  if (is_real) {
    first = 0;
  } else if (bits > 24) {
    first = 1;
  } else if (bits > 16) {
    first = 2;
  } else if (bits == 8 && can_write(info, container | SF_FORMAT_PCM_U8)) {
    return SF_FORMAT_PCM_U8;
  } else if (bits == 8 && can_write(info, container | SF_FORMAT_PCM_S8)) {
    return SF_FORMAT_PCM_S8;
  }
  for (size_t i = first; i < sizeof(codes) / sizeof(codes[0]); ++i) {
    if (can_write(info, container | codes[i])) {
      return codes[i];
    }
  }
  return 0;
}

/// Return the container of a format, where the variants of WAV are one
static int family(int format)
{
  const int container = format & SF_FORMAT_TYPEMASK;
  return container == SF_FORMAT_WAVEX ? SF_FORMAT_WAV : container;
}

static bool keeps_format(const char*             in_path,
                         const SF_INFO*          info,
                         const char*             out_path,
                         const extension_format* wanted)
{
  if (!wanted || !strcasecmp(extension_of(in_path), extension_of(out_path))) {
    return true;
  }
  const int code = info->format & SF_FORMAT_SUBMASK;
  if (wanted->code == SF_FORMAT_OPUS && code != SF_FORMAT_OPUS) {
    return false;
  }
  // A .wav may be an RF64 file
  return family(info->format) == wanted->container ||
         (wanted->container == SF_FORMAT_WAV &&
          family(info->format) == SF_FORMAT_RF64);
}

static uint64_t bytes_of_samples(const SF_INFO* info, int format)
{
  const unsigned bits = audio_format_bits(format);
  const bool     wide = (format & SF_FORMAT_SUBMASK) == SF_FORMAT_DOUBLE;
  const unsigned size = bits ? bits / 8 : wide ? 8 : 4;
  return (uint64_t)info->frames * (uint64_t)info->channels * size;
}

/// Replace a container whose sizes have 32 bits when the samples do not fit
static int fit_size(const char* out_path, const SF_INFO* info, int format)
{
  if (info->frames == SF_COUNT_MAX ||
      bytes_of_samples(info, format) <= MAX_SMALL_BYTES) {
    return format;
  }
  if (family(format) == SF_FORMAT_WAV) {
    return SF_FORMAT_RF64 | (format & SF_FORMAT_SUBMASK);
  }
  if (family(format) == SF_FORMAT_AIFF) {
    complain(out_path, "is too long for AIFF, use .w64, .caf or .wav");
    return 0;
  }
  return format;
}

int audio_format_choose(const char*    in_path,
                        const SF_INFO* info,
                        const char*    out_path)
{
  static const extension_format on_pipe = {"", SF_FORMAT_WAV, 0};

  const bool                    piped = !strcmp(out_path, "-");
  const extension_format* const wanted =
    piped ? &on_pipe : find_extension(out_path);

  int format = info->format;
  if (piped ? family(format) != SF_FORMAT_WAV
            : !keeps_format(in_path, info, out_path, wanted)) {
    const int container =
      wanted->container == SF_FORMAT_WAV && info->channels > 2
        ? SF_FORMAT_WAVEX
        : wanted->container;
    const int code =
      wanted->code ? wanted->code : nearest_code(info, wanted->container);
    format = code ? container | code : 0;
  }
  if (!format || !can_write(info, format)) {
    complain(input_label(in_path),
             "its format cannot be written%s, give an output such as .wav or "
             ".flac",
             format == info->format ? "" : " as asked");
    return 0;
  }
  return fit_size(out_path, info, format);
}

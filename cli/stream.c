#include "command.h"
#include "denoiser.h"
#include "interrupt.h"
#include "maudio.h"
#include "open_model.h"
#include "options.h"
#include "pcm.h"
#include "report.h"
#include "spool.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CHANNELS 8

static const char help[] =
  "Usage: maudio stream [OPTION]...\n"
  "Remove noise from raw samples: standard input to standard output, as they\n"
  "come.\n"
  "\n"
  "      --rate=HZ             sample rate, 8000 to 192000 (48000)\n"
  "      --channels=N          1 to 8 (1)\n"
  "      --format=FORMAT       s16, s24, s32 or f32, little endian; also as\n"
  "                            ALSA and ffmpeg call them (s16)\n"
  "      --preset=NAME         model to use, see 'maudio info' (voice)\n"
  "      --model=FILE          model file to use instead of a preset\n"
  "      --strength=S          0 (as the input) to 1 (full effect) (1)\n"
  "      --max-attenuation=DB  remove no more than 0 to 100 dB (100: no "
  "limit)\n"
  "      --compensate          leave out the silence that the latency of the\n"
  "                            model puts before the output, and let out the\n"
  "                            end: the output is aligned with the input\n"
  "                            (default)\n"
  "      --no-compensate       a frame out for each frame in, at once, later\n"
  "                            by the latency\n"
  "      --block=FRAMES        process no more at once, 1 to 4096 (4096)\n"
  "  -h, --help                show this help\n"
  "\n"
  "What comes in goes out as soon as it can be computed, whatever the block\n"
  "size. The output has the length of the input.\n"
  "\n"
  "Examples:\n"
  "  arecord -f S16_LE -r 48000 -t raw | maudio stream |\n"
  "    aplay -f S16_LE -r 48000 -t raw\n"
  "  ffmpeg -i talk.mp4 -ac 1 -ar 48000 -f f32le - |\n"
  "    maudio stream --format f32le | ffmpeg -f f32le -ar 48000 -i - talk.wav\n"
  "\n"
  "Exit status: 0 all done, 1 input or output failed, 2 wrong usage.\n";

typedef struct {
  unsigned        rate_hz;
  unsigned        n_channels;
  pcm_format      format;
  denoise_options denoise;
  bool            compensates;
  unsigned        block; ///< Frames
  bool            help;
} stream_options;

enum {
  OPTION_RATE = OPTION_OF_VERB,
  OPTION_CHANNELS,
  OPTION_FORMAT,
  OPTION_COMPENSATE,
  OPTION_NO_COMPENSATE,
  OPTION_BLOCK
};

static bool read_option(stream_options* options, int option)
{
  switch (option) {
  case OPTION_RATE:
    return option_integer("--rate", optarg, MAUDIO_MIN_RATE_HZ,
                          MAUDIO_MAX_RATE_HZ, &options->rate_hz);
  case OPTION_CHANNELS:
    return option_integer("--channels", optarg, 1, MAX_CHANNELS,
                          &options->n_channels);
  case OPTION_FORMAT:
    return pcm_format_find(optarg, &options->format) ||
           complain("--format", "\"%s\" is not one of " PCM_FORMATS, optarg);
  case OPTION_COMPENSATE:
  case OPTION_NO_COMPENSATE:
    options->compensates = option == OPTION_COMPENSATE;
    return true;
  case OPTION_BLOCK:
    return option_integer("--block", optarg, 1, DENOISE_BLOCK, &options->block);
  case 'h':
    options->help = true;
    return true;
  default:
    return denoise_option(&options->denoise, option);
  }
}

static bool read_options(stream_options* options, int argc, char** argv)
{
  static const struct option names[] = {
    {"rate", required_argument, NULL, OPTION_RATE},
    {"channels", required_argument, NULL, OPTION_CHANNELS},
    {"format", required_argument, NULL, OPTION_FORMAT},
    DENOISE_OPTION_NAMES,
    {"compensate", no_argument, NULL, OPTION_COMPENSATE},
    {"no-compensate", no_argument, NULL, OPTION_NO_COMPENSATE},
    {"block", required_argument, NULL, OPTION_BLOCK},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0}};

  int option = 0;
  while (!options->help &&
         (option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
    if (!read_option(options, option)) {
      return false;
    }
  }
  return true;
}

/// Samples on their way from standard input to standard output
typedef struct {
  denoiser*          d;
  pcm_format         format;
  size_t             n_channels;
  size_t             frame_size; ///< Bytes
  size_t             block;      ///< Frames
  bool               compensates;
  unsigned char*     bytes;     ///< (block, frame_size)
  double*            samples;   ///< (block, n_channels)
  unsigned long long at;        ///< Frames that came in
  unsigned long long n_bad;     ///< Samples that are no finite numbers
  unsigned long long bad_frame; ///< Where the first was
  size_t             bad_channel;
} pipe_state;

static const char in_label[]  = "standard input";
static const char out_label[] = "standard output";

/// Take note of samples that no network can take, and silence them
static void silence_bad_samples(pipe_state* p, size_t n_frames)
{
  for (size_t i = 0; i < n_frames * p->n_channels; ++i) {
    if (!isfinite(p->samples[i])) {
      if (!p->n_bad++) {
        p->bad_frame   = p->at + i / p->n_channels;
        p->bad_channel = i % p->n_channels + 1;
      }
      p->samples[i] = 0.0;
    }
  }
}

/// Process `n_frames` of `samples` and write them
static bool put(pipe_state* p, size_t n_frames)
{
  denoiser_process(p->d, p->samples, n_frames);
  const size_t n_skipped = p->compensates ? denoiser_skip(p->d, n_frames) : 0;
  const size_t n_kept    = n_frames - n_skipped;
  pcm_encode(&p->format, p->samples + n_skipped * p->n_channels, p->bytes,
             n_kept * p->n_channels);
  if (!write_all(STDOUT_FILENO, p->bytes, n_kept * p->frame_size)) {
    return !interrupted() && complain(out_label, "%s", strerror(errno));
  }
  return true;
}

/// Let out what the latency holds back
static bool flush(pipe_state* p)
{
  size_t rest = p->compensates ? denoiser_latency(p->d) : 0;
  while (rest) {
    const size_t n = rest < p->block ? rest : p->block;
    memset(p->samples, 0, n * p->n_channels * sizeof(double));
    if (!put(p, n)) {
      return false;
    }
    rest -= n;
  }
  return true;
}

/// Complain about what was wrong with an input that was processed all the same
static bool check_input(const pipe_state* p, size_t n_rest)
{
  if (n_rest) {
    complain(in_label, "ends with %zu bytes of a frame of %zu", n_rest,
             p->frame_size);
  }
  if (p->n_bad) {
    complain(in_label,
             "sample %llu of channel %zu is not a finite number, %llu in all; "
             "each became silence",
             p->bad_frame, p->bad_channel, p->n_bad);
  }
  return !n_rest && !p->n_bad;
}

/// Complain about what would come out as noise: the header of a WAV file
static bool check_start(const pipe_state* p, size_t n_bytes)
{
  return n_bytes < 4 || memcmp(p->bytes, "RIFF", 4) != 0 ||
         complain(in_label, "is a WAV file, raw samples were expected "
                            "('maudio process - -' takes files)");
}

/// Process whatever is there, until the input ends
static bool run(pipe_state* p)
{
  const size_t n_wanted = p->block * p->frame_size;
  size_t       n_held   = 0; // Bytes of a frame that is not complete
  while (!interrupted()) {
    const ssize_t n = read(STDIN_FILENO, p->bytes + n_held, n_wanted - n_held);
    if (n < 0 && errno != EINTR) {
      return complain(in_label, "%s", strerror(errno));
    }
    if (n == 0) {
      return flush(p) && check_input(p, n_held);
    }
    if (n > 0) {
      const size_t n_bytes = n_held + (size_t)n;
      if (!p->at && !check_start(p, n_bytes)) {
        return false;
      }
      const size_t n_frames = n_bytes / p->frame_size;
      const size_t n_whole  = n_frames * p->frame_size;
      n_held                = n_bytes - n_whole;
      if (n_frames) {
        unsigned char rest[MAX_CHANNELS * sizeof(float)];
        memcpy(rest, p->bytes + n_whole, n_held);
        pcm_decode(&p->format, p->bytes, p->samples, n_frames * p->n_channels);
        silence_bad_samples(p, n_frames);
        p->at += n_frames;
        if (!put(p, n_frames)) {
          return false;
        }
        memcpy(p->bytes, rest, n_held);
      }
    }
  }
  return false;
}

static bool stream_samples(const stream_options* options,
                           const maudio_model*   model)
{
  const denoise_settings settings = {
    .model              = model,
    .strength           = options->denoise.strength,
    .max_attenuation_db = options->denoise.max_attenuation_db,
  };
  pipe_state p = {
    .format      = options->format,
    .n_channels  = options->n_channels,
    .frame_size  = (size_t)options->n_channels * options->format.n_bytes,
    .block       = options->block,
    .compensates = options->compensates,
  };
  p.d = denoiser_new(&settings, options->rate_hz, p.n_channels, in_label);
  if (!p.d) {
    return false;
  }
  p.bytes   = (unsigned char*)calloc(p.block, p.frame_size);
  p.samples = (double*)calloc(p.block * p.n_channels, sizeof(double));
  const bool ok =
    p.bytes && p.samples
      ? run(&p)
      : complain(in_label, "no memory for %zu channels", p.n_channels);
  free(p.samples);
  free(p.bytes);
  denoiser_free(p.d);
  return ok;
}

static bool are_pipes(void)
{
  if (isatty(STDIN_FILENO)) {
    return complain(in_label, "is a terminal, raw samples were expected");
  }
  if (isatty(STDOUT_FILENO)) {
    return complain(out_label, "is a terminal, raw samples would go there");
  }
  return true;
}

int command_stream(int argc, char** argv)
{
  stream_options options = {.rate_hz     = 48000,
                            .n_channels  = 1,
                            .format      = {2, 16},
                            .denoise     = DENOISE_DEFAULTS,
                            .compensates = true,
                            .block       = DENOISE_BLOCK};
  if (!read_options(&options, argc, argv)) {
    return usage_hint("stream");
  }
  if (options.help) {
    fputs(help, stdout);
    return COMMAND_OK;
  }
  if (denoise_options_check(&options.denoise, "stream")) {
    return COMMAND_USAGE;
  }
  if (optind < argc) {
    return usage_error("stream", "%s: no file is taken, only standard input",
                       argv[optind]);
  }
  if (!are_pipes()) {
    return COMMAND_FAILED;
  }
  maudio_model* const model =
    open_model(options.denoise.preset, options.denoise.model);
  if (!model) {
    return COMMAND_FAILED;
  }
  const bool ok = stream_samples(&options, model);
  maudio_model_free(model);
  return ok ? COMMAND_OK : COMMAND_FAILED;
}

#include "sound_sink.h"

#include "audio_format.h"
#include "interrupt.h"
#include "report.h"
#include "spool.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char out_label[] = "standard output";

static int subformat(const pcm_format* format)
{
  switch (format->bits) {
  case 16:
    return SF_FORMAT_PCM_16;
  case 24:
    return SF_FORMAT_PCM_24;
  case 32:
    return SF_FORMAT_PCM_32;
  default:
    return SF_FORMAT_FLOAT;
  }
}

static bool open_file(sound_sink* sink,
                      const char* path,
                      unsigned    rate_hz,
                      uint64_t    n_samples,
                      const char* comment)
{
  SF_INFO info = {.frames     = (sf_count_t)n_samples,
                  .samplerate = (int)rate_hz,
                  .channels   = 1,
                  .format     = SF_FORMAT_WAV | subformat(&sink->format)};
  info.format  = audio_format_choose("what is generated", &info, path);
  if (!info.format || !output_open(&sink->out, path, 0666)) {
    return false;
  }
  if (!audio_writer_open(&sink->writer, sink->out.fd, sink->out.written, &info,
                         SOUND_SINK_BLOCK)) {
    output_discard(&sink->out);
    return false;
  }
  SNDFILE* const file = sink->writer.file;
  // Has the time in it: the same seed would not give the same file
  sf_command(file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
  // More than 4 GiB were asked for, but Ctrl-C may come before
  sf_command(file, SFC_RF64_AUTO_DOWNGRADE, NULL, SF_TRUE);
  sf_set_string(file, SF_STR_COMMENT, comment);
  // Without samples its size would miss the comment
  sf_command(file, SFC_UPDATE_HEADER_NOW, NULL, 0);
  return true;
}

bool sound_sink_open(sound_sink*       sink,
                     const char*       path,
                     const pcm_format* format,
                     unsigned          rate_hz,
                     uint64_t          n_samples,
                     const char*       comment)
{
  sink->format = *format;
  sink->is_raw = !strcmp(path, "-");
  if (!sink->is_raw) {
    return open_file(sink, path, rate_hz, n_samples, comment);
  }
  return !isatty(STDOUT_FILENO) ||
         complain(out_label, "is a terminal, raw samples would go there");
}

bool sound_sink_write(sound_sink* sink, const float* samples, size_t n)
{
  for (size_t i = 0; i < n; ++i) {
    sink->samples[i] = (double)samples[i];
  }
  if (!sink->is_raw) {
    return audio_writer_write(&sink->writer, sink->samples, n);
  }
  pcm_encode(&sink->format, sink->samples, sink->bytes, n);
  if (!write_all(STDOUT_FILENO, sink->bytes, n * sink->format.n_bytes)) {
    return !interrupted() && complain(out_label, "%s", strerror(errno));
  }
  return true;
}

bool sound_sink_close(sound_sink* sink, bool ok)
{
  if (sink->is_raw) {
    return ok;
  }
  if (audio_writer_close(&sink->writer) && ok) {
    return output_commit(&sink->out);
  }
  output_discard(&sink->out);
  return false;
}

/** @file
 * Where sound goes that has no input: an audio file, or raw samples on
 * standard output.
 */
#ifndef CLI_SOUND_SINK_H
#define CLI_SOUND_SINK_H

#include "audio_writer.h"
#include "output.h"
#include "pcm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Most samples of one sound_sink_write()
#define SOUND_SINK_BLOCK 4096

typedef struct {
  pcm_format    format;
  bool          is_raw; ///< To standard output, as they come
  output        out;
  audio_writer  writer;
  double        samples[SOUND_SINK_BLOCK];
  unsigned char bytes[SOUND_SINK_BLOCK * 4];
} sound_sink;

/**
 * Start a sink of one channel, or complain and return false.
 *
 * @param path An audio file by its extension, or "-" for raw samples.
 * @param n_samples That will be written; more do no harm.
 * @param comment To be written into a file.
 */
bool sound_sink_open(sound_sink*       sink,
                     const char*       path,
                     const pcm_format* format,
                     unsigned          rate_hz,
                     uint64_t          n_samples,
                     const char*       comment);

/// Write samples, full scale 1; false after a complaint or a signal
bool sound_sink_write(sound_sink* sink, const float* samples, size_t n);

/// Make the file appear (`ok`), or forget it; false if that was not to be had
bool sound_sink_close(sound_sink* sink, bool ok);

#endif /* CLI_SOUND_SINK_H */

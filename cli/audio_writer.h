/** @file
 * Encoding of audio into an open file.
 */
#ifndef CLI_AUDIO_WRITER_H
#define CLI_AUDIO_WRITER_H

#include <sndfile.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char* label; ///< What messages call the file
  SNDFILE*    file;
  int         fd;
  int         n_channels;
  unsigned    bits; ///< Of an integer sample, or 0 for floating point
  bool        is_flac;
  int         code;     ///< errno of the first write that failed, or 0
  int32_t*    integers; ///< (max_frames, n_channels), or NULL
  bool        failed;   ///< A failure was complained about
} audio_writer;

/**
 * Start an audio file, or complain and return false.
 *
 * @param fd A seekable file; stays open. The writer must not move meanwhile.
 * @param info Rate, channels and format.
 * @param max_frames Most frames of one audio_writer_write().
 */
bool audio_writer_open(audio_writer*  writer,
                       int            fd,
                       const char*    label,
                       const SF_INFO* info,
                       size_t         max_frames);

/**
 * Write frames, or complain and return false.
 *
 * Integer formats get the nearest value, at the ends of the range the last
 * one: samples that were read from the same format come out as they were.
 *
 * @param samples (n_frames, n_channels), full scale is 1.
 */
bool audio_writer_write(audio_writer* writer,
                        const double* samples,
                        size_t        n_frames);

/// Finish the file; false if it is not complete, after a complaint
bool audio_writer_close(audio_writer* writer);

#endif /* CLI_AUDIO_WRITER_H */

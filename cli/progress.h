/** @file
 * How far the work is, on a terminal; any thread may tell.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  bool            shown;   ///< stderr is a terminal that wants to see it
  size_t          n_files; ///< Number of files of this run
  double          n_bytes; ///< Their sizes, 0 if one of them has none
  pthread_mutex_t lock;    ///< Of what follows
  size_t          n_done;  ///< Number of files that are over
  double          bytes;   ///< Bytes done
  double          audio_s; ///< Audio done, in seconds
  double          start_s;
  double          update_s; ///< When the line was last shown
} progress;

/// A file at work
typedef struct {
  const char* label;
  double      rate_hz;
  uint64_t    n_frames; ///< Its length, 0 if unknown
  uint64_t    at_frame; ///< Frames done
  double      n_bytes;
  double      bytes; ///< Bytes done
} progress_file;

/// Begin a run over `n_files` files of `n_bytes` in all, 0 if unknown
void progress_start(progress* p, size_t n_files, uint64_t n_bytes, bool quiet);

/// Begin a file
void progress_file_start(progress*      p,
                         progress_file* file,
                         const char*    label,
                         double         rate_hz,
                         uint64_t       n_frames,
                         uint64_t       n_bytes);

/// Count frames of a file, and update the line now and then
void progress_add(progress* p, progress_file* file, size_t n_frames);

/// A file is over
void progress_file_end(progress* p, const progress_file* file);

/// End the run and remove the line
void progress_end(progress* p);

/// Write a duration as m:ss or h:mm:ss
void format_duration(char* text, size_t size, double seconds);

#endif /* CLI_PROGRESS_H */

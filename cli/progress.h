/** @file
 * How far the work is, on a terminal.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  bool        shown;        ///< stderr is a terminal that wants to see it
  size_t      n_files;      ///< Number of files of this run
  size_t      n_done;       ///< Number of files that are over
  size_t      n_failed;     ///< Number of them that failed
  double      start_s;      ///< When the run began
  double      audio_s;      ///< Audio of the files that are over, in seconds
  const char* label;        ///< The file at work
  double      rate_hz;      ///< Its sample rate
  uint64_t    n_frames;     ///< Its length, 0 if unknown
  uint64_t    at_frame;     ///< Frames done
  double      file_start_s; ///< When it began
  double      update_s;     ///< When the line was last shown
} progress;

/// Begin a run over `n_files` files
void progress_start(progress* p, size_t n_files, bool quiet);

/// Begin a file of `n_frames` frames, 0 if unknown
void progress_file(progress*   p,
                   const char* label,
                   double      rate_hz,
                   uint64_t    n_frames);

/// Count frames of the current file, and update the line now and then
void progress_add(progress* p, size_t n_frames);

/// End the current file
void progress_file_end(progress* p, bool ok);

/// End the run: with a summary when there were several files
void progress_end(progress* p);

#endif /* CLI_PROGRESS_H */

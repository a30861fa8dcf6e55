/** @file
 * What came of a run of `maudio process`; any thread may add to it.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "failures.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/// Where the time of a run went, in seconds: summed over the threads, and over
/// the GPUs
typedef struct {
  double decode_s;
  double compute_s;
  double encode_s;
} stage_times;

typedef struct {
  char        device[256]; ///< "cpu", or names of GPUs
  const char* precision;   ///< "float32", "tf32" or "bf16"
  unsigned    n_jobs;      ///< CPU threads
  unsigned    n_gpus;      ///< 0: the CPU threads compute
  double      start_s;
  size_t      n_skipped; ///< Files that an earlier run has made
  size_t      n_left;    ///< Files that were not begun

  pthread_mutex_t lock; ///< Of what follows
  size_t          n_done;
  double          audio_s; ///< Of the files that are done
  stage_times     times;
  failure_list    failures;
} summary;

void summary_start(summary* s);
void summary_clear(summary* s);

/// A file is done
void summary_done(summary* s, double audio_s);

/// A file has failed: its reason is the last complaint of this thread
void summary_failed(summary* s, const char* path);

/// Add the times of a thread
void summary_add_times(summary* s, const stage_times* times);

/// Show a line for people
void summary_show(const summary* s);

/// Print one JSON object to standard output; false without memory
bool summary_print_json(const summary* s, bool was_interrupted);

#endif /* CLI_SUMMARY_H */

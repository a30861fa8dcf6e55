/** @file
 * Which file is made of which.
 */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include "failures.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// One file to make; owns both paths
typedef struct {
  char*    in;
  char*    out;
  uint64_t n_bytes; ///< Of `in`, see jobs_sort(); 0 if it is no plain file
} job;

typedef struct {
  job*         jobs;
  size_t       n_jobs;
  size_t       capacity;
  const char*  folder; ///< Outputs are below it, and need theirs made; or NULL
  failure_list failures; ///< Inputs that were complained about while listing
} job_list;

/**
 * List what a command line asks for, or complain and return its exit code.
 *
 * @param arguments `n_arguments` inputs; without `out`, the second of two is
 * the output.
 * @param out A file, or the folder for several; NULL if not given.
 * @param recursive Take what is in the folders of a folder, too.
 */
int jobs_plan(job_list*    list,
              char* const* arguments,
              int          n_arguments,
              const char*  out,
              bool         recursive);

/**
 * Measure the inputs, and sort them by size, greatest first: what takes longest
 * should not begin last.
 *
 * @return Bytes of all inputs, or 0 if one of them is a pipe or a device.
 */
uint64_t jobs_sort(job_list* list);

/// Make the folder that an output is in, or complain and return false
bool jobs_make_folder(const char* out);

void jobs_clear(job_list* list);

#endif /* CLI_JOBS_H */

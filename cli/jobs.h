/** @file
 * Which file is made of which.
 */
#ifndef CLI_JOBS_H
#define CLI_JOBS_H

#include <stdbool.h>
#include <stddef.h>

/// One file to make; owns both paths
typedef struct {
  char* in;
  char* out;
} job;

typedef struct {
  job*   jobs;
  size_t n_jobs;
  size_t capacity;
  size_t n_failed; ///< Inputs that were complained about while listing
  bool   below;    ///< Outputs are below a folder, and need theirs made
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

/// Make the folder that an output is in, or complain and return false
bool jobs_make_folder(const char* out);

void jobs_clear(job_list* list);

#endif /* CLI_JOBS_H */

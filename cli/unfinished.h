/** @file
 * Which outputs of an unfinished run are done.
 *
 * While several files are made below a folder, a file there says with which
 * settings. It is removed when all are done, so that after an interruption, or
 * a failure, the same command finds it, and leaves out what was done since.
 */
#ifndef CLI_UNFINISHED_H
#define CLI_UNFINISHED_H

#include "jobs.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/// Name of that file
#define UNFINISHED_NAME ".maudio.unfinished"

/// Settings that change an output
typedef struct {
  const char* model_path;
  float       strength;
  float       max_attenuation_db;
  float       warm_up_s;
  const char* precision;
} unfinished_settings;

typedef struct {
  char            path[PATH_MAX]; ///< "" if there is none
  struct timespec since;          ///< When the run began
  bool            continues;      ///< It was there, with these settings
} unfinished;

/**
 * Begin a run, or continue one.
 *
 * @param folder That outputs are below; made if missing.
 * @param restart Never continue.
 */
void unfinished_begin(unfinished*                u,
                      const char*                folder,
                      const unfinished_settings* settings,
                      bool                       restart);

/// Return whether an earlier part of the run has made the output of `work`
/// of the input as it is now
bool unfinished_has(const unfinished* u, const job* work);

/// End a run
void unfinished_end(const unfinished* u, bool all_done);

#endif /* CLI_UNFINISHED_H */

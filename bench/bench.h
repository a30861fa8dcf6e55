/** @file
 * What the benchmarks share.
 */
#ifndef BENCH_H
#define BENCH_H

#include <maudio.h>

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/// An option of a command line; one of the places it may go to is set
typedef struct {
  const char*  name;
  char         letter;
  bool*        flag; ///< Without a value
  const char** text;
  size_t*      count;
  double*      number;
} bench_option;

/// Read a command line of `n_options` options, at most BENCH_OPTIONS, and
/// --help, which prints `usage`; return 0 to run, 1 to leave with success, 2
/// with failure, after `usage`
int bench_read_options(int                 argc,
                       char**              argv,
                       const char*         usage,
                       const bench_option* options,
                       size_t              n_options);

#define BENCH_OPTIONS 8

/// Print `usage` to where errors go, return 2
int bench_misused(const char* usage);

/// Read a clock, in seconds
double bench_seconds(clockid_t clock);

/// Return the seconds that reading a clock takes
double bench_clock_cost(clockid_t clock);

/// Return the seconds that a virtual machine's host has kept its processors
/// from it since it was started, or 0 where /proc does not tell
double bench_stolen_seconds(void);

/// Return the resident memory of this process in KiB, or 0 where /proc does not
/// tell
long bench_resident_kib(void);

/// Fill with a tone that comes and goes, in noise
void bench_signal(float* signal, size_t n_frames, double rate_hz);

/// Order floats for qsort()
int bench_compare(const void* a, const void* b);

/// Open a model by the name of a preset or, where that is NULL, from a file
maudio_status bench_open(const char*    preset,
                         const char*    file,
                         maudio_model** model,
                         maudio_error*  error);

#endif /* BENCH_H */

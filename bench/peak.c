#include "peak.h"

#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_RUNS 2000

/// Bytes read between two looks at the clock, at least
#define MIN_RUN ((size_t)4 << 20)

/// The loops of kernels by their name, whose start they share: avx512vnni
static const peak_loops* choose(const char* kernels)
{
  static const peak_loops* const all[] = {
#if defined(__x86_64__)
    &peak_loops_avx2,
    &peak_loops_avx512,
#elif defined(__aarch64__)
    &peak_loops_neon,
#endif
    &peak_loops_scalar
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
    if (!strncmp(kernels, all[i]->kernels, strlen(all[i]->kernels))) {
      return all[i];
    }
  }
  return &peak_loops_scalar;
}

/// Ask the system, which may say 0 for what it does not know
static void find_caches(peak* p)
{
  static const size_t assumed[PEAK_N_CACHES] = {32768, 524288, 8388608};

  long told[PEAK_N_CACHES] = {0};
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  told[0] = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  told[1] = sysconf(_SC_LEVEL2_CACHE_SIZE);
  told[2] = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  p->is_assumed = told[0] < 4096 || told[1] < told[0] || told[2] < told[1];
  for (size_t i = 0; i < PEAK_N_CACHES; ++i) {
    p->sizes[i] = p->is_assumed ? assumed[i] : (size_t)told[i];
  }
}

/// Bytes to read: too many for the cache before, and half of this one at most
static size_t bytes_to_read(const peak* p, size_t cache)
{
  const size_t half = p->sizes[cache] / 2;
  const size_t most = cache ? 4 * p->sizes[cache - 1] : half;
  return (half < most ? half : most) / 4096 * 4096;
}

/// The shortest of many runs: other programs only ever take time
static double shortest(double shortest, double start, double clock)
{
  const double seconds = bench_seconds(CLOCK_MONOTONIC) - start - clock;
  return seconds < shortest ? seconds : shortest;
}

static double best_macs(const peak_loops* loops, double clock)
{
  enum { N_ROUNDS = 16384 };
  double         least = INFINITY;
  volatile float sink  = 0.0f;
  for (unsigned run = 0; run < N_RUNS; ++run) {
    float        out   = 0.0f;
    const double start = bench_seconds(CLOCK_MONOTONIC);
    loops->multiply_add(N_ROUNDS, 0.5f, &out);
    least = shortest(least, start, clock);
    sink  = out;
  }
  (void)sink;
  return N_ROUNDS * (double)loops->width / least;
}

static double best_bytes(const peak_loops* loops,
                         const float*      data,
                         size_t            n_bytes,
                         double            clock)
{
  const size_t   n        = n_bytes / sizeof *data / loops->step * loops->step;
  const size_t   n_passes = 1 + MIN_RUN / n_bytes;
  double         least    = INFINITY;
  volatile float sink     = 0.0f;
  for (unsigned run = 0; run < N_RUNS; ++run) {
    float        out   = 0.0f;
    const double start = bench_seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < n_passes; ++i) {
      loops->read(n, data, &out);
      sink = out;
    }
    least = shortest(least, start, clock);
  }
  (void)sink;
  return (double)(n_passes * n * sizeof *data) / least;
}

bool peak_measure(const char* kernels, peak* found)
{
  const peak_loops* const loops = choose(kernels);
  const double            clock = bench_clock_cost(CLOCK_MONOTONIC);
  find_caches(found);
  for (size_t i = 0; i < PEAK_N_CACHES; ++i) {
    found->read[i]    = bytes_to_read(found, i);
    float* const data = (float*)aligned_alloc(4096, found->read[i]);
    if (!data) {
      return false;
    }
    memset(data, 0, found->read[i]);
    found->bytes[i] = best_bytes(loops, data, found->read[i], clock);
    free(data);
  }
  found->macs = best_macs(loops, clock);
  return true;
}

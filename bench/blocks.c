/* How long the blocks of an audio thread take, against their deadlines. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNAL_SECONDS 8
#define WARM_UP_SECONDS 2

static const size_t blocks[] = {32, 64, 128, 256};
enum { n_sizes = sizeof blocks / sizeof blocks[0] };

/// Upper ends of the bins of the histogram, in percent of the deadline
static const double bins[] = {1, 2, 5, 10, 20, 50, 100};
enum { n_bins = sizeof bins / sizeof bins[0] };

typedef struct {
  const char* preset; ///< NULL: those below
  double      rate_hz;
  size_t      n_blocks; ///< Of each size
} options;

static const char* const presets[] = {"voice", "voice-live"};

static const char usage[] =
  "Usage: maudio-bench-blocks [OPTION]...\n"
  "Measure how long each block takes, in tables of Markdown.\n"
  "\n"
  "  -p, --preset NAME    only this preset (voice and voice-live)\n"
  "  -n, --blocks N       blocks of each size (100000)\n"
  "  -r, --rate HZ        sample rate (48000)\n"
  "  -h, --help           show this\n"
  "\n"
  "MAUDIO_KERNELS=scalar|avx2|avx512|avx512vnni|neon selects kernels.\n";

/// Parse; return 0 to run, 1 to leave with success, 2 with failure
static int parse(int argc, char** argv, options* o)
{
  const bench_option known[] = {
    {.name = "preset", .letter = 'p', .text = &o->preset},
    {.name = "blocks", .letter = 'n', .count = &o->n_blocks},
    {.name = "rate", .letter = 'r', .number = &o->rate_hz}};
  const int result =
    bench_read_options(argc, argv, usage, known, sizeof known / sizeof *known);
  return !result && (o->n_blocks < 1000 || o->n_blocks > 100000000)
           ? bench_misused(usage)
           : result;
}

/// What the blocks of one size took
typedef struct {
  float* cpu;  ///< (n_blocks) microseconds of the thread
  float* wall; ///< (n_blocks) microseconds by the clock on the wall
  float* cpu2; ///< (n_blocks) as cpu, when the same is done again
} timings;

static const char table_head[] =
  "| preset | channels | block | deadline | p50 | p99 | p99.9 | repeats"
  " | of deadline | worst | worst wall | over | over, wall | stolen |\n"
  "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";

/// Run blocks of `size` frames through an effect
static void run_blocks(const options* o,
                       maudio_effect* effect,
                       const float*   signal,
                       size_t         size,
                       float*         cpu,
                       float*         by_wall)
{
  static float out[2][256];
  const size_t n_loop = (size_t)(SIGNAL_SECONDS * o->rate_hz) - size;
  const size_t n_warm = (size_t)(WARM_UP_SECONDS * o->rate_hz) / size;
  float* const outs[] = {out[0], out[1]};
  maudio_effect_reset(effect);
  for (size_t i = 0, at = 0; i < n_warm + o->n_blocks; ++i) {
    const float* const ins[]  = {signal + at, signal + at};
    const double       wall   = bench_seconds(CLOCK_MONOTONIC);
    const double       before = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    maudio_effect_process(effect, ins, outs, size);
    const double after = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    const double end   = bench_seconds(CLOCK_MONOTONIC);
    if (i >= n_warm) {
      cpu[i - n_warm]     = (float)(1e6 * (after - before));
      by_wall[i - n_warm] = (float)(1e6 * (end - wall));
    }
    at = (at + size) % n_loop;
  }
}

/**
 * Measure blocks of `size` frames, twice the same ones.
 *
 * @return The longest that a block takes in both runs, in microseconds: what
 * the machine does elsewhere in between does not meet the same block again.
 */
static float measure(const options* o,
                     maudio_effect* effect,
                     const float*   signal,
                     size_t         size,
                     const timings* t)
{
  float repeats = 0.0f;
  run_blocks(o, effect, signal, size, t->cpu2, t->wall);
  run_blocks(o, effect, signal, size, t->cpu, t->wall);
  for (size_t i = 0; i < o->n_blocks; ++i) {
    const float least = t->cpu[i] < t->cpu2[i] ? t->cpu[i] : t->cpu2[i];
    repeats           = least > repeats ? least : repeats;
  }
  qsort(t->cpu, o->n_blocks, sizeof *t->cpu, bench_compare);
  qsort(t->wall, o->n_blocks, sizeof *t->wall, bench_compare);
  return repeats;
}

static size_t count_above(const float* sorted, size_t n, double limit)
{
  size_t n_above = 0;
  while (n_above < n && (double)sorted[n - 1 - n_above] > limit) {
    ++n_above;
  }
  return n_above;
}

static void print_row(const options* o,
                      const char*    preset,
                      unsigned       n_channels,
                      size_t         size,
                      const timings* t,
                      float          repeats,
                      double         stolen)
{
  const size_t n           = o->n_blocks;
  const double deadline_us = 1e6 * (double)size / o->rate_hz;
  printf("| %s | %u | %zu | %.0f | %.1f | %.0f | %.0f | %.0f | %.1f %% | %.0f |"
         " %.0f | %zu | %zu | %.0f |\n",
         preset, n_channels, size, deadline_us, t->cpu[n / 2],
         t->cpu[n - 1 - n / 100], t->cpu[n - 1 - n / 1000], repeats,
         100.0 * (double)repeats / deadline_us, t->cpu[n - 1], t->wall[n - 1],
         count_above(t->cpu, n, deadline_us),
         count_above(t->wall, n, deadline_us), 1e3 * stolen);
}

/// Count how many blocks are in each bin
static void
fill_bins(const options* o, size_t size, const float* sorted, size_t* counts)
{
  const double deadline_us = 1e6 * (double)size / o->rate_hz;
  size_t       n_counted   = 0;
  for (size_t b = 0; b < n_bins; ++b) {
    const size_t n_above =
      count_above(sorted, o->n_blocks, 0.01 * bins[b] * deadline_us);
    counts[b] = o->n_blocks - n_above - n_counted;
    n_counted = o->n_blocks - n_above;
  }
  counts[n_bins] = o->n_blocks - n_counted;
}

static void print_histogram(const char* preset,
                            unsigned    n_channels,
                            size_t      counts[n_sizes][n_bins + 1])
{
  printf("\n%s, %u channel%s: blocks by the share of their deadline (CPU)\n\n"
         "| share | 32 | 64 | 128 | 256 |\n|---|---|---|---|---|\n",
         preset, n_channels, n_channels == 1 ? "" : "s");
  for (size_t b = 0; b <= n_bins; ++b) {
    if (b < n_bins) {
      printf("| to %.0f %% |", bins[b]);
    } else {
      printf("| above |");
    }
    for (size_t s = 0; s < n_sizes; ++s) {
      printf(" %zu |", counts[s][b]);
    }
    printf("\n");
  }
}

/// Measure one preset with one number of channels
static maudio_status run(const options*      o,
                         const char*         preset,
                         const maudio_model* model,
                         unsigned            n_channels,
                         const float*        signal,
                         const timings*      t,
                         size_t              counts[n_sizes][n_bins + 1],
                         maudio_error*       error)
{
  maudio_stream* stream = NULL;
  maudio_effect* effect = NULL;
  maudio_status  status =
    maudio_stream_new(model, o->rate_hz, n_channels, &stream, error);
  if (!status) {
    status = maudio_effect_new(o->rate_hz, n_channels, stream, &effect, error);
  }
  for (size_t s = 0; !status && s < n_sizes; ++s) {
    const double before  = bench_stolen_seconds();
    const float  repeats = measure(o, effect, signal, blocks[s], t);
    print_row(o, preset, n_channels, blocks[s], t, repeats,
              bench_stolen_seconds() - before);
    fflush(stdout);
    fill_bins(o, blocks[s], t->cpu, counts[s]);
  }
  maudio_effect_free(effect);
  maudio_stream_free(stream);
  return status;
}

static maudio_status run_all(const options* o,
                             const float*   signal,
                             const timings* t,
                             maudio_error*  error)
{
  size_t counts[2][2][n_sizes][n_bins + 1] = {0};
  size_t n_presets                         = o->preset ? 1 : 2;
  printf("%zu blocks each, %.0f Hz, %s kernels; times in microseconds of CPU"
         " time, but for `wall`, and for `stolen` by the host in ms\n\n%s",
         o->n_blocks, o->rate_hz, maudio_kernels_name(), table_head);
  for (size_t p = 0; p < n_presets; ++p) {
    const char* const name   = o->preset ? o->preset : presets[p];
    maudio_model*     model  = NULL;
    maudio_status     status = bench_open(name, NULL, &model, error);
    for (unsigned c = 0; !status && c < 2; ++c) {
      status = run(o, name, model, c + 1, signal, t, counts[p][c], error);
    }
    maudio_model_free(model);
    if (status) {
      return status;
    }
  }
  for (size_t p = 0; p < n_presets; ++p) {
    for (unsigned c = 0; c < 2; ++c) {
      print_histogram(o->preset ? o->preset : presets[p], c + 1, counts[p][c]);
    }
  }
  return MAUDIO_SUCCESS;
}

int main(int argc, char** argv)
{
  options   o      = {.rate_hz = 48000, .n_blocks = 100000};
  const int parsed = parse(argc, argv, &o);
  if (parsed) {
    return parsed - 1;
  }
  if (!(o.rate_hz >= MAUDIO_MIN_RATE_HZ && o.rate_hz <= MAUDIO_MAX_RATE_HZ)) {
    fprintf(stderr, "maudio-bench-blocks: %g Hz is not in %d to %d Hz\n",
            o.rate_hz, MAUDIO_MIN_RATE_HZ, MAUDIO_MAX_RATE_HZ);
    return 1;
  }

  const size_t  n_signal = (size_t)(SIGNAL_SECONDS * o.rate_hz);
  float* const  signal   = (float*)calloc(n_signal, sizeof(float));
  const timings t        = {(float*)calloc(o.n_blocks, sizeof(float)),
                            (float*)calloc(o.n_blocks, sizeof(float)),
                            (float*)calloc(o.n_blocks, sizeof(float))};
  maudio_error  error    = {MAUDIO_ERR_NO_MEMORY, "No memory for the timings"};
  maudio_status status   = MAUDIO_ERR_NO_MEMORY;
  if (signal && t.cpu && t.wall && t.cpu2) {
    bench_signal(signal, n_signal, o.rate_hz);
    for (size_t i = 0; i < o.n_blocks; ++i) {
      t.cpu[i] = t.wall[i] = t.cpu2[i] = -1.0f; // Resident from the start
    }
    status = run_all(&o, signal, &t, &error);
  }
  if (status) {
    fprintf(stderr, "maudio-bench-blocks: %s\n", error.message);
  }
  free(t.cpu2);
  free(t.wall);
  free(t.cpu);
  free(signal);
  return status ? 1 : 0;
}

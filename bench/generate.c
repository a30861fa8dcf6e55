/* How long each sample of a generator takes, against its deadline, with the
 * work of the slow tiers spread over the samples and in bursts. */
#include "bench.h"
#include "generator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WARM_UP 4000

typedef struct {
  const char* model;     ///< File, or NULL: the preset
  const char* preset;    ///< NULL: every one that generates
  size_t      n_samples; ///< Of each kind
} options;

static const char usage[] =
  "Usage: maudio-bench-generate [OPTION]...\n"
  "Measure how long each generated sample takes, in a table of Markdown.\n"
  "\n"
  "  -m, --model FILE     measure this model\n"
  "  -p, --preset NAME    only this preset (each that generates)\n"
  "  -n, --samples N      samples of each kind (100000)\n"
  "  -h, --help           show this\n"
  "\n"
  "MAUDIO_KERNELS=scalar|avx2|avx512|avx512vnni|neon selects kernels.\n";

/// Parse; return 0 to run, 1 to leave with success, 2 with failure
static int parse(int argc, char** argv, options* o)
{
  const bench_option known[] = {
    {.name = "model", .letter = 'm', .text = &o->model},
    {.name = "preset", .letter = 'p', .text = &o->preset},
    {.name = "samples", .letter = 'n', .count = &o->n_samples}};
  const int result =
    bench_read_options(argc, argv, usage, known, sizeof known / sizeof *known);
  return !result && (o->n_samples < 1000 || o->n_samples > 1000000000)
           ? bench_misused(usage)
           : result;
}

/// What the samples took
typedef struct {
  size_t n;
  size_t period;   ///< Samples of a frame of the slowest tier
  float* cpu;      ///< (n) microseconds of the thread
  float* wall;     ///< (n) microseconds by the clock on the wall
  double mean;     ///< Microseconds of CPU time, without a look at the clock
  double dearest;  ///< Of the places in a frame, the greatest median
  double level_db; ///< Of what was generated
  double stolen;   ///< Seconds
} timings;

/// Of all places in a frame of the slowest tier, find the greatest median:
/// what the schedule costs at worst, whatever else the machine does
static double find_dearest(const timings* t)
{
  double       most  = 0.0;
  float* const place = (float*)malloc((t->n / t->period + 1) * sizeof *place);
  for (size_t p = 0; place && p < t->period; ++p) {
    size_t n = 0;
    for (size_t i = p; i < t->n; i += t->period) {
      place[n++] = t->cpu[i];
    }
    if (n) {
      qsort(place, n, sizeof *place, bench_compare);
      most = (double)place[n / 2] > most ? (double)place[n / 2] : most;
    }
  }
  free(place);
  return most;
}

static void measure(maudio_generator* generator, timings* t)
{
  double energy = 0.0;
  float  x      = 0.0f;
  maudio_generator_reset(generator, 1);
  for (size_t i = 0; i < WARM_UP; ++i) {
    maudio_generator_run(generator, &x, 1);
  }
  const double stolen = bench_stolen_seconds();
  const double start  = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (size_t i = 0; i < t->n; ++i) {
    maudio_generator_run(generator, &x, 1);
    energy += (double)x * x;
  }
  const double end = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  t->mean          = 1e6 * (end - start) / (double)t->n;
  t->level_db      = 10.0 * log10(energy / (double)t->n + 1e-12);

  for (size_t i = 0; i < t->n; ++i) {
    const double wall   = bench_seconds(CLOCK_MONOTONIC);
    const double before = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    maudio_generator_run(generator, &x, 1);
    t->cpu[i] =
      (float)(1e6 * (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - before));
    t->wall[i] = (float)(1e6 * (bench_seconds(CLOCK_MONOTONIC) - wall));
  }
  t->stolen  = bench_stolen_seconds() - stolen;
  t->dearest = find_dearest(t);
  qsort(t->cpu, t->n, sizeof *t->cpu, bench_compare);
  qsort(t->wall, t->n, sizeof *t->wall, bench_compare);
}

static size_t count_above(const float* sorted, size_t n, double limit)
{
  size_t n_above = 0;
  while (n_above < n && (double)sorted[n - 1 - n_above] > limit) {
    ++n_above;
  }
  return n_above;
}

static void
print_row(const char* name, const char* kind, double rate_hz, const timings* t)
{
  const size_t n           = t->n;
  const double deadline_us = 1e6 / rate_hz;
  printf(
    "| %s | %s | %.0f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1f | %.0f |"
    " %zu | %zu | %.0f | %.1f |\n",
    name, kind, 1e6 / t->mean, deadline_us, t->mean, t->dearest, t->cpu[n / 2],
    t->cpu[n - 1 - n / 100], t->cpu[n - 1 - n / 1000], t->cpu[n - 1],
    t->wall[n - 1], count_above(t->cpu, n, deadline_us),
    count_above(t->wall, n, deadline_us), 1e3 * t->stolen, t->level_db);
  fflush(stdout);
}

/// Measure a model, if it generates
static maudio_status
run(const maudio_model* model, timings* t, maudio_error* error)
{
  maudio_model_info info;
  maudio_generator* generator = NULL;
  maudio_model_get_info(model, &info);
  if (info.task != MAUDIO_TASK_GENERATE) {
    return MAUDIO_SUCCESS;
  }
  maudio_tier_info slowest = {.n_frames = 1};
  for (uint32_t i = 0; maudio_model_tier(model, i, &slowest); ++i) {
  }
  t->period                  = slowest.n_frames;
  const maudio_status status = maudio_generator_new(model, &generator, error);
  for (unsigned bursts = 0; !status && bursts < 2; ++bursts) {
    maudio_generator_set_bursts(generator, bursts);
    measure(generator, t);
    print_row(info.name, bursts ? "burst" : "spread", info.rate_hz, t);
  }
  maudio_generator_free(generator);
  return status;
}

typedef struct {
  const options* options;
  timings*       timings;
  maudio_status  status;
  maudio_error*  error;
} visitor;

static bool visit(const char* name, const char* path, void* user)
{
  visitor* const v     = (visitor*)user;
  maudio_model*  model = NULL;
  (void)name;
  v->status = maudio_model_open(path, &model, v->error);
  if (!v->status) {
    v->status = run(model, v->timings, v->error);
  }
  maudio_model_free(model);
  return !v->status;
}

static maudio_status run_all(const options* o, timings* t, maudio_error* error)
{
  printf("%zu samples each, %s kernels; times in microseconds of CPU time, but"
         " for `wall`, and for `stolen` by the host in ms;\n`dearest`"
         " is the median of the sample that does most for the slow tiers\n\n"
         "| model | slow tiers | samples/s | deadline | mean | dearest | p50 | "
         "p99 | p99.9"
         " | worst | worst wall | over | over, wall | stolen | level dB |\n"
         "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
         o->n_samples, maudio_kernels_name());
  if (!o->model && !o->preset) {
    visitor             v      = {o, t, MAUDIO_SUCCESS, error};
    const maudio_status status = maudio_preset_each(visit, &v, error);
    return status ? status : v.status;
  }
  maudio_model* model  = NULL;
  maudio_status status = bench_open(o->preset, o->model, &model, error);
  if (!status) {
    status = run(model, t, error);
  }
  maudio_model_free(model);
  return status;
}

int main(int argc, char** argv)
{
  options   o      = {.n_samples = 100000};
  const int parsed = parse(argc, argv, &o);
  if (parsed) {
    return parsed - 1;
  }
  timings       t      = {.n    = o.n_samples,
                          .cpu  = (float*)calloc(o.n_samples, sizeof(float)),
                          .wall = (float*)calloc(o.n_samples, sizeof(float))};
  maudio_error  error  = {MAUDIO_ERR_NO_MEMORY, "No memory for the timings"};
  maudio_status status = MAUDIO_ERR_NO_MEMORY;
  if (t.cpu && t.wall) {
    for (size_t i = 0; i < o.n_samples; ++i) {
      t.cpu[i] = t.wall[i] = -1.0f; // Resident from the start
    }
    status = run_all(&o, &t, &error);
  }
  if (status) {
    fprintf(stderr, "maudio-bench-generate: %s\n", error.message);
  }
  free(t.wall);
  free(t.cpu);
  return status ? 1 : 0;
}

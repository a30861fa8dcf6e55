/* What a denoiser without latency costs in calls of one sample and more: the
 * mean, and by position in a hop, where its slow network makes uneven work.
 */
#include "bench.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNAL_SECONDS 2
#define MAX_BLOCK 64

typedef struct {
  const char* preset;
  const char* model;
  double      seconds;
} options;

static const char usage[] =
  "Usage: maudio-bench-samples [OPTION]...\n"
  "Measure a denoiser without latency, in a table of Markdown: times of a "
  "call\n"
  "in microseconds of CPU time. `heaviest` is the median at the position in a\n"
  "hop where that is greatest: the burst that no busy machine explains.\n"
  "`at once` is what the slow network takes for a hop, which is spread over\n"
  "samples: a burst that would be.\n"
  "\n"
  "  -p, --preset NAME    preset to run (voice-zero)\n"
  "  -m, --model FILE     model to run instead\n"
  "  -s, --seconds N      seconds of audio each (10)\n"
  "  -h, --help           show this\n"
  "\n"
  "MAUDIO_KERNELS=scalar|avx2|avx512|avx512vnni|neon selects kernels.\n";

/// Parse; return 0 to run, 1 to leave with success, 2 with failure
static int parse(int argc, char** argv, options* o)
{
  const bench_option known[] = {
    {.name = "preset", .letter = 'p', .text = &o->preset},
    {.name = "model", .letter = 'm', .text = &o->model},
    {.name = "seconds", .letter = 's', .number = &o->seconds}};
  const int result =
    bench_read_options(argc, argv, usage, known, sizeof known / sizeof *known);
  o->preset = o->model ? NULL : o->preset;
  return !result && (!(o->seconds >= 1.0 && o->seconds <= 3600.0))
           ? bench_misused(usage)
           : result;
}

/// Blocks of one size, by their place in the least time that is whole hops and
/// whole blocks
typedef struct {
  size_t size; ///< Frames of a block
  size_t n_places;
  size_t n_rounds;
  float* times; ///< (n_places, n_rounds) microseconds of the thread
} timings;

static size_t common_divisor(size_t a, size_t b)
{
  while (b) {
    const size_t rest = a % b;
    a                 = b;
    b                 = rest;
  }
  return a;
}

static void measure(maudio_stream* stream, const float* signal, timings* t)
{
  static float out[2][MAX_BLOCK];
  const size_t n_loop =
    (size_t)(SIGNAL_SECONDS * stream->rate_hz) / t->size * t->size;
  float* const outs[] = {out[0], out[1]};
  maudio_stream_reset(stream);
  for (size_t i = 0; i < t->n_places * t->n_rounds; ++i) {
    const size_t       at     = i * t->size % n_loop;
    const float* const ins[]  = {signal + at, signal + at};
    const double       before = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    maudio_stream_process(stream, ins, outs, t->size);
    const double after = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    t->times[i % t->n_places * t->n_rounds + i / t->n_places] =
      (float)(1e6 * (after - before));
  }
}

/// What clocks take themselves, in microseconds
static double clock_cost(void)
{
  enum { N_READS = 10000 };
  const double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (unsigned i = 0; i < N_READS; ++i) {
    bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  }
  return 1e6 * (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - start) / N_READS;
}

/// Microseconds of the slow network for a hop, if it were not spread: median
static double slow_at_once(maudio_stream* stream)
{
  enum { N_RUNS = 501 };
  static float times[N_RUNS];
  maudio_slow* slow     = &stream->steerer.slow;
  const float* frames[] = {stream->steerer.line[0],
                           stream->steerer.line[stream->n_channels - 1]};
  for (unsigned i = 0; i < N_RUNS; ++i) {
    const double before = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
    maudio_slow_run(slow, frames, 0, slow->n_units);
    times[i] = (float)(1e6 * (bench_seconds(CLOCK_THREAD_CPUTIME_ID) - before));
  }
  qsort(times, N_RUNS, sizeof *times, bench_compare);
  return times[N_RUNS / 2];
}

static void print_row(maudio_stream* stream, const timings* t)
{
  const size_t n           = t->n_places * t->n_rounds;
  const double deadline_us = 1e6 * (double)t->size / stream->rate_hz;
  const double clock_us    = clock_cost();
  double       total       = 0.0;
  double       heaviest    = 0.0;
  for (size_t p = 0; p < t->n_places; ++p) {
    float* const times = t->times + p * t->n_rounds;
    qsort(times, t->n_rounds, sizeof *times, bench_compare);
    const double median = times[t->n_rounds / 2];
    heaviest            = median > heaviest ? median : heaviest;
  }
  qsort(t->times, n, sizeof *t->times, bench_compare);
  for (size_t i = 0; i < n; ++i) {
    total += t->times[i];
  }
  const double mean = total / (double)n - clock_us;
  printf("| %.0f | %u | %zu | %.1f | %.2f | %.1f %% | %.2f | %.1f %% | %.1f |"
         " %.1f | %.0f |\n",
         stream->rate_hz, stream->n_channels, t->size, deadline_us, mean,
         100.0 * mean / deadline_us, heaviest - clock_us,
         100.0 * (heaviest - clock_us) / deadline_us,
         t->times[n - 1 - n / 1000], t->times[n - 1], slow_at_once(stream));
  fflush(stdout);
}

static maudio_status run(const maudio_model* model,
                         double              rate_hz,
                         unsigned            n_channels,
                         const options*      o,
                         maudio_error*       error)
{
  static const size_t blocks[] = {1, 16, MAX_BLOCK};
  maudio_stream*      stream   = NULL;
  const size_t        n_signal = (size_t)(SIGNAL_SECONDS * rate_hz);
  const size_t        n_frames = (size_t)(o->seconds * rate_hz);
  float* const        signal   = (float*)calloc(n_signal, sizeof(float));
  float* const        times    = (float*)calloc(n_frames, sizeof(float));
  maudio_status       status   = MAUDIO_ERR_NO_MEMORY;
  if (signal && times) {
    status = maudio_stream_new(model, rate_hz, n_channels, &stream, error);
  }
  if (!status) {
    bench_signal(signal, n_signal, rate_hz);
    const size_t hop = stream->spectral.hop;
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
      const size_t n_places = hop / common_divisor(hop, blocks[b]);
      timings      t        = {.size     = blocks[b],
                               .n_places = n_places,
                               .n_rounds = n_frames / blocks[b] / n_places,
                               .times    = times};
      measure(stream, signal, &t);
      print_row(stream, &t);
    }
  }
  maudio_stream_free(stream);
  free(times);
  free(signal);
  return status;
}

int main(int argc, char** argv)
{
  options   o      = {.preset = "voice-zero", .seconds = 10.0};
  const int parsed = parse(argc, argv, &o);
  if (parsed) {
    return parsed - 1;
  }

  static const double rates[] = {16000, 48000};
  maudio_model*       model   = NULL;
  maudio_error        error   = {MAUDIO_ERR_NO_MEMORY, "No memory"};
  maudio_status       status  = bench_open(o.preset, o.model, &model, &error);
  if (!status && !model->config.steer.n_gains) {
    status = MAUDIO_ERR_UNSUPPORTED;
    snprintf(error.message, sizeof error.message, "'%s' has latency",
             model->config.name);
  }
  if (!status) {
    printf("%s, %s kernels\n\n"
           "| rate | channels | block | deadline | mean | of deadline |"
           " heaviest | of deadline | p99.9 | worst | at once |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|\n",
           model->config.name, maudio_kernels_name());
  }
  for (size_t r = 0; !status && r < 2; ++r) {
    for (unsigned c = 1; !status && c <= 2; ++c) {
      status = run(model, rates[r], c, &o, &error);
    }
  }
  if (status) {
    fprintf(stderr, "maudio-bench-samples: %s\n", error.message);
  }
  maudio_model_free(model);
  return status ? 1 : 0;
}

/* What a stream costs on one core: mean, worst block, and memory over time. */
#include "bench.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HOUR 3600.0
#define SIGNAL_SECONDS 8

typedef struct {
  const char* preset;
  const char* model;
  double      rate_hz;
  size_t      block; ///< Frames of a call
  double      seconds;
  size_t      n_channels;
  bool        is_silent;
} options;

static const char usage[] =
  "Usage: maudio-bench --preset NAME | --model FILE [OPTION]...\n"
  "Measure the cost of a stream on one core.\n"
  "\n"
  "  -p, --preset NAME    model to run, by name\n"
  "  -m, --model FILE     model to run\n"
  "  -r, --rate HZ        sample rate (48000)\n"
  "  -b, --block FRAMES   frames of each call (64)\n"
  "  -c, --channels N     1 or 2 channels (1)\n"
  "  -s, --seconds N      seconds of audio (30)\n"
  "  -H, --hour           an hour of audio: is cost and memory constant?\n"
  "  -S, --silence        of zeros instead of a tone in noise\n"
  "  -h, --help           show this\n"
  "\n"
  "MAUDIO_KERNELS=scalar|avx2|avx512|avx512vnni|neon selects kernels.\n";

/// Parse; return 0 to run, 1 to leave with success, 2 with failure
static int parse(int argc, char** argv, options* o)
{
  bool               is_hour = false;
  const bench_option known[] = {
    {.name = "preset", .letter = 'p', .text = &o->preset},
    {.name = "model", .letter = 'm', .text = &o->model},
    {.name = "rate", .letter = 'r', .number = &o->rate_hz},
    {.name = "block", .letter = 'b', .count = &o->block},
    {.name = "channels", .letter = 'c', .count = &o->n_channels},
    {.name = "seconds", .letter = 's', .number = &o->seconds},
    {.name = "hour", .letter = 'H', .flag = &is_hour},
    {.name = "silence", .letter = 'S', .flag = &o->is_silent}};
  const int result =
    bench_read_options(argc, argv, usage, known, sizeof known / sizeof *known);
  o->seconds = is_hour ? HOUR : o->seconds;
  if (!result && (!o->preset == !o->model || o->block < 1 ||
                  o->n_channels < 1 || o->n_channels > MAUDIO_MAX_CHANNELS ||
                  !(o->seconds > 0.0 && o->seconds <= 24 * HOUR))) {
    return bench_misused(usage);
  }
  return result;
}

/// What was measured
typedef struct {
  size_t n_blocks;
  float* times;        ///< (n_blocks) CPU time in microseconds
  double worst_wall;   ///< Longest block by the clock on the wall, seconds
  double cpu_seconds;  ///< Of all blocks
  double first_minute; ///< CPU seconds of the first and of the last minute
  double last_minute;
  long   kib_before;
  long   kib_after;
} measurement;

static void measure(const options* o, maudio_stream* stream, measurement* m)
{
  const size_t n_signal = SIGNAL_SECONDS * (size_t)o->rate_hz;
  const size_t n_loop   = n_signal > o->block ? n_signal - o->block : 1;
  const size_t minute   = (size_t)(60.0 * o->rate_hz / (double)o->block);
  float* const signal =
    (float*)calloc(n_signal + 3 * o->block + 1, sizeof(float));
  if (signal) {
    float* const out = signal + n_signal + o->block; // (2, block)
    if (!o->is_silent) {
      bench_signal(signal, n_signal, o->rate_hz);
    }
    float* const outs[] = {out, out + o->block};
    maudio_stream_reset(stream);

    m->kib_before      = bench_resident_kib();
    const double start = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double       last  = start;
    for (size_t i = 0, at = 0; i < m->n_blocks; ++i) {
      const float* const ins[]  = {signal + at, signal + at};
      const double       wall   = bench_seconds(CLOCK_MONOTONIC);
      const double       before = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
      maudio_stream_process(stream, ins, outs, o->block);
      const double after  = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
      const double lasted = bench_seconds(CLOCK_MONOTONIC) - wall;
      m->times[i]         = (float)(1e6 * (after - before));
      m->worst_wall       = lasted > m->worst_wall ? lasted : m->worst_wall;
      at                  = (at + o->block) % n_loop;
      if (i + 1 == minute) {
        m->first_minute = bench_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
      }
      if (i + minute + 1 == m->n_blocks) {
        last = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
      }
    }
    const double end = bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
    m->cpu_seconds   = end - start;
    m->last_minute   = end - last;
    m->kib_after     = bench_resident_kib();
  }
  free(signal);
}

static void report(const options*       o,
                   const maudio_model*  model,
                   const maudio_stream* stream,
                   measurement*         m)
{
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  const double audio = (double)(m->n_blocks * o->block) / o->rate_hz;
  qsort(m->times, m->n_blocks, sizeof *m->times, bench_compare);
  const float* t = m->times;

  printf("model           %s, %.2f M parameters, %.0f MMAC/s\n", info.name,
         1e-6 * (double)info.n_parameters, 1e-6 * info.macs_per_second);
  printf("kernels         %s\n", maudio_kernels_name());
  printf("signal          %s, %.0f Hz, %zu channels, blocks of %zu, %.1f s\n",
         o->is_silent ? "silence" : "tone in noise", o->rate_hz, o->n_channels,
         o->block, audio);
  printf("latency         %.2f ms\n",
         1000.0 * (double)maudio_stream_latency(stream) / o->rate_hz);
  printf("realtime factor %.5f\n", m->cpu_seconds / audio);
  printf(
    "block           %.1f us long; CPU time: median %.1f us, 99.9 %% %.1f us,"
    " worst %.1f us\n",
    1e6 * (double)o->block / o->rate_hz, t[m->n_blocks / 2],
    t[m->n_blocks - 1 - m->n_blocks / 1000], t[m->n_blocks - 1]);
  printf(
    "                worst by the clock, other programs included: %.1f us\n",
    1e6 * m->worst_wall);
  printf("stream          %zu KiB\n", maudio_stream_memory(stream) / 1024);
  printf("process         %ld KiB before, %ld KiB after\n", m->kib_before,
         m->kib_after);
  if (audio >= 120.0) {
    printf("realtime factor %.5f in the first minute, %.5f in the last\n",
           m->first_minute / 60.0, m->last_minute / 60.0);
  }
}

int main(int argc, char** argv)
{
  options   o = {.rate_hz = 48000, .block = 64, .seconds = 30, .n_channels = 1};
  const int parsed = parse(argc, argv, &o);
  if (parsed) {
    return parsed - 1;
  }

  maudio_error   error  = {.message = ""};
  maudio_model*  model  = NULL;
  maudio_stream* stream = NULL;
  maudio_status  status = bench_open(o.preset, o.model, &model, &error);
  if (!status) {
    status = maudio_stream_new(model, o.rate_hz, (unsigned)o.n_channels,
                               &stream, &error);
  }
  if (status) {
    fprintf(stderr, "maudio-bench: %s\n", error.message);
    maudio_model_free(model);
    return 1;
  }

  const size_t n_blocks = (size_t)(o.seconds * o.rate_hz / (double)o.block) + 1;
  measurement  m        = {.n_blocks = n_blocks,
                           .times    = (float*)malloc(n_blocks * sizeof(float))};
  if (m.times) {
    for (size_t i = 0; i < n_blocks; ++i) {
      m.times[i] = -1.0f; // Resident from the start
    }
    measure(&o, stream, &m);
    report(&o, model, stream, &m);
  }
  const int result = m.times && m.cpu_seconds > 0.0 ? 0 : 1;
  free(m.times);
  maudio_stream_free(stream);
  maudio_model_free(model);
  return result;
}

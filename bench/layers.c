/* What each part of a denoiser's hop costs, against what the core can do. */
#include "bench.h"
#include "peak.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char* preset;
  const char* model;
  double      rate_hz;
  size_t      n_hops;
  bool        by_kind;
} options;

static const char usage[] =
  "Usage: maudio-bench-layers --preset NAME | --model FILE [OPTION]...\n"
  "Measure the parts of a hop against the peak of multiply-adds and the\n"
  "bandwidth of caches, which are measured first, in a table of Markdown.\n"
  "Times are medians, hops one at a time and as many at once as a stream "
  "takes.\n"
  "\n"
  "  -p, --preset NAME    model to run, by name\n"
  "  -m, --model FILE     model to run\n"
  "  -r, --rate HZ        sample rate (48000)\n"
  "  -n, --hops N         hops of each (4000)\n"
  "  -k, --kinds          one row for all layers of a kind\n"
  "  -h, --help           show this\n"
  "\n"
  "MAUDIO_KERNELS=scalar|avx2|avx512|avx512vnni|neon selects kernels.\n";

/// Parse; return 0 to run, 1 to leave with success, 2 with failure
static int parse(int argc, char** argv, options* o)
{
  const bench_option known[] = {
    {.name = "preset", .letter = 'p', .text = &o->preset},
    {.name = "model", .letter = 'm', .text = &o->model},
    {.name = "rate", .letter = 'r', .number = &o->rate_hz},
    {.name = "hops", .letter = 'n', .count = &o->n_hops},
    {.name = "kinds", .letter = 'k', .flag = &o->by_kind}};
  const int result =
    bench_read_options(argc, argv, usage, known, sizeof known / sizeof *known);
  return !result &&
             (!o->preset == !o->model || o->n_hops < 100 || o->n_hops > 100000)
           ? bench_misused(usage)
           : result;
}

/// Hops one at a time, and as many at once as the stream takes
enum { N_WAYS = 2 };

/// What was measured
typedef struct {
  size_t  at_once[N_WAYS];
  double* seconds[N_WAYS]; ///< (n_rows + 1) of a hop
  double  stream[N_WAYS];  ///< Of a hop in maudio_stream_process()
  bool    is_same;         ///< What the parts made is what the stream makes
} measurement;

/// The same hops through the stream itself; return the median of a hop
static double run_stream(maudio_stream* stream,
                         const float*   in,
                         size_t         n_frames,
                         size_t         n_passes,
                         double         clock,
                         float*         times,
                         float*         out)
{
  maudio_stream_reset(stream);
  for (size_t i = 0; i < n_passes; ++i) {
    const float* const ins[]  = {in + i * n_frames};
    float* const       outs[] = {out + i * n_frames};
    const double       start  = bench_seconds(CLOCK_MONOTONIC);
    maudio_stream_process(stream, ins, outs, n_frames);
    times[i] = (float)(bench_seconds(CLOCK_MONOTONIC) - start - clock);
  }
  qsort(times, n_passes, sizeof *times, bench_compare);
  return times[n_passes / 2];
}

static bool
measure(const options* o, trace* t, const float* signal, measurement* m)
{
  const size_t hop   = t->stream->spectral.hop;
  const size_t n     = o->n_hops * hop;
  float* const made  = (float*)calloc(n, sizeof(float));
  float* const heard = (float*)calloc(n, sizeof(float));
  float* const times = (float*)calloc(o->n_hops, sizeof(float));
  const bool   ok    = made && heard && times;

  m->is_same = ok;
  for (size_t w = 0; ok && w < N_WAYS; ++w) {
    const size_t at_once  = m->at_once[w];
    const size_t n_passes = o->n_hops / at_once;
    trace_run(t, at_once, n_passes, made);
    for (size_t i = 0; i < t->n_rows; ++i) {
      m->seconds[w][i] = trace_median(t, i, at_once, n_passes);
      m->seconds[w][t->n_rows] += m->seconds[w][i];
    }
    m->stream[w] = run_stream(t->stream, signal + t->stream->spectral.window,
                              at_once * hop, n_passes, t->clock, times, heard) /
                   (double)at_once;
    m->is_same =
      m->is_same &&
      !memcmp(made, heard + hop, (n_passes * at_once - 1) * hop * sizeof *made);
  }
  free(made);
  free(heard);
  free(times);
  return ok;
}

/// Return the first cache that holds so many bytes, or their number
static size_t fitting_cache(const peak* p, double bytes)
{
  size_t i = 0;
  while (i < PEAK_N_CACHES && bytes > (double)p->sizes[i]) {
    ++i;
  }
  return i;
}

static void print_share(double part, double whole)
{
  if (part > 0.0 && whole > 0.0) {
    printf(" %.0f %% |", 100.0 * part / whole);
  } else {
    printf(" |");
  }
}

static void print_number(const char* format, double x)
{
  if (x > 0.0) {
    printf(format, x);
  } else {
    printf(" |");
  }
}

static void print_row(const measurement* m,
                      const trace*       t,
                      const peak*        p,
                      double             cache,
                      size_t             i)
{
  const trace_row* const row = &t->rows[i];
  printf("| %s |", row->name);
  print_number(" %.0f |", row->macs);
  print_number(" %.1f |", row->bytes / 1024.0);
  for (size_t w = 0; w < N_WAYS; ++w) {
    const double seconds = m->seconds[w][i];
    const double rate    = seconds > 0.0 ? 1.0 / seconds : 0.0;
    const double macs    = row->macs * rate;
    const double bytes   = row->bytes * rate / (double)m->at_once[w];
    printf(" %.2f |", 1e6 * seconds);
    print_number(" %.1f |", 1e-9 * macs);
    print_share(macs, p->macs);
    print_number(" %.1f |", 1e-9 * bytes);
    print_share(bytes, cache);
  }
  printf("\n");
}

static void report(const options*      o,
                   const maudio_model* model,
                   const peak*         p,
                   const trace*        t,
                   const measurement*  m)
{
  const double bytes = t->rows[t->n_rows].bytes;
  const size_t cache = fitting_cache(p, bytes);
  const char*  label = cache < PEAK_N_CACHES ? "" : "none of the caches";
  printf("model    %s, %.0f Hz, 1 channel, %zu hops of %.2f ms\n",
         model->info.name, o->rate_hz, o->n_hops,
         1000.0 * (double)t->stream->spectral.hop / o->rate_hz);
  printf("kernels  %s\n", maudio_kernels_name());
  printf("peak     %.1f GMAC/s in float32\n", 1e-9 * p->macs);
  for (size_t i = 0; i < PEAK_N_CACHES; ++i) {
    printf("L%zu       %zu KiB%s, %.1f GB/s of %zu KiB read again and again\n",
           i + 1, p->sizes[i] / 1024, p->is_assumed ? " (assumed)" : "",
           1e-9 * p->bytes[i], p->read[i] / 1024);
  }
  printf("fits     %.0f KiB of weights and state: ", bytes / 1024.0);
  printf(*label ? "%s\n" : "%sL%zu\n", label, cache + 1);
  for (size_t w = 0; w < N_WAYS; ++w) {
    printf("stream   %.2f us a hop, %zu at once\n", 1e6 * m->stream[w],
           m->at_once[w]);
  }

  printf("\n| part | MAC | KiB |");
  for (size_t w = 0; w < N_WAYS; ++w) {
    printf(" us, %zu at once | GMAC/s | of peak | GB/s | of L%zu |",
           m->at_once[w], cache + 1);
  }
  printf("\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  const double bandwidth = cache < PEAK_N_CACHES ? p->bytes[cache] : 0.0;
  for (size_t i = 0; i < TRACE_N_BEFORE; ++i) {
    print_row(m, t, p, bandwidth, i);
  }
  for (size_t i = TRACE_N_ENDS; i < t->n_rows; ++i) {
    print_row(m, t, p, bandwidth, i);
  }
  for (size_t i = TRACE_N_BEFORE; i < TRACE_N_ENDS; ++i) {
    print_row(m, t, p, bandwidth, i);
  }
  print_row(m, t, p, bandwidth, t->n_rows);
}

static int run(const options* o, maudio_stream* stream)
{
  const maudio_model* const model    = stream->model;
  const size_t              window   = stream->spectral.window;
  const size_t              n_frames = o->n_hops * stream->spectral.hop;

  peak         p;
  trace        t      = {0};
  measurement  m      = {.at_once = {1, model->n_chunk}};
  float* const signal = (float*)calloc(window + n_frames, sizeof(float));
  bool         ok     = peak_measure(model->kernels->name, &p) &&
            trace_new(stream, signal, o->n_hops, o->by_kind, &t) && signal;
  for (size_t w = 0; w < N_WAYS; ++w) {
    m.seconds[w] = ok ? (double*)calloc(t.n_rows + 1, sizeof(double)) : NULL;
    ok           = ok && m.seconds[w];
  }
  if (ok) {
    bench_signal(signal + window, n_frames, o->rate_hz);
    trace_count(&t);
    ok = measure(o, &t, signal, &m);
  }
  if (!ok) {
    fputs("maudio-bench-layers: no memory\n", stderr);
  } else {
    report(o, model, &p, &t, &m);
  }
  if (ok && !m.is_same) {
    fputs("maudio-bench-layers: the parts do not make what the stream makes\n",
          stderr);
    ok = false;
  }
  for (size_t w = 0; w < N_WAYS; ++w) {
    free(m.seconds[w]);
  }
  trace_free(&t);
  free(signal);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char** argv)
{
  options   o      = {.rate_hz = 48000, .n_hops = 4000};
  const int parsed = parse(argc, argv, &o);
  if (parsed) {
    return parsed - 1;
  }

  maudio_error   error  = {.message = ""};
  maudio_model*  model  = NULL;
  maudio_stream* stream = NULL;
  maudio_status  status = bench_open(o.preset, o.model, &model, &error);
  if (!status) {
    status = maudio_stream_new(model, o.rate_hz, 1, &stream, &error);
  }
  int result = EXIT_FAILURE;
  if (status) {
    fprintf(stderr, "maudio-bench-layers: %s\n", error.message);
  } else if (maudio_stream_type(stream) != &maudio_stream_mask) {
    fputs("maudio-bench-layers: a model without latency has other parts: "
          "maudio-bench-samples\n",
          stderr);
  } else {
    result = run(&o, stream);
  }
  maudio_stream_free(stream);
  maudio_model_free(model);
  return result;
}

#include "null.h"

#include "support.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// The signals of a case; channel c of signal i is at i * channels + c
typedef struct {
  maudio_cuda_signal* signals[MOST_SIGNALS];
  float*              in[MOST_SIGNALS * MAUDIO_MAX_CHANNELS];
  float*              out[MOST_SIGNALS * MAUDIO_MAX_CHANNELS];
  size_t              done[MOST_SIGNALS];
} test_run;

static double rate_of(const test_case* t, size_t i)
{
  return i % 2 && t->odd_rate_hz > 0.0 ? t->odd_rate_hz : t->rate_hz;
}

/// Something like a voice in noise, some of it silent. Channels do not cancel:
/// which of them has the phase then is decided by rounding
static void make_signal(const test_case* t, size_t i, unsigned c, float* x)
{
  uint32_t seed = (uint32_t)(i * 2 + c) + 1;
  for (size_t k = 0; k < t->lengths[i]; ++k) {
    const double at    = (double)k / rate_of(t, i);
    const double side  = c ? 0.6 + 0.3 * sin(5 * at) : 1.0;
    const double voice = sin(880 * at + 3 * sin(19 * at)) * sin(12 * at) * side;
    seed               = seed * 1664525U + 1013904223U;
    const double noise = (double)(seed >> 8) / 8388608.0 - 1.0;
    const bool   quiet = (size_t)(at * 3) % 7 == 6;
    x[k]               = quiet ? 0.0f : (float)(0.3 * voice + 0.05 * noise);
  }
  if (t->has_bad_samples) {
    for (size_t k = 1000; k < t->lengths[i]; k += 3001) {
      x[k] = k % 2 ? NAN : -INFINITY;
    }
  }
}

/// One slice of each signal that is not at its end; return how many
static size_t
next_slices(const test_case* t, size_t most, test_run* r, maudio_cuda_slice* s)
{
  size_t n      = 0;
  size_t n_hops = 0;
  for (size_t i = 0; i < t->n_signals; ++i) {
    const size_t hop  = maudio_cuda_signal_hop(r->signals[i]);
    const size_t left = t->lengths[i] - r->done[i];
    size_t       hops = (left + hop - 1) / hop;
    const size_t room = (most - n_hops) / t->n_channels;
    // Signals are cut at different places
    const size_t wanted = t->hops ? t->hops + i % 3 : hops;
    hops                = hops < wanted ? hops : wanted;
    hops                = hops < room ? hops : room;
    if (!hops) {
      continue;
    }
    s[n] =
      (maudio_cuda_slice){.signal   = r->signals[i],
                          .n_frames = left < hops * hop ? left : hops * hop};
    for (unsigned c = 0; c < t->n_channels; ++c) {
      s[n].in[c]  = r->in[i * t->n_channels + c] + r->done[i];
      s[n].out[c] = r->out[i * t->n_channels + c] + r->done[i];
    }
    r->done[i] += s[n].n_frames;
    n_hops += hops * t->n_channels;
    ++n;
  }
  return n;
}

static void run_gpu(const test_case* t, maudio_cuda_engine* engine, test_run* r)
{
  maudio_error      error = {MAUDIO_SUCCESS, ""};
  maudio_cuda_info  info;
  maudio_cuda_slice slices[MOST_SIGNALS];
  uint64_t          ticket = 0;
  size_t            n      = 0;
  maudio_cuda_get_info(engine, &info);
  for (size_t i = 0; i < t->n_signals; ++i) {
    must(maudio_cuda_signal_new(engine, rate_of(t, i), t->n_channels,
                                t->strength, t->max_attenuation_db,
                                &r->signals[i], &error),
         &error);
    for (unsigned c = 0; c < t->n_channels; ++c) {
      float** const in  = &r->in[i * t->n_channels + c];
      float** const out = &r->out[i * t->n_channels + c];
      must(maudio_cuda_buffer(engine, t->lengths[i], in, &error), &error);
      must(maudio_cuda_buffer(engine, t->lengths[i], out, &error), &error);
      make_signal(t, i, c, *in);
    }
  }
  while ((n = next_slices(t, info.batch_hops, r, slices)) > 0) {
    must(maudio_cuda_submit(engine, n, slices, &ticket, &error), &error);
  }
  must(maudio_cuda_wait(engine, ticket, &error), &error);
}

/// How outputs differ
typedef struct {
  double most;    ///< Of a sample
  double squares; ///< Sum of all
  double n;       ///< Samples
} difference;

static void
add_difference(difference* d, size_t n, const float* found, const float* wanted)
{
  for (size_t k = 0; k < n; ++k) {
    const double x = fabs((double)found[k] - (double)wanted[k]);
    d->most        = x > d->most || isnan(x) ? x : d->most;
    d->squares += x * x;
  }
  d->n += (double)n;
}

/// Compare signal `i` with what the CPU makes of it
static void compare(const test_case*    t,
                    const maudio_model* model,
                    const test_run*     r,
                    size_t              i,
                    difference*         d)
{
  maudio_error   error  = {MAUDIO_SUCCESS, ""};
  maudio_stream* stream = NULL;
  float*         out[MAUDIO_MAX_CHANNELS];
  const size_t   n = t->lengths[i];
  must(maudio_stream_new(model, rate_of(t, i), t->n_channels, &stream, &error),
       &error);
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, t->strength);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB,
                    t->max_attenuation_db);
  for (unsigned c = 0; c < t->n_channels; ++c) {
    out[c] = (float*)memory(n, sizeof(float));
  }
  maudio_stream_process(stream, (const float* const*)&r->in[i * t->n_channels],
                        out, n);
  if (maudio_stream_latency(stream) !=
      maudio_cuda_signal_latency(r->signals[i])) {
    stop("latencies differ");
  }

  for (unsigned c = 0; c < t->n_channels; ++c) {
    add_difference(d, n, r->out[i * t->n_channels + c], out[c]);
    free(out[c]);
  }
  maudio_stream_free(stream);
}

static void clear(const test_case* t, maudio_cuda_engine* engine, test_run* r)
{
  for (size_t i = 0; i < t->n_signals; ++i) {
    maudio_cuda_signal_free(r->signals[i]);
  }
  for (size_t i = 0; i < t->n_signals * t->n_channels; ++i) {
    maudio_cuda_buffer_free(engine, r->in[i]);
    maudio_cuda_buffer_free(engine, r->out[i]);
  }
}

/// With an attenuation limit the direction of a mask of nearly 0 is lifted to
/// the limit, and rounding decides it (docs/cuda.md): a few samples differ
static bool is_limited(const test_case* t)
{
  return t->max_attenuation_db < 100.0f;
}

/// What is allowed, in dBFS: the contract, and that other precisions work
static double limit_of(const test_case* t)
{
  return t->strength <= 0.0f                   ? -INFINITY
         : is_limited(t)                       ? -80.0
         : t->precision == MAUDIO_CUDA_FLOAT32 ? -90.0
         : t->precision == MAUDIO_CUDA_TF32    ? -50.0
                                               : -30.0;
}

/// The greatest difference in dBFS, with an attenuation limit the mean
static double null_of(const test_case* t, const difference* d)
{
  const double x = is_limited(t) ? sqrt(d->squares / d->n) : d->most;
  return x > 0.0 || isnan(x) ? 20.0 * log10(x) : -INFINITY;
}

bool check(const char* what, const test_case* t)
{
  static const char* const precisions[] = {"float32", "tf32", "bf16"};

  maudio_error        error  = {MAUDIO_SUCCESS, ""};
  maudio_cuda_engine* engine = NULL;
  maudio_model*       model  = NULL;
  test_run            run    = {.done = {0}};
  must(maudio_cuda_open(t->model, 0, t->precision, &engine, &error), &error);
  // Vectors of integers round what int8 is multiplied with, the GPU does not
  const bool is_int8 = strstr(t->model, "int8") != NULL;
  if (is_int8) {
    setenv("MAUDIO_KERNELS", "scalar", 1);
  }
  must(maudio_model_open(t->model, &model, &error), &error);
  if (is_int8) {
    unsetenv("MAUDIO_KERNELS");
  }
  run_gpu(t, engine, &run);
  difference d = {0.0, 0.0, 0.0};
  for (size_t i = 0; i < t->n_signals; ++i) {
    compare(t, model, &run, i, &d);
  }
  clear(t, engine, &run);
  maudio_cuda_close(engine);

  maudio_model_info info;
  maudio_model_get_info(model, &info);
  const double null_db = null_of(t, &d);
  const bool   ok      = null_db <= limit_of(t);
  printf("%s  %7.1f dBFS  %-10s %-4s  %-7s %6.0f Hz x%u  %s\n",
         ok ? "ok  " : "FAIL", null_db, info.name, is_int8 ? "int8" : "",
         precisions[t->precision], t->rate_hz, t->n_channels, what);
  fflush(stdout);
  maudio_model_free(model);
  return ok;
}

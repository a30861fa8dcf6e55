/* The engine of the GPU against streams on the CPU.
 *
 * Usage: test_cuda [--short | --hour=MODEL] PRESETS: a line for each case, with
 * the greatest difference of a sample (with an attenuation limit, the power of
 * the difference); the status is 0 if all are small enough, 77 where there is
 * no GPU. MODEL, for an hour of sound, is a preset or mamba, a random network.
 */
#include "maudio_cuda.h"
#include "model_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77
#define MOST_SIGNALS 100

/// Where models of the test are written
static char folder[] = "/tmp/maudio-cuda-XXXXXX";

static int n_failures = 0;

static const char* const mamba_json =
  "{\"format_version\": \"1.0\", \"name\": \"mamba\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 16000,"
  " \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 8, 16, 32, 64, 128, 257]},"
  " \"d_model\": 64, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 128, \"d_state\": 16, \"dt_rank\": 4},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 70},"
  "{\"mixer\": \"mamba\", \"d_inner\": 150, \"d_state\": 40, \"dt_rank\": 5},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 320, \"d_state\": 20, \"headdim\": 32,"
  " \"n_groups\": 2, \"d_conv\": 3}]}";

static const char* const wide_json =
  "{\"format_version\": \"1.0\", \"name\": \"wide\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 16000,"
  " \"window_ms\": 32, \"hop_ms\": 4, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 257]},"
  " \"d_model\": 75, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba2\", \"d_inner\": 96, \"d_state\": 130, \"headdim\": 24},"
  "{\"mixer\": \"mamba\", \"d_inner\": 40, \"d_state\": 70, \"dt_rank\": 3,"
  " \"d_conv\": 1}]}";

/// Rows, states and parts that do not begin at multiples of two or four floats
static const char* const odd_json =
  "{\"format_version\": \"1.0\", \"name\": \"odd\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 10000,"
  " \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 7, 20, 161]},"
  " \"d_model\": 37, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 27, \"d_state\": 7, \"dt_rank\": 3},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 9},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 64, \"d_state\": 16, \"headdim\": 16},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 45, \"d_state\": 5, \"headdim\": 5,"
  " \"n_groups\": 3}]}";

/// Without latency: a delay and fade of a hop, more of the past than of taps
/// and of the window
static const char* const odd_steer_json =
  "{\"format_version\": \"1.1\", \"name\": \"odd-steer\","
  " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\", "
  "\"rate_hz\": 8000,"
  " \"window_ms\": 32, \"hop_ms\": 4, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 10, 40, 129]},"
  " \"d_model\": 13, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 20, \"d_state\": 6, \"dt_rank\": 2},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 5}],"
  " \"steer\": {\"n_gains\": 9, \"n_taps\": 7, \"n_past\": 241,"
  " \"d_model\": 15, \"blocks\": [{\"mixer\": \"mlp\", \"d_hidden\": 19},"
  "{\"mixer\": \"mamba\", \"d_inner\": 22, \"d_state\": 18, \"dt_rank\": 1},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 36, \"d_state\": 5, \"headdim\": 9,"
  " \"n_groups\": 2, \"d_conv\": 3}]}}";

/// A case: some signals, and how they are cut
typedef struct {
  const char*           model; ///< Path
  maudio_cuda_precision precision;
  double                rate_hz;
  double                odd_rate_hz; ///< Of every other signal, 0: the same
  unsigned              n_channels;
  size_t                n_signals;
  const size_t*         lengths; ///< (n_signals) frames
  size_t                hops;    ///< Of a slice, 0: as many as possible
  float                 strength;
  float                 max_attenuation_db;
  bool                  has_bad_samples;
} test_case;

/// The signals of a case; channel c of signal i is at i * channels + c
typedef struct {
  maudio_cuda_signal* signals[MOST_SIGNALS];
  float*              in[MOST_SIGNALS * MAUDIO_MAX_CHANNELS];
  float*              out[MOST_SIGNALS * MAUDIO_MAX_CHANNELS];
  size_t              done[MOST_SIGNALS];
} test_run;

static void stop(const char* what)
{
  fprintf(stderr, "test_cuda: %s\n", what);
  exit(EXIT_FAILURE);
}

static void must(maudio_status status, const maudio_error* error)
{
  if (status) {
    stop(error->message);
  }
}

static void* memory(size_t n, size_t size)
{
  void* const p = calloc(n ? n : 1, size);
  if (!p) {
    stop("no memory");
  }
  return p;
}

static double rate_of(const test_case* t, size_t i)
{
  return i % 2 && t->odd_rate_hz > 0.0 ? t->odd_rate_hz : t->rate_hz;
}

/// Something like a voice in noise, some of it silent
static void make_signal(const test_case* t, size_t i, unsigned c, float* x)
{
  uint32_t seed = (uint32_t)(i * 2 + c) + 1;
  for (size_t k = 0; k < t->lengths[i]; ++k) {
    const double at    = (double)k / rate_of(t, i);
    const double voice = sin(880 * at + 3 * sin(19 * at)) * sin(12 * at + c);
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

static void check(const char* what, const test_case* t)
{
  static const char* const precisions[] = {"float32", "tf32", "bf16"};

  maudio_error        error  = {MAUDIO_SUCCESS, ""};
  maudio_cuda_engine* engine = NULL;
  maudio_model*       model  = NULL;
  test_run            run    = {.done = {0}};
  must(maudio_cuda_open(t->model, 0, t->precision, &engine, &error), &error);
  // With VNNI the CPU rounds what int8 is multiplied with, the GPU does not
  const bool is_int8 = strstr(t->model, "int8") != NULL;
  if (is_int8) {
    setenv("MAUDIO_KERNELS", "avx2", 1);
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
  n_failures += !ok;
  maudio_model_free(model);
}

static char* path_of(const char* name)
{
  char* const path = (char*)memory(256, 1);
  snprintf(path, 256, "%s/%s.safetensors", folder, name);
  return path;
}

/// Write a network of small random weights
static char* make_model(const char* name, const char* json)
{
  char* const          path    = path_of(name);
  model_builder* const builder = model_builder_new(json);
  size_t               size    = 0;
  model_builder_add_network(builder);
  uint8_t* const bytes = model_builder_finish(builder, &size);
  FILE* const    file  = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
    stop("cannot write a model");
  }
  free(bytes);
  model_builder_free(builder);
  return path;
}

static bool append(const void* data, size_t size, void* user)
{
  return fwrite(data, 1, size, (FILE*)user) == size;
}

static char* make_int8(const char* name, const char* from)
{
  char* const          path  = path_of(name);
  FILE* const          file  = fopen(path, "wb");
  maudio_error         error = {MAUDIO_SUCCESS, ""};
  maudio_quantize_info info;
  must(file ? maudio_quantize(from, append, file, &info, &error)
            : MAUDIO_ERR_IO,
       &error);
  fclose(file);
  return path;
}

static test_case simple(const char* model, const size_t* lengths, size_t n)
{
  return (test_case){.model              = model,
                     .rate_hz            = 16000,
                     .n_channels         = 1,
                     .n_signals          = n,
                     .lengths            = lengths,
                     .strength           = 1.0f,
                     .max_attenuation_db = 100.0f};
}

/// Everything that does not depend on the model: rates, lengths, parameters
static void check_signals(const char* model, size_t n_frames)
{
  const size_t tiny[]  = {1, 63, 64, 127, 128, 129, 1000, 0, n_frames / 4, 2};
  const size_t whole[] = {n_frames};
  test_case    t       = simple(model, tiny, sizeof tiny / sizeof *tiny);
  check("1 sample, a hop - 1, ... in one batch", &t);
  t.hops = 1;
  check("the same, a hop at a time", &t);

  static const double rates[] = {8000, 16000, 22050, 44100, 48000};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; ++i) {
    t            = simple(model, whole, 1);
    t.rate_hz    = rates[i];
    t.n_channels = 1 + i % 2;
    check("one signal", &t);
    t.n_channels = 2 - i % 2;
    t.hops       = 7;
    check("7 hops at a time", &t);
  }
  t             = simple(model, tiny, sizeof tiny / sizeof *tiny);
  t.odd_rate_hz = 48000;
  check("and at 48000 Hz in one batch", &t);
  t          = simple(model, whole, 1);
  t.strength = 0.3f;
  check("strength 0.3", &t);
  t.strength        = 1.0f;
  t.has_bad_samples = true;
  check("NaN and infinity", &t);
  t.max_attenuation_db = 12.0f;
  check("at most 12 dB", &t);
  t.n_channels      = 2;
  t.has_bad_samples = false;
  t.strength        = 0.0f;
  check("strength 0, bit for bit", &t);
}

/// Batches of a hundred, long ones, and every precision
static void check_model(const char* model, size_t n_frames)
{
  size_t lengths[MOST_SIGNALS];
  for (size_t i = 0; i < MOST_SIGNALS; ++i) {
    lengths[i] = (i * 7919 + 1) % (n_frames / 4);
  }
  test_case t = simple(model, lengths, MOST_SIGNALS);
  check("100 of different lengths", &t);
  t.n_channels = 2;
  t.hops       = 50;
  t.rate_hz    = 44100;
  check("100, 50 hops at a time", &t);

  const size_t whole[] = {n_frames};
  t                    = simple(model, whole, 1);
  t.rate_hz            = 48000;
  check("one signal", &t);
  t.precision = MAUDIO_CUDA_TF32;
  check("one signal", &t);
  t.precision = MAUDIO_CUDA_BF16;
  check("one signal", &t);
}

/// An hour in one slice after the other, each cut along time
static void check_hour(const char* model, size_t hops)
{
  const size_t hour[] = {(size_t)3600 * 16000};
  test_case    t      = simple(model, hour, 1);
  t.hops              = hops;
  check(hops ? "an hour, some hops at a time" : "an hour", &t);
}

/// What cannot be opened is refused, and says why
static void check_refusals(const char* model, const char* generator)
{
  const struct {
    const char*   path;
    int           device;
    maudio_status status;
  } cases[] = {{generator, 0, MAUDIO_ERR_UNSUPPORTED},
               {"/nonexistent", 0, MAUDIO_ERR_NOT_FOUND},
               {model, 99, MAUDIO_ERR_BAD_ARG},
               {model, -1, MAUDIO_ERR_BAD_ARG}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    maudio_error        error  = {MAUDIO_SUCCESS, ""};
    maudio_cuda_engine* engine = NULL;
    const maudio_status status = maudio_cuda_open(
      cases[i].path, cases[i].device, MAUDIO_CUDA_FLOAT32, &engine, &error);
    const bool ok = status == cases[i].status && !engine && error.message[0];
    printf("%s  refused: %s\n", ok ? "ok  " : "FAIL", error.message);
    n_failures += !ok;
  }
}

static char* preset(const char* presets, const char* name)
{
  char* const path = (char*)memory(1024, 1);
  snprintf(path, 1024, "%s/%s.safetensors", presets, name);
  return path;
}

int main(int argc, char** argv)
{
  static const char option[] = "--hour=";
  const bool        is_short = argc > 1 && !strcmp(argv[1], "--short");
  const char* const hour = argc > 1 && !strncmp(argv[1], option, strlen(option))
                             ? argv[1] + strlen(option)
                             : NULL;
  if (argc != 2 + (is_short || hour)) {
    stop("usage: test_cuda [--short | --hour=MODEL] PRESETS");
  }
  const char* const presets   = argv[argc - 1];
  int               n_devices = 0;
  maudio_error      error     = {MAUDIO_SUCCESS, ""};
  if (maudio_cuda_count(&n_devices, &error)) {
    printf("skipped: %s\n", error.message);
    return SKIPPED;
  }
  if (!mkdtemp(folder)) {
    stop("no folder for models");
  }
  char* const small      = make_model("small", model_builder_small_json);
  char* const mamba      = make_model("mamba", mamba_json);
  char* const wide       = make_model("wide", wide_json);
  char* const odd        = make_model("odd", odd_json);
  char* const steered    = make_model("steered", model_builder_steer_json);
  char* const odd_steer  = make_model("odd-steer", odd_steer_json);
  char* const tiers      = make_model("tiers", model_builder_tiers_json);
  char* const voice      = preset(presets, "voice");
  char* const live       = preset(presets, "voice-live");
  char* const zero       = preset(presets, "voice-zero");
  char* const int8       = make_int8("int8", voice);
  char* const int8_mamba = make_int8("int8-mamba", mamba);

  const char* const models[] = {small, mamba, wide, odd,  steered,   odd_steer,
                                voice, live,  zero, int8, int8_mamba};
  check_refusals(small, tiers);
  if (hour && !strcmp(hour, "mamba")) {
    check_hour(mamba, 5000);
  } else if (hour) {
    char* const model = preset(presets, hour);
    check_hour(model, 0);
    free(model);
  } else if (is_short) {
    // Few frames, as every one may be computed by an emulator
    const size_t some[] = {2000};
    check_signals(small, 6000);
    check_signals(steered, 2000);
    for (size_t i = 1; i < sizeof models / sizeof *models; ++i) {
      const test_case t = simple(models[i], some, 1);
      check("one signal", &t);
    }
    const char* const odds[] = {odd, odd_steer};
    for (size_t i = 0; i < sizeof odds / sizeof *odds; ++i) {
      test_case t  = simple(odds[i], some, 1);
      t.n_channels = 2;
      t.hops       = 3;
      check("3 hops at a time", &t);
    }
  } else {
    check_signals(small, 160000);
    check_signals(voice, 160000);
    check_signals(steered, 160000);
    check_signals(zero, 160000);
    for (size_t i = 0; i < sizeof models / sizeof *models; ++i) {
      check_model(models[i], 160000);
    }
  }

  char* const paths[] = {tiers,     small, mamba, wide, odd,  steered,
                         odd_steer, voice, live,  zero, int8, int8_mamba};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
    if (!strncmp(paths[i], folder, strlen(folder))) {
      remove(paths[i]);
    }
    free(paths[i]);
  }
  rmdir(folder);
  printf("%d of the cases failed\n", n_failures);
  return n_failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

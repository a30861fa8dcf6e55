/* The engine of the GPU against streams on the CPU.
 *
 * Usage: test_cuda [--short | --hour=MODEL] PRESETS: a line for each case, with
 * the greatest difference of a sample (with an attenuation limit, the power of
 * the difference); the status is 0 if all are small enough, 77 where there is
 * no GPU. MODEL, for an hour of sound, is a preset or mamba, a random network.
 */
#include "maudio_cuda.h"
#include "model_builder.h"
#include "models.h"
#include "null.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SKIPPED 77

/// Where models of the test are written
static char folder[] = "/tmp/maudio-cuda-XXXXXX";

static int n_failures = 0;

static void judge(const char* what, const test_case* t)
{
  n_failures += !check(what, t);
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
  judge("1 sample, a hop - 1, ... in one batch", &t);
  t.hops = 1;
  judge("the same, a hop at a time", &t);

  static const double rates[] = {8000, 16000, 22050, 44100, 48000};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; ++i) {
    t            = simple(model, whole, 1);
    t.rate_hz    = rates[i];
    t.n_channels = 1 + i % 2;
    judge("one signal", &t);
    t.n_channels = 2 - i % 2;
    t.hops       = 7;
    judge("7 hops at a time", &t);
  }
  t             = simple(model, tiny, sizeof tiny / sizeof *tiny);
  t.odd_rate_hz = 48000;
  judge("and at 48000 Hz in one batch", &t);
  t          = simple(model, whole, 1);
  t.strength = 0.3f;
  judge("strength 0.3", &t);
  t.strength        = 1.0f;
  t.has_bad_samples = true;
  judge("NaN and infinity", &t);
  t.max_attenuation_db = 12.0f;
  judge("at most 12 dB", &t);
  t.n_channels      = 2;
  t.has_bad_samples = false;
  t.strength        = 0.0f;
  judge("strength 0, bit for bit", &t);
}

/// Noise above the trained band, which is learnt from one slice to the next
static void check_noise(const char* closed, size_t n_frames)
{
  const size_t whole[] = {n_frames, n_frames / 3, n_frames / 2};
  test_case    t       = simple(closed, whole, 3);
  t.rate_hz            = 48000;
  judge("closed", &t);
  t.hops = 3;
  judge("closed, 3 hops at a time", &t);
  t.n_channels = 2;
  t.rate_hz    = 44100;
  t.hops       = 2;
  judge("closed, 2 hops at a time", &t);
}

/// Other frames that are of the slice, of the one before, or older
static void check_filter(const char* model, size_t n_hops, size_t hops)
{
  static const double rates[] = {16000, 44100, 48000};
  for (size_t i = 0; i < sizeof rates / sizeof *rates; ++i) {
    const size_t n         = n_hops * (size_t)rates[i] / 125;
    const size_t lengths[] = {n, n / 3, n / 2};
    test_case    t         = simple(model, lengths, 3);
    t.rate_hz              = rates[i];
    t.n_channels           = 1 + i % 2;
    t.hops                 = hops;
    judge("some hops at a time", &t);
    t.n_channels         = 2;
    t.hops               = 7;
    t.max_attenuation_db = 6.0f;
    judge("7 hops at a time, at most 6 dB", &t);
  }
}

/// Batches of a hundred, long ones, and every precision
static void check_model(const char* model, size_t n_frames)
{
  size_t lengths[MOST_SIGNALS];
  for (size_t i = 0; i < MOST_SIGNALS; ++i) {
    lengths[i] = (i * 7919 + 1) % (n_frames / 4);
  }
  test_case t = simple(model, lengths, MOST_SIGNALS);
  judge("100 of different lengths", &t);
  t.n_channels = 2;
  t.hops       = 50;
  t.rate_hz    = 44100;
  judge("100, 50 hops at a time", &t);

  const size_t whole[] = {n_frames};
  t                    = simple(model, whole, 1);
  t.rate_hz            = 48000;
  judge("one signal", &t);
  t.precision = MAUDIO_CUDA_TF32;
  judge("one signal", &t);
  t.precision = MAUDIO_CUDA_BF16;
  judge("one signal", &t);
}

/// An hour in one slice after the other, each cut along time
static void check_hour(const char* model, size_t hops)
{
  const size_t hour[] = {(size_t)3600 * 16000};
  test_case    t      = simple(model, hour, 1);
  t.hops              = hops;
  judge(hops ? "an hour, some hops at a time" : "an hour", &t);
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
  char* const small   = make_model(folder, "small", model_builder_small_json);
  char* const closed  = make_closed(folder, "closed", model_builder_small_json);
  char* const mamba   = make_model(folder, "mamba", mamba_json);
  char* const wide    = make_model(folder, "wide", wide_json);
  char* const odd     = make_model(folder, "odd", odd_json);
  char* const steered = make_model(folder, "steered", model_builder_steer_json);
  char* const odd_steer = make_model(folder, "odd-steer", odd_steer_json);
  char* const filter = make_model(folder, "filter", model_builder_filter_json);
  char* const odd_filter = make_model(folder, "odd-filter", odd_filter_json);
  char* const ahead      = make_model(folder, "ahead", ahead_json);
  char* const far_ahead  = make_model(folder, "far-ahead", far_ahead_json);
  char* const tiers  = make_model(folder, "tiers", model_builder_tiers_json);
  char* const voice  = preset(presets, "voice");
  char* const live   = preset(presets, "voice-live");
  char* const zero   = preset(presets, "voice-zero");
  char* const studio = preset(presets, "voice-studio");
  char* const int8   = make_int8(folder, "int8", voice);
  char* const int8_mamba = make_int8(folder, "int8-mamba", mamba);

  const char* const models[] = {
    small, mamba,     wide,  odd,  steered, odd_steer, filter, odd_filter,
    ahead, far_ahead, voice, live, zero,    studio,    int8,   int8_mamba};
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
    check_noise(closed, 18000);
    check_filter(filter, 30, 1);
    check_filter(odd_filter, 30, 4);
    check_filter(ahead, 30, 1);
    check_filter(far_ahead, 60, 3);
    for (size_t i = 1; i < sizeof models / sizeof *models; ++i) {
      const test_case t = simple(models[i], some, 1);
      judge("one signal", &t);
    }
    const char* const odds[] = {odd, odd_steer};
    for (size_t i = 0; i < sizeof odds / sizeof *odds; ++i) {
      test_case t  = simple(odds[i], some, 1);
      t.n_channels = 2;
      t.hops       = 3;
      judge("3 hops at a time", &t);
    }
    // Has bands above the trained one, and a mask that is low
    const size_t more[] = {12000};
    test_case    t      = simple(voice, more, 1);
    t.rate_hz           = 48000;
    t.n_channels        = 2;
    t.hops              = 7;
    judge("7 hops at a time", &t);
  } else {
    check_signals(small, 160000);
    check_signals(voice, 160000);
    check_signals(steered, 160000);
    check_signals(zero, 160000);
    check_noise(closed, 480000);
    check_filter(filter, 600, 1);
    check_filter(odd_filter, 600, 4);
    check_filter(ahead, 600, 1);
    check_filter(far_ahead, 600, 3);
    check_signals(filter, 160000);
    for (size_t i = 0; i < sizeof models / sizeof *models; ++i) {
      check_model(models[i], 160000);
    }
  }

  char* const paths[] = {tiers,  small,     closed,    mamba,  wide,
                         odd,    steered,   odd_steer, filter, odd_filter,
                         ahead,  far_ahead, voice,     live,   zero,
                         studio, int8,      int8_mamba};
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

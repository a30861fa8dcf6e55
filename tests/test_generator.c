#include "generator.h"

#include "golden.h"
#include "network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_CODES MAUDIO_N_CODES
#define N_GOLDEN 300U
#define N_FRAMES 1000U

/// Run `n` frames in calls of ever changing length
static void run(maudio_generator* generator, float* out, size_t n)
{
  size_t next = 0;
  for (size_t done = 0; done < n;) {
    next               = (next * 5 + 3) % 64;
    const size_t count = next < n - done ? next : n - done;
    maudio_generator_run(generator, out + done, count);
    done += count;
  }
}

static void check_golden(maudio_model* model, const char* name, float tolerance)
{
  static const size_t shape[] = {N_GOLDEN, N_CODES};
  golden              file    = golden_open("codes_tiers");
  float* const        codes   = golden_read(&file, "codes", 1, shape);
  float* const        logits  = golden_read(&file, "logits", 2, shape);
  float* const        found   = network_floats(N_GOLDEN * N_CODES);
  uint8_t             bytes[N_GOLDEN];
  for (size_t i = 0; i < N_GOLDEN; ++i) {
    bytes[i] = (uint8_t)codes[i];
  }
  maudio_generator* const generator = network_generator(model);
  maudio_generator_score(generator, bytes, N_GOLDEN, found);
  golden_compare(name, found, logits, N_GOLDEN * N_CODES, tolerance);
  maudio_generator_free(generator);
  maudio_model_free(model);
  free(found);
  free(logits);
  free(codes);
  golden_close(&file);
}

static void logits_are_those_of_pytorch(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    check_golden(network_open("tiers"), (*k)->name, 1e-5f);
    check_golden(network_open_int8("tiers"), "int8", 0.05f);
  }
  unsetenv("MAUDIO_KERNELS");
}

static void calls_may_have_any_length(void** state)
{
  (void)state;
  maudio_model* const     model     = network_make_tiers();
  maudio_generator* const generator = network_generator(model);
  float* const            whole     = network_floats(N_FRAMES);
  float* const            parts     = network_floats(N_FRAMES);
  maudio_generator_run(generator, whole, N_FRAMES);
  maudio_generator_reset(generator, 0);
  run(generator, parts, N_FRAMES);
  assert_memory_equal(whole, parts, N_FRAMES * sizeof *whole);
  maudio_generator_reset(generator, 0);
  maudio_generator_set_bursts(generator, true);
  run(generator, parts, N_FRAMES);
  assert_memory_equal(whole, parts, N_FRAMES * sizeof *whole);
  free(parts);
  free(whole);
  maudio_generator_free(generator);
  maudio_model_free(model);
}

static void seeds_make_the_difference(void** state)
{
  (void)state;
  maudio_model* const     model = network_make_tiers();
  maudio_generator* const a     = network_generator(model);
  maudio_generator* const b     = network_generator(model);
  float                   x[N_FRAMES];
  float                   y[N_FRAMES];
  maudio_generator_reset(a, 7);
  maudio_generator_run(a, x, N_FRAMES);
  maudio_generator_reset(b, 8);
  maudio_generator_run(b, y, N_FRAMES);
  assert_memory_not_equal(x, y, sizeof x);
  maudio_generator_reset(b, 7);
  maudio_generator_run(b, y, N_FRAMES);
  assert_memory_equal(x, y, sizeof x);
  maudio_generator_free(b);
  maudio_generator_free(a);
  maudio_model_free(model);
}

/// Choosing the most probable needs no luck
static void parameters_are_heard(void** state)
{
  (void)state;
  static const maudio_param params[] = {MAUDIO_PARAM_TEMPERATURE,
                                        MAUDIO_PARAM_TOP_P};
  maudio_model* const       model    = network_make_tiers();
  maudio_generator* const   g        = network_generator(model);
  float                     x[N_FRAMES];
  float                     y[N_FRAMES];
  for (size_t i = 0; i < 2; ++i) {
    assert_int_equal(maudio_generator_set(g, params[i], -3.0f), MAUDIO_SUCCESS);
    maudio_generator_reset(g, 1);
    maudio_generator_run(g, x, N_FRAMES);
    maudio_generator_reset(g, 2);
    maudio_generator_run(g, y, N_FRAMES);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(maudio_generator_set(g, params[i], 9.0f), MAUDIO_SUCCESS);
    maudio_generator_reset(g, 2);
    maudio_generator_run(g, y, N_FRAMES);
    assert_memory_not_equal(x, y, sizeof x);
    assert_int_equal(maudio_generator_set(g, params[i], 1.0f), MAUDIO_SUCCESS);
    assert_int_equal(maudio_generator_set(g, params[i], NAN),
                     MAUDIO_ERR_BAD_ARG);
  }
  assert_int_equal(maudio_generator_set(g, MAUDIO_PARAM_STRENGTH, 1.0f),
                   MAUDIO_ERR_BAD_ARG);
  maudio_generator_free(g);
  maudio_model_free(model);
}

/// A prompt of what a generator made up leads to what it would go on with, but
/// for its random numbers
static void a_prompt_is_gone_on_from(void** state)
{
  (void)state;
  maudio_model* const     model = network_make_tiers();
  maudio_generator* const a     = network_generator(model);
  maudio_generator* const b     = network_generator(model);
  const uint8_t           next  = 3;
  for (size_t n = 0; n < 340; n += n < 70 ? 1 : 30) {
    float   x[340];
    uint8_t codes[340];
    float   expected[N_CODES];
    float   found[N_CODES];
    maudio_generator_reset(a, n);
    maudio_generator_run(a, x, n);
    maudio_generator_score(a, &next, 1, expected);
    maudio_generator_reset(b, 0);
    maudio_generator_prompt(b, x, n / 3);
    maudio_codes_from_samples(x, n, codes);
    maudio_generator_score(b, codes + n / 3, n - n / 3, NULL);
    maudio_generator_score(b, &next, 1, found);
    assert_memory_equal(expected, found, sizeof found);
  }
  maudio_generator_free(b);
  maudio_generator_free(a);
  maudio_model_free(model);
}

static void a_state_is_continued(void** state)
{
  (void)state;
  maudio_model* const     model = network_make_tiers();
  maudio_generator* const a     = network_generator(model);
  maudio_generator* const b     = network_generator(model);
  const size_t            size  = maudio_generator_state_size(a);
  void* const             saved = malloc(size);
  assert_non_null(saved);
  for (size_t n = 0; n < 130; ++n) { // More than four frames of the slowest
    float x[200];
    float y[200];
    maudio_generator_reset(a, 5);
    assert_int_equal(maudio_generator_set(a, MAUDIO_PARAM_TEMPERATURE, 1.5f),
                     MAUDIO_SUCCESS);
    maudio_generator_run(a, x, n);
    maudio_generator_save_state(a, saved);
    maudio_generator_run(a, x, 200);
    maudio_generator_run(b, y, n % 7);
    assert_int_equal(maudio_generator_load_state(b, saved, size),
                     MAUDIO_SUCCESS);
    maudio_generator_run(b, y, 200);
    assert_memory_equal(x, y, sizeof x);
  }
  free(saved);
  maudio_generator_free(b);
  maudio_generator_free(a);
  maudio_model_free(model);
}

static void a_damaged_state_is_refused(void** state)
{
  (void)state;
  maudio_model* const     model = network_make_tiers();
  maudio_model* const     other = network_open("tiers");
  maudio_generator* const a     = network_generator(model);
  maudio_generator* const b     = network_generator(other);
  const size_t            size  = maudio_generator_state_size(a);
  char* const             saved = (char*)malloc(size);
  const float             nan   = NAN;
  float                   x[64];
  float                   y[64];
  assert_non_null(saved);
  maudio_generator_save_state(a, saved);
  assert_int_equal(maudio_generator_load_state(a, saved, size - 1),
                   MAUDIO_ERR_BAD_STATE);
  assert_int_equal(maudio_generator_load_state(b, saved, size),
                   MAUDIO_ERR_BAD_STATE);
  // The header is of 40 bytes; position, random, temperature, top_p, last
  static const struct {
    size_t at;
    float  value;
  } damages[] = {{56, 2.5f},  {56, -1.0f}, {60, 1.5f},
                 {64, 4e20f}, {72, NAN},   {68, 1.0f}};
  for (size_t i = 0; i < sizeof damages / sizeof *damages; ++i) {
    char kept[4];
    memcpy(kept, saved + damages[i].at, 4);
    memcpy(saved + damages[i].at, &damages[i].value, 4);
    assert_int_equal(maudio_generator_load_state(a, saved, size),
                     MAUDIO_ERR_BAD_STATE);
    memcpy(saved + damages[i].at, &nan, 4);
    assert_int_equal(maudio_generator_load_state(a, saved, size),
                     MAUDIO_ERR_BAD_STATE);
    memcpy(saved + damages[i].at, kept, 4);
  }
  // And nothing has changed
  maudio_generator_run(a, x, 64);
  assert_int_equal(maudio_generator_load_state(a, saved, size), MAUDIO_SUCCESS);
  maudio_generator_run(a, y, 64);
  assert_memory_equal(x, y, sizeof x);
  free(saved);
  maudio_generator_free(b);
  maudio_generator_free(a);
  maudio_model_free(other);
  maudio_model_free(model);
}

/// For a second of audio, though logits differ in their last bits
static void all_kernels_make_up_the_same(void** state)
{
  (void)state;
  enum { n = 16000 };
  float* const first = network_floats(n);
  float* const out   = network_floats(n);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const     model     = network_make_tiers();
    maudio_generator* const generator = network_generator(model);
    maudio_generator_reset(generator, 1);
    maudio_generator_run(generator, k == golden_kernels() ? first : out, n);
    maudio_generator_free(generator);
    maudio_model_free(model);
    for (size_t i = 0; k != golden_kernels() && i < n; ++i) {
      if (first[i] != out[i]) {
        fail_msg("%s differs from sample %zu on", (*k)->name, i);
      }
    }
  }
  unsetenv("MAUDIO_KERNELS");
  free(out);
  free(first);
}

static void it_is_described(void** state)
{
  (void)state;
  maudio_model* const model = network_make_tiers();
  maudio_model_info   info;
  maudio_tier_info    tier;
  maudio_model_get_info(model, &info);
  assert_int_equal(info.task, MAUDIO_TASK_GENERATE);
  assert_int_equal(info.rate_hz, 16000);
  assert_int_equal(info.n_tiers, 4);
  assert_int_equal(info.n_layers, 6);
  assert_int_equal(info.d_model, 8);
  assert_int_equal(info.n_bands, 1);
  assert_int_equal(info.n_vocab, N_CODES);
  assert_true(info.latency_ms == 0.0);
  assert_true(info.macs_per_second == 16000.0 * info.macs_per_step);
  static const unsigned frames[] = {1, 2, 6, 30};
  double                macs     = 8.0 * N_CODES; // Of the head
  for (unsigned i = 0; i < 4; ++i) {
    assert_true(maudio_model_tier(model, i, &tier));
    assert_int_equal(tier.n_frames, frames[i]);
    macs += tier.macs / tier.n_frames;
  }
  assert_true(fabs(macs - info.macs_per_step) < 1e-6);
  assert_int_equal(tier.d_model, 17);
  assert_int_equal(tier.n_layers, 1);
  assert_false(maudio_model_tier(model, 4, &tier));
  assert_string_equal(maudio_model_layer(model, 0), "mamba2");
  assert_string_equal(maudio_model_layer(model, 2), "mamba");
  assert_string_equal(maudio_model_layer(model, 3), "mlp");
  assert_string_equal(maudio_model_layer(model, 5), "mamba2");
  assert_null(maudio_model_layer(model, 6));
  maudio_generator* const generator = network_generator(model);
  assert_ptr_equal(maudio_generator_model(generator), model);
  assert_true(maudio_generator_memory(generator) > info.state_bytes);
  maudio_generator_free(generator);
  maudio_model_free(model);
}

static void models_are_of_their_kind(void** state)
{
  (void)state;
  maudio_model* const denoiser  = network_open("bands");
  maudio_model* const model     = network_make_tiers();
  maudio_generator*   generator = NULL;
  maudio_stream*      stream    = NULL;
  maudio_sequence*    sequence  = NULL;
  maudio_error        error;
  assert_int_equal(maudio_generator_new(denoiser, &generator, &error),
                   MAUDIO_ERR_BAD_ARG);
  assert_null(generator);
  assert_string_equal(error.message, "Model 'bands' generates no audio");
  assert_int_equal(maudio_stream_new(model, 16000, 1, &stream, &error),
                   MAUDIO_ERR_BAD_ARG);
  assert_null(stream);
  assert_string_equal(error.message, "Model 'tiers' generates audio and has no"
                                     " streams that change it");
  assert_int_equal(maudio_sequence_new(model, 0, &sequence, &error),
                   MAUDIO_ERR_BAD_ARG);
  assert_null(sequence);
  assert_false(maudio_model_tier(denoiser, 0, &(maudio_tier_info){0}));
  maudio_model_free(model);
  maudio_model_free(denoiser);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(logits_are_those_of_pytorch),
    cmocka_unit_test(calls_may_have_any_length),
    cmocka_unit_test(seeds_make_the_difference),
    cmocka_unit_test(parameters_are_heard),
    cmocka_unit_test(a_prompt_is_gone_on_from),
    cmocka_unit_test(a_state_is_continued),
    cmocka_unit_test(a_damaged_state_is_refused),
    cmocka_unit_test(all_kernels_make_up_the_same),
    cmocka_unit_test(it_is_described),
    cmocka_unit_test(models_are_of_their_kind)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

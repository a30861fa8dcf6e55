/* Parameters of a stream: what they do, smoothly and exactly. */
#include "network.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void attenuation_is_limited_and_reported(void** state)
{
  (void)state;
  const size_t         n      = 8000;
  maudio_model* const  model  = network_open_constant("bands", 0.0f);
  maudio_stream* const stream = network_stream(model, 48000, 1);
  float* const         in     = network_signal(n, 48000, 5);
  float* const         out    = network_floats(n);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 12.0f);
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  const size_t latency = maudio_stream_latency(stream);
  const float  gain    = powf(10.0f, -12.0f / 20.0f);
  for (size_t i = latency; i < n; ++i) {
    assert_true(fabsf(out[i] - gain * in[i - latency]) < 1e-6f);
  }
  assert_true(fabsf(maudio_stream_reduction_db(stream) - 12.0f) < 1e-3f);

  maudio_stream_reset(stream);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 100.0f);
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  for (size_t i = 0; i < n; ++i) {
    assert_true(fabsf(out[i]) < 1e-7f);
  }
  assert_true(maudio_stream_reduction_db(stream) > 99.0f);
  free(out);
  free(in);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

/// Input of all kinds of floats: denormals, -0, huge
static float* odd_signal(size_t n_frames)
{
  float* const in = network_signal(n_frames, 48000, 6);
  for (size_t i = 0; i + 4 < n_frames; i += 97) {
    in[i]     = -0.0f;
    in[i + 1] = FLT_TRUE_MIN;
    in[i + 2] = -FLT_MAX;
    in[i + 3] = 1e-41f;
  }
  return in;
}

static void check_no_strength(const char* name)
{
  static const maudio_param params[] = {MAUDIO_PARAM_STRENGTH,
                                        MAUDIO_PARAM_ENABLED};
  const size_t              n        = 9000;
  maudio_model* const       model    = network_open(name);
  float* const              in       = odd_signal(n);
  float* const              out      = network_floats(n);
  for (size_t p = 0; p < 2; ++p) {
    for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
      maudio_stream* const stream  = network_stream(model, network_rates[r], 1);
      const size_t         latency = maudio_stream_latency(stream);
      maudio_stream_set(stream, params[p], 0.0f);
      network_process(stream, 1, (const float* const*)&in, &out, n, 0);
      assert_memory_equal(out + latency, in, (n - latency) * sizeof *in);
      maudio_stream_free(stream);
    }
  }
  free(out);
  free(in);
  maudio_model_free(model);
}

static void no_strength_is_the_delayed_input(void** state)
{
  (void)state;
  check_no_strength("bands");
  check_no_strength("ahead");
  check_no_strength("steer");
}

/// Process in blocks, setting parameters at frames that blocks do not divide
static void run_with_changes(maudio_stream* stream,
                             const float*   in,
                             float*         out,
                             size_t         block)
{
  static const struct {
    size_t       end;
    maudio_param param;
    float        value;
  } changes[] = {{1234, MAUDIO_PARAM_STRENGTH, 0.25f},
                 {1500, MAUDIO_PARAM_STRENGTH, 0.9f},
                 {1501, MAUDIO_PARAM_MAX_ATTENUATION_DB, 10.0f},
                 {4000, MAUDIO_PARAM_ENABLED, 0.0f},
                 {6000, MAUDIO_PARAM_STRENGTH, 1.0f},
                 {6007, MAUDIO_PARAM_ENABLED, 1.0f},
                 {12000, MAUDIO_PARAM_MAX_ATTENUATION_DB, 100.0f}};

  size_t done = 0;
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; ++i) {
    const float* const from = in + done;
    float* const       to   = out + done;
    network_process(stream, 1, &from, &to, changes[i].end - done, block);
    assert_int_equal(
      maudio_stream_set(stream, changes[i].param, changes[i].value),
      MAUDIO_SUCCESS);
    done = changes[i].end;
  }
}

static void changes_are_smooth_and_exact(void** state)
{
  (void)state;
  const size_t        n      = 12000;
  maudio_model* const model  = network_open_constant("bands", 0.0f);
  float* const        in     = network_floats(n);
  float* const        first  = network_floats(n);
  float* const        second = network_floats(n);
  for (size_t i = 0; i < n; ++i) {
    in[i] = 1.0f; // Whatever jumps now is a change of gain
  }
  maudio_stream* const stream = network_stream(model, 48000, 1);
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, 0.5f);
  run_with_changes(stream, in, first, n);
  for (size_t i = maudio_stream_latency(stream) + 1; i < n; ++i) {
    assert_true(fabsf(first[i] - first[i - 1]) < 2.0f / (0.020f * 48000));
  }
  assert_true(fabsf(first[1200] - 0.5f) < 1e-5f);     // Strength 0.5
  assert_true(first[5500] == 1.0f);                   // Bypassed
  assert_true(fabsf(first[11000] - 0.3162f) < 1e-3f); // At most 10 dB

  maudio_stream_free(stream);
  static const size_t blocks[] = {1, 64, 1000, 0};
  for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
    maudio_stream* const cut = network_stream(model, 48000, 1);
    maudio_stream_set(cut, MAUDIO_PARAM_STRENGTH, 0.5f);
    run_with_changes(cut, in, second, blocks[b]);
    assert_memory_equal(first, second, n * sizeof *in);
    maudio_stream_free(cut);
  }
  free(second);
  free(first);
  free(in);
  maudio_model_free(model);
}

static void parameters_are_checked(void** state)
{
  (void)state;
  maudio_model* const  model  = network_open("bands");
  maudio_stream* const stream = network_stream(model, 48000, 1);
  assert_int_equal(maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, NAN),
                   MAUDIO_ERR_BAD_ARG);
  assert_int_equal(maudio_stream_set(stream, (maudio_param)99, 0.5f),
                   MAUDIO_ERR_BAD_ARG);
  assert_int_equal(maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, 7.0f),
                   MAUDIO_SUCCESS);
  maudio_stream_free(stream);

  static const double bad_rates[] = {0, 7999, 192001, -48000, NAN, INFINITY};
  maudio_error        error;
  for (size_t i = 0; i < 6; ++i) {
    maudio_stream* none = (maudio_stream*)&error;
    assert_int_equal(maudio_stream_new(model, bad_rates[i], 1, &none, &error),
                     MAUDIO_ERR_BAD_ARG);
    assert_null(none);
  }
  for (unsigned c = 0; c < 4; c += 3) {
    maudio_stream* none = NULL;
    assert_int_equal(maudio_stream_new(model, 48000, c, &none, &error),
                     MAUDIO_ERR_BAD_ARG);
  }
  assert_string_equal(error.message,
                      "3 channels asked for, a stream has 1 or 2");
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(attenuation_is_limited_and_reported),
    cmocka_unit_test(no_strength_is_the_delayed_input),
    cmocka_unit_test(changes_are_smooth_and_exact),
    cmocka_unit_test(parameters_are_checked)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

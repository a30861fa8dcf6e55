#include "golden.h"
#include "network.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double rates[] = {8000,  11025, 16000, 22050,  32000, 44100,
                               48000, 88200, 96000, 176400, 192000};
enum { n_rates = sizeof rates / sizeof rates[0] };

static float* new_floats(size_t n)
{
  float* const floats = (float*)calloc(n + 1, sizeof *floats);
  assert_non_null(floats);
  return floats;
}

/// Process one channel from a fresh stream, to be freed with free()
static float* run_mono(const maudio_model* model,
                       double              rate_hz,
                       const float*        in,
                       size_t              n_frames,
                       size_t              block)
{
  float* const         out    = new_floats(n_frames);
  maudio_stream* const stream = network_stream(model, rate_hz, 1);
  network_process(stream, 1, &in, &out, n_frames, block);
  maudio_stream_free(stream);
  return out;
}

static void check_network(const char* name)
{
  char file_name[64];
  snprintf(file_name, sizeof file_name, "signal_%s", name);
  const size_t n    = NETWORK_SIGNAL;
  golden       file = golden_open(file_name);
  float* const x    = golden_read(&file, "x", 1, &n);
  float* const y    = golden_read(&file, "y", 1, &n);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const  model   = network_open(name);
    maudio_stream* const stream  = network_stream(model, 16000, 1);
    const size_t         latency = maudio_stream_latency(stream);
    maudio_stream_free(stream);

    float* const out = run_mono(model, 16000, x, n, n);
    char         what[64];
    snprintf(what, sizeof what, "network %s, %s", name, (*k)->name);
    golden_compare(what, out + latency, y, n - latency, 2e-6f);
    for (size_t i = 0; i < latency / 2; ++i) {
      assert_true(out[i] == 0.0f);
    }
    free(out);
    maudio_model_free(model);
  }
  unsetenv("MAUDIO_KERNELS");
  free(y);
  free(x);
  golden_close(&file);
}

static void networks_agree_with_pytorch(void** state)
{
  (void)state;
  check_network("bands");
  check_network("whole");
}

static void blocks_do_not_change_a_bit(void** state)
{
  (void)state;
  static const size_t blocks[] = {1, 7, 64, 1000, 0};
  static const double hz[]     = {16000, 44100, 48000};
  const size_t        n        = 20000;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    for (size_t m = 0; m < 2; ++m) {
      maudio_model* const model = network_open(m ? "whole" : "bands");
      for (size_t r = 0; r < 3; ++r) {
        float* const in    = network_signal(n, hz[r], 1);
        float* const whole = run_mono(model, hz[r], in, n, n);
        for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
          float* const cut = run_mono(model, hz[r], in, n, blocks[b]);
          assert_memory_equal(whole, cut, n * sizeof *cut);
          free(cut);
        }
        free(whole);
        free(in);
      }
      maudio_model_free(model);
    }
  }
  unsetenv("MAUDIO_KERNELS");
}

static void kernels_agree(void** state)
{
  (void)state;
  const size_t n         = 24000;
  float* const in        = network_signal(n, 48000, 2);
  float*       reference = NULL;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const model = network_open("bands");
    float* const        out   = run_mono(model, 48000, in, n, n);
    if (reference) {
      golden_compare((*k)->name, out, reference, n, 2e-6f);
      free(out);
    } else {
      reference = out;
    }
    maudio_model_free(model);
  }
  unsetenv("MAUDIO_KERNELS");
  free(reference);
  free(in);
}

static void every_rate_runs_within_the_nominal_latency(void** state)
{
  (void)state;
  maudio_model* const model = network_open("bands");
  maudio_model_info   info;
  maudio_model_get_info(model, &info);
  for (size_t r = 0; r < n_rates; ++r) {
    const size_t         n       = (size_t)(0.5 * rates[r]);
    float* const         in      = network_signal(n, rates[r], 3);
    float* const         out     = new_floats(n);
    maudio_stream* const stream  = network_stream(model, rates[r], 1);
    const size_t         latency = maudio_stream_latency(stream);
    const double         ms      = 1000.0 * (double)latency / rates[r];
    assert_true(ms <= info.latency_ms && ms > info.latency_ms - 0.3);

    network_process(stream, 1, (const float* const*)&in, &out, n, 0);
    assert_int_equal(maudio_stream_latency(stream), latency);
    double energy = 0.0;
    for (size_t i = 0; i < n; ++i) {
      assert_true(isfinite(out[i]));
      energy += (double)out[i] * out[i];
    }
    assert_true(energy / (double)n > 1e-6);
    maudio_stream_free(stream);
    free(out);
    free(in);
  }
  maudio_model_free(model);
}

static void a_mask_of_one_restores_the_input(void** state)
{
  (void)state;
  maudio_model* const model = network_open_constant("bands", 1.0f);
  for (size_t r = 0; r < n_rates; ++r) {
    const size_t         n       = (size_t)(0.3 * rates[r]);
    float* const         in      = network_signal(n, rates[r], 4);
    float* const         out     = new_floats(n);
    maudio_stream* const stream  = network_stream(model, rates[r], 1);
    const size_t         latency = maudio_stream_latency(stream);
    network_process(stream, 1, (const float* const*)&in, &out, n, 100);
    char what[32];
    snprintf(what, sizeof what, "restored, %.0f Hz", rates[r]);
    golden_compare(what, out + latency, in, n - latency, 2e-6f);
    assert_true(maudio_stream_reduction_db(stream) < 1e-4f);
    maudio_stream_free(stream);
    free(out);
    free(in);
  }
  maudio_model_free(model);
}

static void every_window_restores_the_input(void** state)
{
  (void)state;
  static const double windows[][2] = {{16, 8},  {32, 4},  {20, 2.5},
                                      {22, 11}, {6, 0.5}, {100, 1}};
  static const double hz[]         = {16000, 44100, 48000};
  for (size_t w = 0; w < sizeof windows / sizeof windows[0]; ++w) {
    maudio_model* const model =
      network_make_constant(windows[w][0], windows[w][1], 1.0f);
    for (size_t r = 0; r < 3; ++r) {
      const size_t         n       = 5000;
      float* const         in      = network_signal(n, hz[r], 4);
      float* const         out     = run_mono(model, hz[r], in, n, 0);
      maudio_stream* const stream  = network_stream(model, hz[r], 1);
      const size_t         latency = maudio_stream_latency(stream);
      char                 what[96];
      snprintf(what, sizeof what, "window %g ms, hop %g ms, %.0f Hz",
               windows[w][0], windows[w][1], hz[r]);
      golden_compare(what, out + latency, in, n - latency, 2e-6f);
      maudio_stream_free(stream);
      free(out);
      free(in);
    }
    maudio_model_free(model);
  }
}

static void attenuation_is_limited_and_reported(void** state)
{
  (void)state;
  const size_t         n      = 8000;
  maudio_model* const  model  = network_open_constant("bands", 0.0f);
  maudio_stream* const stream = network_stream(model, 48000, 1);
  float* const         in     = network_signal(n, 48000, 5);
  float* const         out    = new_floats(n);
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

static void no_strength_is_the_delayed_input(void** state)
{
  (void)state;
  static const maudio_param params[] = {MAUDIO_PARAM_STRENGTH,
                                        MAUDIO_PARAM_ENABLED};
  const size_t              n        = 9000;
  maudio_model* const       model    = network_open("bands");
  float* const              in       = odd_signal(n);
  float* const              out      = new_floats(n);
  for (size_t p = 0; p < 2; ++p) {
    for (size_t r = 0; r < n_rates; ++r) {
      maudio_stream* const stream  = network_stream(model, rates[r], 1);
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
  float* const        in     = new_floats(n);
  float* const        first  = new_floats(n);
  float* const        second = new_floats(n);
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

static void in_place_is_the_same(void** state)
{
  (void)state;
  const size_t        n     = 10000;
  maudio_model* const model = network_open("whole");
  float* const        in    = network_signal(n, 44100, 7);
  float* const        out   = run_mono(model, 44100, in, n, 999);

  maudio_stream* const stream = network_stream(model, 44100, 1);
  network_process(stream, 1, (const float* const*)&in, &in, n, 0);
  assert_memory_equal(in, out, n * sizeof *in);
  maudio_stream_free(stream);
  free(out);
  free(in);
  maudio_model_free(model);
}

static void stereo_shares_one_mask(void** state)
{
  (void)state;
  const size_t         n        = 12000;
  maudio_model* const  model    = network_open("bands");
  float* const         left     = network_signal(n, 48000, 8);
  float* const         right    = new_floats(n);
  float* const         outs[]   = {new_floats(n), new_floats(n)};
  float* const         mono     = run_mono(model, 48000, left, n, 64);
  maudio_stream* const stream   = network_stream(model, 48000, 2);
  const float*         same[]   = {left, left};
  const float*         panned[] = {left, right};

  // Twice the same is the same as once
  network_process(stream, 2, same, outs, n, 64);
  assert_memory_equal(outs[0], outs[1], n * sizeof(float));
  golden_compare("two equal channels", outs[0], mono, n, 1e-6f);

  // A channel that is a scaled copy stays one: the image does not move
  for (size_t i = 0; i < n; ++i) {
    right[i] = -0.5f * left[i];
  }
  maudio_stream_reset(stream);
  network_process(stream, 2, panned, outs, n, 0);
  for (size_t i = 0; i < n; ++i) {
    assert_true(fabsf(outs[1][i] + 0.5f * outs[0][i]) < 1e-6f);
  }

  // Channels that cancel are no reason to fall silent
  for (size_t i = 0; i < n; ++i) {
    right[i] = -left[i];
  }
  maudio_stream_reset(stream);
  network_process(stream, 2, panned, outs, n, 0);
  golden_compare("two opposed channels", outs[0], mono, n, 1e-6f);

  maudio_stream_free(stream);
  free(mono);
  free(outs[1]);
  free(outs[0]);
  free(right);
  free(left);
  maudio_model_free(model);
}

static void bad_samples_do_not_stay(void** state)
{
  (void)state;
  const size_t        n     = 48000;
  maudio_model* const model = network_open("bands");
  float* const        in    = network_signal(n, 48000, 9);
  for (size_t i = 5000; i < 6000; ++i) {
    in[i] = 0.0f;
  }
  float* const clean = run_mono(model, 48000, in, n, 64);
  for (size_t i = 5000; i < 6000; ++i) {
    in[i] = i % 3 ? NAN : i % 2 ? INFINITY : -INFINITY;
  }
  float* const         out    = new_floats(n);
  maudio_stream* const stream = network_stream(model, 48000, 1);
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  assert_memory_equal(out, clean, n * sizeof *in);
  assert_int_equal(maudio_stream_bad_samples(stream), 1000);

  // The largest finite samples pass, and the network gets over them
  maudio_stream_reset(stream);
  for (size_t i = 5000; i < 6000; ++i) {
    in[i] = i % 2 ? FLT_MAX : -FLT_MAX;
  }
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  for (size_t i = 0; i < n; ++i) {
    assert_true(isfinite(out[i]));
  }
  golden_compare("after huge samples", out + 40000, clean + 40000, n - 40000,
                 0.01f);
  assert_int_equal(maudio_stream_bad_samples(stream), 1000);
  maudio_stream_free(stream);
  free(out);
  free(clean);
  free(in);
  maudio_model_free(model);
}

static void reset_forgets_all(void** state)
{
  (void)state;
  const size_t         n      = 7777;
  maudio_model* const  model  = network_open("bands");
  maudio_stream* const stream = network_stream(model, 44100, 1);
  float* const         in     = network_signal(n, 44100, 10);
  float* const         first  = new_floats(n);
  float* const         second = new_floats(n);
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, 0.7f);
  network_process(stream, 1, (const float* const*)&in, &first, n, 64);
  maudio_stream_set(stream, MAUDIO_PARAM_ENABLED, 0.0f);
  maudio_stream_set(stream, MAUDIO_PARAM_ENABLED, 1.0f);
  maudio_stream_reset(stream);
  assert_true(maudio_stream_reduction_db(stream) == 0.0f);
  network_process(stream, 1, (const float* const*)&in, &second, n, 1000);
  assert_memory_equal(first, second, n * sizeof *in);
  free(second);
  free(first);
  free(in);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

static void streams_of_one_model_do_not_meet(void** state)
{
  (void)state;
  const size_t         n      = 6000;
  maudio_model* const  model  = network_open("bands");
  float* const         a      = network_signal(n, 48000, 11);
  float* const         b      = network_signal(n, 48000, 12);
  float* const         out    = new_floats(n);
  float* const         other  = new_floats(n);
  float* const         alone  = run_mono(model, 48000, a, n, 64);
  maudio_stream* const stream = network_stream(model, 48000, 1);
  maudio_stream* const rival  = network_stream(model, 48000, 1);
  for (size_t i = 0; i < n; i += 60) {
    const float* ins[]  = {a + i, b + i};
    float*       outs[] = {out + i, other + i};
    maudio_stream_process(stream, &ins[0], &outs[0], 60);
    maudio_stream_process(rival, &ins[1], &outs[1], 60);
  }
  assert_memory_equal(out, alone, n * sizeof *out);
  assert_memory_not_equal(other, alone, n * sizeof *out);
  maudio_stream_free(rival);
  maudio_stream_free(stream);
  free(alone);
  free(other);
  free(out);
  free(b);
  free(a);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(networks_agree_with_pytorch),
    cmocka_unit_test(blocks_do_not_change_a_bit),
    cmocka_unit_test(kernels_agree),
    cmocka_unit_test(every_rate_runs_within_the_nominal_latency),
    cmocka_unit_test(a_mask_of_one_restores_the_input),
    cmocka_unit_test(every_window_restores_the_input),
    cmocka_unit_test(attenuation_is_limited_and_reported),
    cmocka_unit_test(no_strength_is_the_delayed_input),
    cmocka_unit_test(changes_are_smooth_and_exact),
    cmocka_unit_test(parameters_are_checked),
    cmocka_unit_test(in_place_is_the_same),
    cmocka_unit_test(stereo_shares_one_mask),
    cmocka_unit_test(bad_samples_do_not_stay),
    cmocka_unit_test(reset_forgets_all),
    cmocka_unit_test(streams_of_one_model_do_not_meet)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

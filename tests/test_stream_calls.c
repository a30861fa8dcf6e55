/* How a stream is called, in which order, and with what, must not matter. */
#include "golden.h"
#include "network.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/// Networks of both kinds: three make a mask, one has no latency
static const char* const names[] = {"bands", "whole", "filter", "ahead",
                                    "steer"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static void blocks_do_not_change_a_bit(void** state)
{
  (void)state;
  static const size_t blocks[] = {1, 7, 64, 1000, 0};
  static const double hz[]     = {16000, 44100, 48000};
  const size_t        n        = 20000;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    for (size_t m = 0; m < N_NAMES; ++m) {
      maudio_model* const model = network_open(names[m]);
      for (size_t r = 0; r < 3; ++r) {
        float* const in    = network_signal(n, hz[r], 1);
        float* const whole = network_run(model, hz[r], in, n, n);
        for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
          float* const cut = network_run(model, hz[r], in, n, blocks[b]);
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

static void check_in_place(const char* name)
{
  const size_t        n     = 10000;
  maudio_model* const model = network_open(name);
  float* const        in    = network_signal(n, 44100, 7);
  float* const        out   = network_run(model, 44100, in, n, 999);

  maudio_stream* const stream = network_stream(model, 44100, 1);
  network_process(stream, 1, (const float* const*)&in, &in, n, 0);
  assert_memory_equal(in, out, n * sizeof *in);
  maudio_stream_free(stream);
  free(out);
  free(in);
  maudio_model_free(model);
}

static void in_place_is_the_same(void** state)
{
  (void)state;
  for (size_t m = 0; m < N_NAMES; ++m) {
    check_in_place(names[m]);
  }
}

static void check_bad_samples(const char* name)
{
  const size_t        n     = 48000;
  maudio_model* const model = network_open(name);
  float* const        in    = network_signal(n, 48000, 9);
  for (size_t i = 5000; i < 6000; ++i) {
    in[i] = 0.0f;
  }
  float* const clean = network_run(model, 48000, in, n, 64);
  for (size_t i = 5000; i < 6000; ++i) {
    in[i] = i % 3 ? NAN : i % 2 ? INFINITY : -INFINITY;
  }
  float* const         out    = network_floats(n);
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

static void bad_samples_do_not_stay(void** state)
{
  (void)state;
  check_bad_samples("bands");
  check_bad_samples("filter");
  check_bad_samples("ahead");
  check_bad_samples("steer");
}

static void check_reset(const char* name)
{
  const size_t         n      = 7777;
  maudio_model* const  model  = network_open(name);
  maudio_stream* const stream = network_stream(model, 44100, 1);
  float* const         in     = network_signal(n, 44100, 10);
  float* const         first  = network_floats(n);
  float* const         second = network_floats(n);
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

static void reset_forgets_all(void** state)
{
  (void)state;
  for (size_t m = 0; m < N_NAMES; ++m) {
    check_reset(names[m]);
  }
}

static void streams_of_one_model_do_not_meet(void** state)
{
  (void)state;
  const size_t         n      = 6000;
  maudio_model* const  model  = network_open("bands");
  float* const         a      = network_signal(n, 48000, 11);
  float* const         b      = network_signal(n, 48000, 12);
  float* const         out    = network_floats(n);
  float* const         other  = network_floats(n);
  float* const         alone  = network_run(model, 48000, a, n, 64);
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
    cmocka_unit_test(blocks_do_not_change_a_bit),
    cmocka_unit_test(in_place_is_the_same),
    cmocka_unit_test(bad_samples_do_not_stay),
    cmocka_unit_test(reset_forgets_all),
    cmocka_unit_test(streams_of_one_model_do_not_meet)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

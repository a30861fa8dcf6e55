#include "residue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N_FRAMES = 100, N_CHANNELS = 3, STRIDE = 128, LATENCY = 7 };

/// Samples with more bits than 32-bit float has, and some with as many
static void fill(double* samples)
{
  for (int i = 0; i < N_FRAMES * N_CHANNELS; ++i) {
    samples[i] = i % 5 ? (double)(i - 150) / 151.0 : (double)(i - 150) / 256.0;
  }
}

/// A network that delays by LATENCY, and calls of `n_call` frames: every bit
/// comes through
static void pass(size_t n_call)
{
  double samples[N_FRAMES * N_CHANNELS];
  double expected[N_FRAMES * N_CHANNELS];
  float  planar[STRIDE * N_CHANNELS] = {0};
  float  late[STRIDE * N_CHANNELS]   = {0};
  fill(samples);
  memset(expected, 0, sizeof(expected));
  memcpy(expected + LATENCY * N_CHANNELS, samples,
         (N_FRAMES - LATENCY) * N_CHANNELS * sizeof(double));

  residue_split(planar, STRIDE, samples, N_FRAMES, N_CHANNELS);
  for (size_t c = 0; c < N_CHANNELS; ++c) {
    memcpy(late + c * STRIDE + LATENCY, planar + c * STRIDE,
           (N_FRAMES - LATENCY) * sizeof(float));
  }
  residue_delay delay;
  assert_true(residue_delay_init(&delay, LATENCY, N_CHANNELS));
  for (size_t at = 0; at < N_FRAMES; at += n_call) {
    const size_t n = N_FRAMES - at < n_call ? N_FRAMES - at : n_call;
    residue_delay_run(&delay, samples + at * N_CHANNELS, n);
    residue_join(late + at, STRIDE, samples + at * N_CHANNELS, n, N_CHANNELS);
  }
  residue_delay_free(&delay);
  assert_memory_equal(samples, expected, sizeof(samples));
}

static void every_bit_comes_through(void** state)
{
  (void)state;
  pass(N_FRAMES);
  pass(1);
  pass(LATENCY);
  pass(33);
}

static void without_latency_nothing_waits(void** state)
{
  (void)state;
  double        samples[N_FRAMES * N_CHANNELS];
  double        expected[N_FRAMES * N_CHANNELS];
  float         planar[STRIDE * N_CHANNELS] = {0};
  residue_delay delay;
  fill(samples);
  memcpy(expected, samples, sizeof(samples));
  assert_true(residue_delay_init(&delay, 0, N_CHANNELS));
  residue_split(planar, STRIDE, samples, N_FRAMES, N_CHANNELS);
  residue_delay_run(&delay, samples, N_FRAMES);
  residue_join(planar, STRIDE, samples, N_FRAMES, N_CHANNELS);
  residue_delay_free(&delay);
  assert_memory_equal(samples, expected, sizeof(samples));
}

static void a_negative_zero_stays(void** state)
{
  (void)state;
  const double zero   = -0.0;
  double       sample = zero;
  float        planar = 1.0F;
  residue_split(&planar, 1, &sample, 1, 1);
  residue_join(&planar, 1, &sample, 1, 1);
  assert_memory_equal(&sample, &zero, sizeof(zero));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_bit_comes_through),
    cmocka_unit_test(without_latency_nothing_waits),
    cmocka_unit_test(a_negative_zero_stays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "sampling.h"

#include "golden.h"
#include "maudio.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define N MAUDIO_N_CODES
#define N_DRAWS 50000U
#define FALLBACK 77U

/// Scores of which codes 3, 40, 41 and 200 have 0.5, 0.25, 0.125, 0.125
static void fill(float* logits)
{
  for (unsigned i = 0; i < N; ++i) {
    logits[i] = -100.0f;
  }
  logits[3]   = logf(0.5f) + 5.0f;
  logits[40]  = logf(0.25f) + 5.0f;
  logits[41]  = logf(0.125f) + 5.0f;
  logits[200] = logf(0.125f) + 5.0f;
}

static uint32_t sample(float temperature, float top_p, uint32_t random)
{
  float logits[N];
  fill(logits);
  return maudio_sample(maudio_kernels_choose(), temperature, top_p, random,
                       FALLBACK, logits);
}

/// Count how often each code is drawn
static void draw(float temperature, float top_p, unsigned* counts)
{
  uint64_t state = maudio_random_seed(9);
  memset(counts, 0, N * sizeof *counts);
  for (unsigned i = 0; i < N_DRAWS; ++i) {
    ++counts[sample(temperature, top_p, maudio_random_next(&state))];
  }
}

static bool is_near(unsigned count, double share)
{
  return fabs((double)count / N_DRAWS - share) < 0.008;
}

static void random_numbers_are_those_of_pcg32(void** state)
{
  (void)state;
  // The demo of the PCG library: pcg32_srandom(42, 54)
  static const uint32_t expected[] = {0xA15C02B7U, 0x7B47F409U, 0xBA1D3330U,
                                      0x83D2F293U, 0xBFA4784BU, 0xCBED606EU};
  uint64_t              random     = maudio_random_seed(42);
  for (size_t i = 0; i < sizeof expected / sizeof *expected; ++i) {
    assert_int_equal(maudio_random_next(&random), expected[i]);
  }
}

static void codes_come_with_their_probability(void** state)
{
  (void)state;
  unsigned counts[N];
  draw(1.0f, 1.0f, counts);
  assert_true(is_near(counts[3], 0.5) && is_near(counts[40], 0.25) &&
              is_near(counts[41], 0.125) && is_near(counts[200], 0.125));
  // Squares, normed to 1
  draw(0.5f, 1.0f, counts);
  assert_true(is_near(counts[3], 64.0 / 88) && is_near(counts[40], 16.0 / 88) &&
              is_near(counts[41], 4.0 / 88) && is_near(counts[200], 4.0 / 88));
}

static void the_improbable_is_left_out(void** state)
{
  (void)state;
  unsigned counts[N];
  draw(1.0f, 0.7f, counts);
  assert_true(is_near(counts[3], 2.0 / 3) && is_near(counts[40], 1.0 / 3));
  draw(1.0f, 0.3f, counts);
  assert_int_equal(counts[3], N_DRAWS);
  draw(1.0f, 0.0f, counts);
  assert_int_equal(counts[3], N_DRAWS);
  // Of equal ones neither is left out
  draw(1.0f, 0.8f, counts);
  assert_true(is_near(counts[41], 0.125) && is_near(counts[200], 0.125));
}

static void without_temperature_the_first_best_is_chosen(void** state)
{
  (void)state;
  float logits[N];
  for (uint32_t i = 0; i < 5; ++i) {
    assert_int_equal(sample(0.0f, 1.0f, i * 0x33333333U), 3);
    assert_int_equal(sample(1e-20f, 1.0f, i * 0x33333333U), 3);
    fill(logits);
    logits[9] = logits[3] = logits[200] = 50.0f;
    assert_int_equal(maudio_sample(maudio_kernels_choose(), 0.0f, 1.0f,
                                   i * 0x33333333U, FALLBACK, logits),
                     3);
  }
}

static void all_random_numbers_do(void** state)
{
  (void)state;
  float logits[N] = {0};
  assert_int_equal(sample(1.0f, 1.0f, 0), 3);
  assert_int_equal(sample(1.0f, 1.0f, UINT32_MAX), 200);
  assert_int_equal(maudio_sample(maudio_kernels_choose(), 2.0f, 1.0f,
                                 UINT32_MAX, FALLBACK, logits),
                   N - 1);
}

static void what_is_no_number_is_never_chosen(void** state)
{
  (void)state;
  float logits[N];
  for (uint32_t i = 0; i < 64; ++i) {
    fill(logits);
    logits[3]           = NAN;
    logits[40]          = INFINITY;
    logits[255]         = -INFINITY;
    const uint32_t code = maudio_sample(maudio_kernels_choose(), 1.0f, 0.9f,
                                        i << 26U, FALLBACK, logits);
    assert_true(code == 41 || code == 200);
  }
  for (size_t i = 0; i < N; ++i) {
    logits[i] = NAN;
  }
  assert_int_equal(
    maudio_sample(maudio_kernels_choose(), 1.0f, 1.0f, 5, FALLBACK, logits),
    FALLBACK);
}

static void all_kernels_choose_the_same(void** state)
{
  (void)state;
  uint64_t random = maudio_random_seed(1);
  for (unsigned i = 0; i < 5000; ++i) {
    float scores[N];
    for (unsigned c = 0; c < N; ++c) {
      scores[c] = (float)maudio_random_next(&random) / 4e8f;
    }
    const uint32_t bits  = maudio_random_next(&random);
    const float    top_p = i % 2 ? 1.0f : 0.9f;
    float          logits[N];
    memcpy(logits, scores, sizeof scores);
    const uint32_t first = maudio_sample(&maudio_kernels_scalar, 0.9f, top_p,
                                         bits, FALLBACK, logits);
    for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
      memcpy(logits, scores, sizeof scores);
      assert_int_equal(maudio_sample(*k, 0.9f, top_p, bits, FALLBACK, logits),
                       first);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(random_numbers_are_those_of_pcg32),
    cmocka_unit_test(codes_come_with_their_probability),
    cmocka_unit_test(the_improbable_is_left_out),
    cmocka_unit_test(without_temperature_the_first_best_is_chosen),
    cmocka_unit_test(all_random_numbers_do),
    cmocka_unit_test(what_is_no_number_is_never_chosen),
    cmocka_unit_test(all_kernels_choose_the_same)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

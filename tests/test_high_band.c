#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "high_band.h"

#define HOP_MS 8.0
#define HOPS_PER_SECOND 125

static maudio_high_band new_bands(size_t n_inside, size_t n_bins)
{
  maudio_high_band high;
  maudio_high_band_init(&high, n_inside, n_bins, HOP_MS);
  return high;
}

static void bands_divide_all_bins(void** state)
{
  (void)state;
  assert_int_equal(new_bands(257, 257).n_bands, 0);
  assert_int_equal(new_bands(257, 769).n_bands, 5);
  for (size_t n_inside = 2; n_inside < 300; n_inside += 17) {
    for (size_t n_bins = n_inside + 1; n_bins < 6000; n_bins += 61) {
      const maudio_high_band high = new_bands(n_inside, n_bins);
      const size_t           n    = high.n_bands;
      assert_in_range(n, 1, MAUDIO_MAX_HIGH_BANDS);
      assert_int_equal(high.edges[0], n_inside);
      assert_int_equal(high.edges[n], n_bins);
      for (size_t b = 0; b < n; ++b) {
        const uint32_t width = high.edges[b + 1] - high.edges[b];
        assert_true(width > 0);
        // Narrow ones would have powers that vary
        assert_true(n == 1 || width >= high.edges[b] / 8);
        assert_true(n == MAUDIO_MAX_HIGH_BANDS ||
                    width <= high.edges[b] / 2 + 2);
      }
    }
  }
}

static void bins_lie_between_the_centres_of_bands(void** state)
{
  (void)state;
  const maudio_high_band high   = new_bands(257, 769);
  float                  before = 0.0f;
  for (size_t j = 257; j < 769; ++j) {
    float          fraction = -1.0f;
    const uint32_t band     = maudio_high_band_place(&high, j, &fraction);
    assert_true(band < high.n_bands);
    assert_true(fraction >= 0.0f && fraction < 1.0f);
    assert_true(fraction == 0.0f || band + 1 < high.n_bands);
    const float at = (float)band + fraction;
    assert_true(at >= before && at < before + 0.04f); // No steps
    before = at;
  }
  assert_true(before == (float)(high.n_bands - 1));
}

/// Learn for some hops; return the noise
static float
learn(maudio_high_noise* noise, size_t n_hops, float opened, float power)
{
  const maudio_high_band high  = new_bands(257, 769);
  float                  level = 0.0f;
  for (size_t i = 0; i < n_hops; ++i) {
    const float rate = maudio_high_band_rate(high.step, opened, power);
    level            = maudio_high_band_learn(noise, rate, power);
  }
  return level;
}

static void assert_level(float level, float expected, double within_db)
{
  const double difference = 10.0 * log10((double)level / expected);
  if (!(fabs(difference) <= within_db)) {
    fail_msg("%g is %.2f dB from %g", level, difference, expected);
  }
}

static void noise_is_learnt_in_pauses(void** state)
{
  (void)state;
  maudio_high_noise noise = {0};
  assert_level(learn(&noise, HOPS_PER_SECOND / 4, 0.05f, 1e-6f), 1e-6f, 0.5);
  // Speech, although the mask is half closed, and a short noise
  assert_level(learn(&noise, HOPS_PER_SECOND, 0.5f, 1e-3f), 1e-6f, 1.0);
  assert_level(learn(&noise, HOPS_PER_SECOND / 20, 0.05f, 1e-3f), 1e-6f, 1.0);
  // Noise that becomes louder, and softer
  assert_level(learn(&noise, 4 * HOPS_PER_SECOND, 0.05f, 1e-4f), 1e-4f, 0.5);
  assert_level(learn(&noise, 6 * HOPS_PER_SECOND, 0.05f, 1e-6f), 1e-6f, 0.5);
  // Silence teaches nothing
  assert_level(learn(&noise, 60 * HOPS_PER_SECOND, 0.05f, 0.0f), 1e-6f, 0.5);
}

static void nothing_is_learnt_before_a_pause(void** state)
{
  (void)state;
  maudio_high_noise noise = {0};
  const float       level = learn(&noise, 10 * HOPS_PER_SECOND, 0.9f, 1e-3f);
  assert_true(level >= 0.0f && level < 1e-6f);
  assert_level(learn(&noise, HOPS_PER_SECOND, 0.05f, 1e-6f), 1e-6f, 1.0);
}

static void only_what_is_above_the_noise_is_kept(void** state)
{
  (void)state;
  const maudio_high_mask open   = {0.3f, 0.6f};
  const maudio_high_mask closed = {0.05f, 0.05f};
  const float            noise  = 1e-6f;
  assert_true(maudio_high_band_gain(open, 100 * noise, noise) > 0.95f);
  assert_true(maudio_high_band_gain(open, noise, noise) < 0.3f);
  assert_true(maudio_high_band_gain(closed, noise, noise) < 0.05f);
  // A click, which the mask below does not let through
  assert_true(maudio_high_band_gain(closed, 1000 * noise, noise) < 0.05f);
  // From one to the other without a step
  float before = maudio_high_band_gain(open, noise, noise);
  for (float power = noise; power < 20 * noise; power *= 1.01f) {
    const float gain = maudio_high_band_gain(open, power, noise);
    assert_true(gain >= before && gain < before + 0.02f);
    before = gain;
  }
}

static void what_is_open_stays_open(void** state)
{
  (void)state;
  const maudio_high_mask mask    = {0.99f, 0.99f};
  const float            gains[] = {maudio_high_band_gain(mask, 0.0f, 0.0f),
                                    maudio_high_band_gain(mask, 1.0f, 0.0f),
                                    maudio_high_band_gain(mask, 1.0f, 1.0f)};
  for (size_t i = 0; i < 3; ++i) {
    assert_true(gains[i] > 0.985f && gains[i] < 1.001f);
  }
}

/// Saved states are read without trusting them
static void made_up_states_give_gains(void** state)
{
  (void)state;
  static const float values[] = {-3e38f, -1.0f, -0.02f, 0.0f,
                                 1e-38f, 1.0f,  3e38f};
  const size_t       n        = sizeof values / sizeof *values;
  for (size_t i = 0; i < n * n * n; ++i) {
    maudio_high_noise      noise = {values[i % n], values[i / n % n]};
    const float            power = fabsf(values[i / n / n]);
    const float            level = learn(&noise, 1, 0.1f, power);
    const maudio_high_mask mask  = {0.1f, 0.1f};
    const float            gain  = maudio_high_band_gain(mask, power, level);
    assert_true(gain > 0.039f && gain < 0.044f);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(bands_divide_all_bins),
    cmocka_unit_test(bins_lie_between_the_centres_of_bands),
    cmocka_unit_test(noise_is_learnt_in_pauses),
    cmocka_unit_test(nothing_is_learnt_before_a_pause),
    cmocka_unit_test(only_what_is_above_the_noise_is_kept),
    cmocka_unit_test(what_is_open_stays_open),
    cmocka_unit_test(made_up_states_give_gains)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "deep_filter.h"

#include "golden.h"

#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PI 3.14159265358979323846

enum {
  N_BINS   = 257,
  F        = 100,
  N_DELAYS = 3,
  REACH    = 5,
  N_STEPS  = 12,
  MAX_J    = 3073
};

static const maudio_spectral_config config = {
  .rate_hz     = 16000,
  .window_ms   = 32,
  .hop_ms      = 8,
  .compress    = 0.3f,
  .power_floor = 1e-10f,
  .n_bins      = N_BINS,
  .n_bands     = 1,
  .filter      = {.n_bins   = F,
                  .n_bands  = 1,
                  .n_delays = N_DELAYS,
                  .delays   = {1, 2, REACH}}};

/// A front end, and N_STEPS steps of noise that have been filtered
typedef struct {
  maudio_spectral spectral;
  char*           memory;
  uint32_t        random;
  size_t          stride;
  float*          frames[2];            ///< (REACH + N_STEPS, stride)
  kiss_fft_cpx    x[2][N_STEPS][MAX_J]; ///< Before
  kiss_fft_cpx    y[2][N_STEPS][MAX_J]; ///< After
  float           mask[2 * (N_BINS + F * N_DELAYS)];
} fixture;

static float noise(fixture* f)
{
  f->random = f->random * 1664525U + 1013904223U;
  return (float)(f->random >> 8) / 8388608.0f - 1.0f;
}

static fixture* new_fixture(double rate_hz, unsigned n_channels)
{
  fixture* const f = (fixture*)calloc(1, sizeof *f);
  assert_non_null(f);
  f->random = 1;
  maudio_spectral_plan(&f->spectral, &config, rate_hz, n_channels);
  assert_true(f->spectral.n_bins <= MAX_J);
  maudio_carver measure = {.base = NULL};
  maudio_spectral_carve(&f->spectral, &measure);
  f->memory = (char*)aligned_alloc(64, measure.size);
  assert_non_null(f->memory);
  memset(f->memory, 0, measure.size);
  maudio_carver carver = {.base = f->memory};
  maudio_spectral_carve(&f->spectral, &carver);
  maudio_spectral_init(&f->spectral);
  f->stride = maudio_deep_filter_stride(&f->spectral);
  for (size_t c = 0; c < 2; ++c) {
    f->frames[c] = (float*)calloc((REACH + N_STEPS) * f->stride, sizeof(float));
    assert_non_null(f->frames[c]);
  }
  return f;
}

static void free_fixture(fixture* f)
{
  free(f->frames[1]);
  free(f->frames[0]);
  free(f->memory);
  free(f);
}

/// Filter noise, with a mask and taps that stay
static void run(fixture* f, float floor)
{
  maudio_spectral* const s                           = &f->spectral;
  maudio_high_noise      high[MAUDIO_MAX_HIGH_BANDS] = {{0}};
  for (size_t t = 0; t < N_STEPS; ++t) {
    kiss_fft_cpx* spectra[2];
    const float*  frames[2];
    for (size_t c = 0; c < 2; ++c) {
      for (size_t j = 0; j < s->n_bins; ++j) {
        f->x[c][t][j] = (kiss_fft_cpx){noise(f), noise(f)};
      }
      memcpy(f->y[c][t], f->x[c][t], s->n_bins * sizeof(kiss_fft_cpx));
      float* const frame = f->frames[c] + (REACH + t) * f->stride;
      maudio_deep_filter_keep(s, f->x[c][t], frame);
      spectra[c] = f->y[c][t];
      frames[c]  = frame;
    }
    maudio_spectral_apply(s, maudio_kernels_find("scalar"), f->mask, floor,
                          high, frames, spectra);
  }
}

static double complex value(kiss_fft_cpx x)
{
  return (double)x.r + (double)x.i * I;
}

/// The rate that a signal is heard at, which may be 3 % lower than its own
static double heard_hz(const fixture* f)
{
  return (double)f->spectral.n_fft * f->spectral.bin_ratio / 0.032;
}

/// Tap p of bin k of the model, turned
static double complex product(const fixture* f, size_t k, size_t p)
{
  if (k >= F) {
    return 0.0;
  }
  const float* const tap   = f->mask + 2 * (N_BINS + k * N_DELAYS + p);
  const double       hop_s = (double)f->spectral.hop / heard_hz(f);
  const double       hz    = (double)k / 0.032;
  return (tap[0] + tap[1] * I) *
         cexp(2.0 * PI * I * hz * config.filter.delays[p] * hop_s);
}

/// What bin j of step t of a channel should be, without a floor
static double complex expected(const fixture* f, size_t c, size_t t, size_t j)
{
  const double at       = (double)j * f->spectral.bin_ratio;
  const size_t k        = (size_t)(at + 1e-6);
  const size_t next     = k + 1 < N_BINS ? k + 1 : k;
  const double fraction = at - (double)k;

  const double complex a = 1.0 + f->mask[2 * k] + f->mask[2 * k + 1] * I;
  const double complex b = 1.0 + f->mask[2 * next] + f->mask[2 * next + 1] * I;
  double complex       y = (a + fraction * (b - a)) * value(f->x[c][t][j]);
  for (size_t p = 0; p < N_DELAYS; ++p) {
    const size_t delay = config.filter.delays[p];
    if (t >= delay) {
      const double complex g =
        (1.0 - fraction) * product(f, k, p) + fraction * product(f, k + 1, p);
      y += g * value(f->x[c][t - delay][j]);
    }
  }
  return y;
}

static void fill_mask(fixture* f, float level)
{
  for (size_t i = 0; i < sizeof f->mask / sizeof *f->mask; ++i) {
    f->mask[i] = level * noise(f);
  }
}

static const double rates[] = {8000,  11025, 16000, 17875,
                               44100, 48000, 96000, 192000};
enum { N_RATES = sizeof rates / sizeof rates[0] };

static void it_is_what_the_definition_says(void** state)
{
  (void)state;
  for (size_t r = 0; r < N_RATES; ++r) {
    fixture* const               f = new_fixture(rates[r], 2);
    const maudio_spectral* const s = &f->spectral;
    fill_mask(f, 0.7f);
    run(f, 0.0f);
    double worst = 0.0;
    for (size_t t = 0; t < N_STEPS; ++t) {
      for (size_t j = 0; j < s->n_inside; ++j) {
        for (size_t c = 0; c < 2; ++c) {
          worst =
            fmax(worst, cabs(value(f->y[c][t][j]) - expected(f, c, t, j)));
        }
      }
    }
    printf("%6.0f Hz: off by %.1e\n", rates[r], worst);
    assert_true(worst < 2e-5);
    free_fixture(f);
  }
}

static void bins_below_its_end_are_filtered(void** state)
{
  (void)state;
  for (double rate_hz = 8000; rate_hz <= 192000; rate_hz += 1237.5) {
    fixture* const               f = new_fixture(rate_hz, 1);
    const maudio_spectral* const s = &f->spectral;
    size_t                       n = 0;
    for (size_t j = 0; j < s->n_inside; ++j) {
      n += s->masks[j].lower < F;
    }
    assert_int_equal(s->n_filtered, n);
    assert_int_equal(s->is_whole, s->bin_ratio == 1.0);
    assert_int_equal(f->stride, 2 * maudio_pad(n));
    assert_int_equal(maudio_deep_filter_reach(s), REACH);
    free_fixture(f);
  }
}

/// Power of bin j of step t of both channels
static double power(kiss_fft_cpx spectra[2][N_STEPS][MAX_J], size_t t, size_t j)
{
  const double a = cabs(value(spectra[0][t][j]));
  const double b = cabs(value(spectra[1][t][j]));
  return a * a + b * b;
}

static void no_bin_falls_below_the_floor(void** state)
{
  (void)state;
  const double floor = 0.5;
  for (size_t r = 0; r < N_RATES; ++r) {
    fixture* const               f = new_fixture(rates[r], 2);
    const maudio_spectral* const s = &f->spectral;
    fill_mask(f, 0.5f);
    for (size_t k = 0; k < N_BINS; ++k) {
      f->mask[2 * k] -= 0.8f;
    }
    run(f, (float)floor);
    size_t n_limited = 0;
    for (size_t t = 0; t < N_STEPS; ++t) {
      for (size_t j = 0; j < s->n_filtered; ++j) {
        const double complex y[] = {expected(f, 0, t, j), expected(f, 1, t, j)};
        const double         after = pow(cabs(y[0]), 2) + pow(cabs(y[1]), 2);
        const double         least = floor * floor * power(f->x, t, j);
        const double         scale = after < least ? sqrt(least / after) : 1.0;
        n_limited += after < least;
        for (size_t c = 0; c < 2; ++c) {
          assert_true(cabs(value(f->y[c][t][j]) - scale * y[c]) < 2e-4);
        }
      }
    }
    assert_in_range(n_limited, s->n_filtered, N_STEPS * s->n_filtered - 1);
    free_fixture(f);
  }
}

static void what_is_gone_has_the_phase_of_the_input(void** state)
{
  (void)state;
  fixture* const f = new_fixture(17875, 2);
  for (size_t k = 0; k < N_BINS; ++k) {
    f->mask[2 * k] = -1.0f;
  }
  run(f, 0.25f);
  for (size_t c = 0; c < 2; ++c) {
    for (size_t t = 0; t < N_STEPS; ++t) {
      for (size_t j = 0; j < f->spectral.n_inside; ++j) {
        const double complex x = value(f->x[c][t][j]);
        assert_true(cabs(value(f->y[c][t][j]) - 0.25 * x) < 1e-6);
      }
    }
  }
  free_fixture(f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_is_what_the_definition_says),
    cmocka_unit_test(bins_below_its_end_are_filtered),
    cmocka_unit_test(no_bin_falls_below_the_floor),
    cmocka_unit_test(what_is_gone_has_the_phase_of_the_input)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "golden.h"

#include "spectral.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PI 3.14159265358979323846

static const maudio_spectral_config config = {.rate_hz     = 16000,
                                              .window_ms   = 32,
                                              .hop_ms      = 8,
                                              .compress    = 0.3f,
                                              .power_floor = 1e-10f,
                                              .n_bins      = 257,
                                              .n_bands     = 1};

/// A front end in memory of its own
typedef struct {
  maudio_spectral spectral;
  char*           memory;
  kiss_fft_cpx*   spectra[2]; ///< (J)
} front_end;

static front_end new_front_end(double rate_hz, unsigned n_channels)
{
  front_end f = {.memory = NULL};
  maudio_spectral_plan(&f.spectral, &config, rate_hz, n_channels);
  maudio_carver measure = {.base = NULL};
  maudio_spectral_carve(&f.spectral, &measure);
  f.memory = (char*)aligned_alloc(64, measure.size);
  assert_non_null(f.memory);
  memset(f.memory, 0, measure.size);
  maudio_carver carver = {.base = f.memory};
  maudio_spectral_carve(&f.spectral, &carver);
  assert_int_equal(carver.size, measure.size);
  maudio_spectral_init(&f.spectral);
  for (size_t c = 0; c < 2; ++c) {
    f.spectra[c] =
      (kiss_fft_cpx*)calloc(f.spectral.n_bins, sizeof(kiss_fft_cpx));
    assert_non_null(f.spectra[c]);
  }
  return f;
}

static void free_front_end(front_end* f)
{
  free(f->spectra[1]);
  free(f->spectra[0]);
  free(f->memory);
}

static void make_features(front_end* f, float* features)
{
  const kiss_fft_cpx* const spectra[] = {f->spectra[0], f->spectra[1]};
  maudio_spectral_features(&f->spectral, maudio_kernels_find("scalar"), spectra,
                           features);
}

static void agrees_with_pytorch(void** state)
{
  (void)state;
  enum { n_samples = 1280, hop = 128, window = 512, n_bins = 257 };
  const size_t signal_shape[]   = {n_samples};
  const size_t window_shape[]   = {window};
  const size_t tail_shape[]     = {2 * hop};
  const size_t spectrum_shape[] = {n_samples / hop, 2 * n_bins};
  const size_t feature_shape[]  = {n_samples / hop, 3 * n_bins};

  golden       file      = golden_open("front_end");
  float* const x         = golden_read(&file, "x", 1, signal_shape);
  float* const analysis  = golden_read(&file, "analysis", 1, window_shape);
  float* const synthesis = golden_read(&file, "synthesis", 1, tail_shape);
  float* const spectrum  = golden_read(&file, "spectrum", 2, spectrum_shape);
  float* const expected  = golden_read(&file, "features", 2, feature_shape);

  front_end              f = new_front_end(16000, 1);
  maudio_spectral* const s = &f.spectral;
  assert_int_equal(s->window, window);
  assert_int_equal(s->hop, hop);
  assert_int_equal(s->n_fft, window);

  // Ours hold the scale of the spectrum and of the transform
  double sum = 0.0;
  for (size_t i = 0; i < window; ++i) {
    sum += analysis[i];
  }
  for (size_t i = 0; i < window; ++i) {
    assert_true(fabs(s->analysis[i] * sum - analysis[i]) < 3e-7);
  }
  for (size_t i = 0; i < 2 * (size_t)hop; ++i) {
    const double ours = s->synthesis[i] * window / sum;
    assert_true(fabs(ours - synthesis[i]) < 3e-7);
  }

  float padded[window - hop + n_samples] = {0};
  float features[3 * n_bins];
  memcpy(padded + window - hop, x, n_samples * sizeof *x);
  for (size_t t = 0; t < n_samples / hop; ++t) {
    char what[32];
    maudio_spectral_forward(s, padded + t * hop, f.spectra[0]);
    snprintf(what, sizeof what, "spectrum of frame %zu", t);
    golden_compare(what, &f.spectra[0]->r, spectrum + t * 2 * n_bins,
                   2 * (size_t)n_bins, 1e-7f);
    make_features(&f, features);
    snprintf(what, sizeof what, "features of frame %zu", t);
    golden_compare(what, features, expected + t * 3 * n_bins,
                   3 * (size_t)n_bins, 1e-4f);
  }
  free_front_end(&f);
  free(expected);
  free(spectrum);
  free(synthesis);
  free(analysis);
  free(x);
  golden_close(&file);
}

/// The rate that a signal is heard at, which may be 3 % lower than its own
static double heard_hz(const maudio_spectral* s)
{
  return (double)s->n_fft * s->bin_ratio / 0.032;
}

/// Spectrum of `gain` times a tone
static void analyse_tone(front_end* f,
                         size_t     channel,
                         double     rate_hz,
                         double     tone_hz,
                         float      gain)
{
  float* const frame = (float*)calloc(f->spectral.window, sizeof *frame);
  assert_non_null(frame);
  for (size_t i = 0; i < f->spectral.window; ++i) {
    frame[i] = gain * (float)cos(2.0 * PI * tone_hz * (double)i / rate_hz);
  }
  maudio_spectral_forward(&f->spectral, frame, f->spectra[channel]);
  free(frame);
}

static void bins_keep_their_frequency_at_every_rate(void** state)
{
  (void)state;
  static const double rates[] = {11025, 16000, 22050, 32000, 17875,
                                 44100, 48000, 88200, 96000};
  static const double tones[] = {500.0, 1000.0, 3012.5, 5000.0};
  float               reference[3 * 257];
  float               features[3 * 257];
  for (size_t i = 0; i < 4; ++i) {
    front_end trained = new_front_end(16000, 1);
    analyse_tone(&trained, 0, 16000, tones[i], 0.5f);
    make_features(&trained, reference);
    free_front_end(&trained);
    const size_t bin = (size_t)(tones[i] / 31.25 + 0.5);
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r) {
      front_end f = new_front_end(rates[r], 1);
      analyse_tone(&f, 0, heard_hz(&f.spectral), tones[i], 0.5f);
      make_features(&f, features);
      const float level      = features[3 * bin + 2];
      const float difference = level - reference[3 * bin + 2];
      const float turn = atan2f(features[3 * bin + 1], features[3 * bin]) -
                         atan2f(reference[3 * bin + 1], reference[3 * bin]);
      printf("%6.0f Hz, tone of %6.1f Hz: level %+.2f dB, phase %+.2f\n",
             rates[r], tones[i], 43.4294481903 * difference,
             remainder(turn, 2.0 * PI));
      assert_true(fabsf(difference) < 0.05f); // 2 dB
      assert_true(fabs(remainder(turn, 2.0 * PI)) < 0.35);
      for (size_t k = 0; k < 257; ++k) {
        assert_true(features[3 * k + 2] <= level + 0.02f);
      }
      free_front_end(&f);
    }
  }
}

static void bins_beyond_the_rate_are_silent(void** state)
{
  (void)state;
  front_end f = new_front_end(8000, 1);
  float     features[3 * 257];
  analyse_tone(&f, 0, 8000, 1000, 0.5f);
  make_features(&f, features);
  const float silence = 1.0f + 0.1f * logf(1e-10f);
  for (size_t k = 129; k < 257; ++k) {
    assert_true(features[3 * k] == 0.0f && features[3 * k + 1] == 0.0f);
    assert_true(fabsf(features[3 * k + 2] - silence) < 1e-6f);
  }
  assert_true(features[3 * 32 + 2] > 0.5f);
  free_front_end(&f);
}

static void two_channels_have_one_set_of_features(void** state)
{
  (void)state;
  float     expected[3 * 257];
  float     features[3 * 257];
  front_end mono   = new_front_end(16000, 1);
  front_end stereo = new_front_end(16000, 2);
  analyse_tone(&mono, 0, 16000, 1000, 0.5f);
  make_features(&mono, expected);

  // Equal, cancelling, and one side only, which has half the power
  static const float gains[][2] = {
    {0.5f, 0.5f}, {0.5f, -0.5f}, {0.0f, 0.70710678f}};
  for (size_t i = 0; i < 3; ++i) {
    analyse_tone(&stereo, 0, 16000, 1000, gains[i][0]);
    analyse_tone(&stereo, 1, 16000, 1000, gains[i][1]);
    make_features(&stereo, features);
    golden_compare("features of two channels", features, expected, 3 * 257,
                   2e-3f);
  }

  analyse_tone(&stereo, 0, 16000, 1000, 0.0f);
  analyse_tone(&stereo, 1, 16000, 1000, 0.0f);
  make_features(&stereo, features);
  for (size_t k = 0; k < 257; ++k) {
    assert_true(features[3 * k] == 0.0f && features[3 * k + 1] == 0.0f);
  }
  free_front_end(&stereo);
  free_front_end(&mono);
}

/// Spectra of ones, masked
static maudio_spectral_energy
apply_to_ones(front_end* f, const float* mask, float floor)
{
  for (size_t j = 0; j < f->spectral.n_bins; ++j) {
    f->spectra[0][j] = (kiss_fft_cpx){1.0f, 0.0f};
  }
  maudio_high_noise   noise[MAUDIO_MAX_HIGH_BANDS] = {{0}};
  kiss_fft_cpx* const spectra[] = {f->spectra[0], f->spectra[1]};
  return maudio_spectral_apply(&f->spectral, maudio_kernels_find("scalar"),
                               mask, floor, noise, NULL, spectra);
}

/// The gain above the trained band in a first frame of a mean power
static float
first_high_gain(const front_end* f, maudio_high_mask mask, float power)
{
  maudio_high_noise noise = {0};
  const float       rate =
    maudio_high_band_rate(f->spectral.high.step, mask.opened, power);
  return maudio_high_band_gain(mask, power,
                               maudio_high_band_learn(&noise, rate, power));
}

/// Its last bins, from 7.6 kHz on, are not used: training data ends there
static void the_mask_reaches_above_the_trained_band(void** state)
{
  (void)state;
  const size_t used = MAUDIO_HIGH_LAST(257);
  float        mask[2 * 257];
  for (size_t k = 0; k < 257; ++k) { // 0.25 i below 6 kHz, 0.125 above
    mask[2 * k]     = k < 192 ? -1.0f : -0.875f;
    mask[2 * k + 1] = k < 192 ? 0.25f : 0.0f;
  }
  const maudio_high_mask upper = {0.125f, (64 * 0.25f + 53 * 0.125f) / 117};
  for (unsigned n_channels = 1; n_channels <= 2; ++n_channels) {
    front_end   f     = new_front_end(48000, n_channels); // One is silent
    const float power = 1.0f / (float)n_channels;
    const float above = first_high_gain(&f, upper, power);
    assert_true(above > 0.05f && above < 0.2f);
    apply_to_ones(&f, mask, 0.0f);
    for (size_t j = 0; j < f.spectral.n_bins; ++j) {
      const kiss_fft_cpx expected = {j < 192    ? 0.0f
                                     : j < used ? 0.125f
                                                : above,
                                     j < 192 ? 0.25f : 0.0f};
      assert_true(fabsf(f.spectra[0][j].r - expected.r) < 1e-6f);
      assert_true(fabsf(f.spectra[0][j].i - expected.i) < 1e-6f);
    }
    free_front_end(&f);
  }

  // Where bins lie between those of the model, so does the mask
  front_end odd = new_front_end(17875, 1);
  for (size_t k = 0; k < 257; ++k) {
    mask[2 * k]     = (float)k - 1.0f;
    mask[2 * k + 1] = -(float)k;
  }
  apply_to_ones(&odd, mask, 0.0f);
  assert_int_equal(odd.spectral.n_inside, 245);
  for (size_t j = 0; j < 245; ++j) {
    const float k = (float)((double)j * 17875.0 / 576.0 / 31.25);
    assert_true(fabsf(odd.spectra[0][j].r - k) < 1e-3f);
    assert_true(fabsf(odd.spectra[0][j].i + k) < 1e-3f);
  }
  free_front_end(&odd);
}

static void attenuation_has_a_floor(void** state)
{
  (void)state;
  float mask[2 * 257];
  for (size_t k = 0; k < 257; ++k) { // 0, then 0.01 i, then -0.8
    mask[2 * k]     = k < 200 ? -1.0f : -1.8f;
    mask[2 * k + 1] = k < 100 ? 0.0f : k < 200 ? 0.01f : 0.0f;
  }
  front_end                    f      = new_front_end(16000, 1);
  const maudio_spectral_energy energy = apply_to_ones(&f, mask, 0.1f);
  for (size_t j = 0; j < 257; ++j) {
    const kiss_fft_cpx y = f.spectra[0][j];
    const kiss_fft_cpx e = {j < 100   ? 0.1f
                            : j < 200 ? 0.0f
                                      : -0.8f,
                            j < 100   ? 0.0f
                            : j < 200 ? 0.1f
                                      : 0.0f};
    assert_true(fabsf(y.r - e.r) < 1e-6f && fabsf(y.i - e.i) < 1e-6f);
  }
  assert_true(fabsf(energy.before - 257.0f) < 1e-3f);
  assert_true(fabsf(energy.after - (2.0f + 57 * 0.64f)) < 1e-3f);
  free_front_end(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(agrees_with_pytorch),
    cmocka_unit_test(bins_keep_their_frequency_at_every_rate),
    cmocka_unit_test(bins_beyond_the_rate_are_silent),
    cmocka_unit_test(two_channels_have_one_set_of_features),
    cmocka_unit_test(the_mask_reaches_above_the_trained_band),
    cmocka_unit_test(attenuation_has_a_floor)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

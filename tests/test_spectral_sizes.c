#include "spectral.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const maudio_spectral_config config = {.rate_hz   = 16000,
                                              .window_ms = 32,
                                              .hop_ms    = 8,
                                              .n_bins    = 257,
                                              .n_bands   = 1};

static void common_rates_have_the_bins_of_the_model(void** state)
{
  (void)state;
  static const double rates[] = {8000,  11025, 12000, 16000,  22050,
                                 24000, 32000, 44100, 48000,  64000,
                                 88200, 96000, 128e3, 176400, 192000};
  for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r) {
    maudio_spectral s = {0};
    maudio_spectral_plan(&s, &config, rates[r], 1);
    assert_true(s.bin_ratio == 1.0);
    assert_int_equal(s.window, s.n_fft);
    assert_int_equal(s.window, 4 * s.hop);
  }
}

static void sizes_suit_the_transform(void** state)
{
  (void)state;
  for (double rate_hz = 8000; rate_hz <= 192000; rate_hz += 1237.5) {
    maudio_spectral s = {0};
    maudio_spectral_plan(&s, &config, rate_hz, 1);
    const double heard_hz = (double)s.n_fft * s.bin_ratio / 0.032;
    assert_true((double)s.hop <= rate_hz * 0.008 + 1e-6);
    assert_true((double)s.hop > heard_hz * 0.008 - 1.0);
    assert_true(heard_hz < rate_hz + 1e-6);
    assert_true(heard_hz > 0.97 * rate_hz - 1e-6);
    assert_true(s.window >= 2 * s.hop && s.window <= s.n_fft);
    assert_true(s.bin_ratio > 0.88 && s.bin_ratio < 1.004);
    assert_true(maudio_fft_takes(s.n_fft));
  }
}

/// Two hops, and the lookahead
static void a_mask_is_late_by_its_hops(void** state)
{
  (void)state;
  maudio_spectral_config ahead = config;
  ahead.lookahead              = 2;
  maudio_spectral s            = {0};
  maudio_spectral_plan(&s, &config, 44100, 1);
  assert_int_equal(maudio_spectral_latency(&s), 2 * 352);
  maudio_spectral_plan(&s, &ahead, 48000, 1);
  assert_int_equal(maudio_spectral_latency(&s), 4 * 384);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(common_rates_have_the_bins_of_the_model),
    cmocka_unit_test(sizes_suit_the_transform),
    cmocka_unit_test(a_mask_is_late_by_its_hops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

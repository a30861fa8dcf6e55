#include "golden.h"
#include "random.h"

#include "fft.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PI 3.14159265358979323846
#define MAX_SIZE 6144U
#define GUARD 16U // Floats behind a result, which stay as they are

/// Windows of 32 ms at 8 to 192 kHz, the smallest sizes that our kernels take,
/// a tail that fills no vector in each of the first two stages; KissFFT's
static const size_t sizes[] = {128,  160,  256,  352,  480,  512,  704,  1024,
                               1408, 1440, 1536, 2816, 2880, 3072, 3872, 4000,
                               5632, 6144, 2,    6,    96,   720};
static const size_t n_ours  = 18;

/// A transform in memory of its own
typedef struct {
  maudio_fft fft;
  char*      memory;
} transform;

static transform new_transform(size_t size, const maudio_kernels* kernels)
{
  transform t = {.memory = NULL};
  maudio_fft_choose(&t.fft, size);
  t.fft.kernels         = kernels;
  maudio_carver measure = {.base = NULL};
  maudio_fft_carve(&t.fft, &measure);
  t.memory = (char*)aligned_alloc(64, measure.size);
  assert_non_null(t.memory);
  maudio_carver carver = {.base = t.memory};
  maudio_fft_carve(&t.fft, &carver);
  assert_int_equal(carver.size, measure.size);
  maudio_fft_init(&t.fft);
  return t;
}

/// Return the greatest difference of any bin to the sum that defines it, as a
/// share of the root of the mean power of all bins
static double forward_error(size_t size, const float* x, const kiss_fft_cpx* y)
{
  double worst = 0.0;
  double power = 0.0;
  for (size_t k = 0; k <= size / 2; ++k) {
    double re = 0.0;
    double im = 0.0;
    for (size_t i = 0; i < size; ++i) {
      const double turn = 2.0 * PI * (double)(i * k % size) / (double)size;
      re += x[i] * cos(turn);
      im -= x[i] * sin(turn);
    }
    power += re * re + im * im;
    worst = fmax(worst, hypot(y[k].r - re, y[k].i - im));
  }
  return worst / sqrt(power / (double)(size / 2 + 1));
}

static void spectra_agree_with_sums(void** state)
{
  (void)state;
  static float        x[MAX_SIZE];
  static kiss_fft_cpx y[MAX_SIZE / 2 + 1 + GUARD];
  fill(x, MAX_SIZE);
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
    for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
      transform    t    = new_transform(sizes[s], *k);
      const size_t last = sizes[s] / 2;
      assert_int_equal(t.fft.plan.n_stages > 0, s < n_ours);
      memset(y, 0x55, sizeof y);
      const kiss_fft_cpx untouched = y[last + 1];
      maudio_fft_forward(&t.fft, x, y);
      const double error = forward_error(sizes[s], x, y);
      printf("%4zu %-10s max error %.1e\n", sizes[s], (*k)->name, error);
      assert_true(error < 1e-6);
      assert_true(y[0].i == 0.0f && y[last].i == 0.0f);
      for (size_t i = 1; i <= GUARD; ++i) {
        assert_memory_equal(&y[last + i], &untouched, sizeof untouched);
      }
      free(t.memory);
    }
  }
}

static void inverses_return_to_the_signal(void** state)
{
  (void)state;
  static float        x[MAX_SIZE];
  static float        z[MAX_SIZE + GUARD];
  static kiss_fft_cpx y[MAX_SIZE / 2 + 1];
  fill(x, MAX_SIZE);
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
    for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
      const size_t size = sizes[s];
      transform    t    = new_transform(size, *k);
      maudio_fft_forward(&t.fft, x, y);
      y[0].i        = 3.0f; // Of no meaning to a real signal
      y[size / 2].i = -5.0f;
      for (size_t i = 0; i < GUARD; ++i) {
        z[size + i] = 7.0f;
      }
      maudio_fft_inverse(&t.fft, y, z);
      double worst = 0.0;
      for (size_t i = 0; i < size; ++i) {
        worst = fmax(worst, fabs(z[i] / (double)size - x[i]));
      }
      assert_true(worst < 1e-6);
      for (size_t i = 0; i < GUARD; ++i) {
        assert_true(z[size + i] == 7.0f);
      }
      free(t.memory);
    }
  }
}

static void the_past_leaves_no_trace(void** state)
{
  (void)state;
  static float        x[2 * MAX_SIZE];
  static kiss_fft_cpx y[2][MAX_SIZE / 2 + 1];
  fill(x, 2 * MAX_SIZE);
  for (size_t s = 0; s < n_ours; ++s) {
    for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
      transform t = new_transform(sizes[s], *k);
      maudio_fft_forward(&t.fft, x, y[0]);
      maudio_fft_forward(&t.fft, x + MAX_SIZE, y[1]);
      maudio_fft_forward(&t.fft, x, y[1]);
      assert_memory_equal(y[0], y[1], (sizes[s] / 2 + 1) * sizeof y[0][0]);
      free(t.memory);
    }
  }
}

static void only_these_sizes_are_taken(void** state)
{
  (void)state;
  static const size_t others[] = {0, 1, 9, 14, 22, 176, 1411, 1400, 1664};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
    assert_true(maudio_fft_takes(sizes[s]));
  }
  for (size_t s = 0; s < sizeof others / sizeof *others; ++s) {
    assert_false(maudio_fft_takes(others[s]));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(only_these_sizes_are_taken),
    cmocka_unit_test(spectra_agree_with_sums),
    cmocka_unit_test(inverses_return_to_the_signal),
    cmocka_unit_test(the_past_leaves_no_trace),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

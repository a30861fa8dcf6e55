#include "golden.h"
#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_VALUES 65536U

static void dots_agree_with_sums(void** state)
{
  (void)state;
  static const size_t lengths[] = {0, 1, 5, 16, 17, 64, 70, 256, 1000};
  static float        a[1003];
  static float        b[1003];
  fill(a, 1003);
  fill(b, 1003);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; ++i) {
      for (size_t shift = 0; shift < 3; ++shift) { // At any alignment
        double exact = 0.0;
        for (size_t j = 0; j < lengths[i]; ++j) {
          exact += (double)a[j + shift] * b[j];
        }
        const float found = (*k)->dot(lengths[i], a + shift, b);
        assert_true(fabs(found - exact) < 1e-5);
      }
    }
  }
}

static double exact_silu(double x)
{
  return x / (1.0 + exp(-x));
}

static double exact_relu2(double x)
{
  return x > 0.0 ? x * x : 0.0;
}

static double exact_softplus(double x)
{
  return x > 20.0 ? x : log1p(exp(x));
}

/// Worst error of a function from `low` to `high`, relative where |y| > `unit`
static void check_function(const maudio_kernels* kernels,
                           const char*           name,
                           void (*function)(size_t n, float* x),
                           double (*exact)(double x),
                           float  low,
                           float  high,
                           double unit,
                           double limit)
{
  static float x[N_VALUES];
  static float y[N_VALUES];
  for (size_t i = 0; i < N_VALUES; ++i) {
    x[i] = low + (high - low) * (float)i / (float)(N_VALUES - 1);
  }
  memcpy(y, x, sizeof y);
  function(N_VALUES, y);
  double worst = 0.0;
  for (size_t i = 0; i < N_VALUES; ++i) {
    const double expected = exact(x[i]);
    const double error    = fabs(y[i] - expected) / fmax(fabs(expected), unit);
    worst                 = error > worst ? error : worst;
  }
  printf("%-9s %-7s %6g..%-6g max relative error %.2e\n", name, kernels->name,
         low, high, worst);
  assert_true(worst <= limit);
}

static void functions_are_accurate(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    check_function(*k, "exp", (*k)->exp, exp, -86.0f, 87.9f, 1e-38, 3e-7);
    check_function(*k, "exp", (*k)->exp, exp, -1.0f, 1.0f, 1e-38, 3e-7);
    check_function(*k, "log", (*k)->log, log, 1e-30f, 1e-3f, 1.0, 3e-7);
    check_function(*k, "log", (*k)->log, log, 1e-3f, 10.0f, 1.0, 3e-7);
    check_function(*k, "log", (*k)->log, log, 1.0f, 1e30f, 1.0, 3e-7);
    check_function(*k, "silu", (*k)->silu, exact_silu, -80, 80, 1e-30, 5e-7);
    check_function(*k, "softplus", (*k)->softplus, exact_softplus, -80, 80,
                   1e-30, 5e-7);
    check_function(*k, "relu2", (*k)->relu2, exact_relu2, -9, 9, 1e-30, 3e-7);
    check_function(*k, "softplus", (*k)->softplus, exact_softplus, -3, 21,
                   1e-30, 5e-7);
  }
}

static void functions_saturate(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    float x[MAUDIO_LANES] = {-1e30f, -200.0f, 200.0f, 1e30f};
    (*k)->exp(MAUDIO_LANES, x);
    assert_true(x[0] > 0.0f && x[0] < 1e-37f && x[1] == x[0]);
    assert_true(x[2] > 1e38f && isfinite(x[2]) && x[3] == x[2]);

    float y[MAUDIO_LANES] = {-1e30f, 1e30f, 20.0f, 20.000002f, -85.0f};
    (*k)->softplus(MAUDIO_LANES, y);
    assert_true(y[0] >= 0.0f && y[0] < 1e-37f);
    assert_true(y[1] == 1e30f);
    assert_true(fabsf(y[2] - 20.0f) < 3e-6f && y[3] == 20.000002f);
    assert_true(y[4] > 0.0f && y[4] < 1e-36f);
  }
}

static void rms_norm_ignores_padding(void** state)
{
  (void)state;
  enum { n_rows = 7, stride = 50 };
  static const size_t sizes[] = {1, 5, 16, 37, 48};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
      const size_t n                  = sizes[s];
      float        x[n_rows * stride] = {0};
      float        y[n_rows * stride] = {0};
      float        weight[48]         = {0};
      float        alone[48];
      fill(x, sizeof x / sizeof *x);
      fill(weight, n);
      (*k)->rms_norm(n_rows, stride, x, weight, n, 1e-5f, y);
      for (size_t r = 0; r < n_rows; ++r) {
        const float* const row     = x + r * stride;
        double             squares = 0.0;
        for (size_t i = 0; i < n; ++i) {
          squares += (double)row[i] * row[i];
        }
        for (size_t i = 0; i < 48; ++i) {
          const double scale = 1.0 / sqrt(squares / (double)n + 1e-5);
          assert_true(fabs(y[r * stride + i] - row[i] * scale * weight[i]) <
                      1e-6);
        }
        (*k)->rms_norm(1, 0, row, weight, n, 1e-5f, alone);
        assert_memory_equal(alone, y + r * stride, n * sizeof *alone);
      }
    }
  }
}

/// Rows that come together and one by one, against the formula
static void convolution_keeps_its_past(void** state)
{
  (void)state;
  enum { n = 80, n_taps = 5, n_rows = 13, stride = 90 };
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t d_conv = 1; d_conv <= n_taps; ++d_conv) {
      float weight[n_taps * n];
      float bias[n];
      float x[n_rows][stride];
      float y[n_rows][stride];
      float alone[n_rows][stride];
      float past[n_taps * n]       = {0};
      float past_alone[n_taps * n] = {0};
      fill(weight, d_conv * n);
      fill(bias, n);
      fill(x[0], (size_t)n_rows * stride);
      memcpy(y, x, sizeof y);
      memcpy(alone, x, sizeof alone);
      const maudio_conv conv = {
        .d_conv = d_conv, .n = n, .weight = weight, .bias = bias};
      (*k)->conv_silu(&conv, 6, stride, past, y[0]);
      (*k)->conv_silu(&conv, n_rows - 6, stride, past, y[6]);
      for (size_t t = 0; t < n_rows; ++t) {
        (*k)->conv_silu(&conv, 1, stride, past_alone, alone[t]);
        for (size_t c = 0; c < n; ++c) {
          double sum = bias[c];
          for (size_t tap = 0; tap < d_conv && tap <= t; ++tap) {
            sum += (double)weight[(d_conv - 1 - tap) * n + c] * x[t - tap][c];
          }
          assert_true(fabs(y[t][c] - exact_silu(sum)) < 2e-6);
        }
      }
      assert_memory_equal(y, alone, sizeof y);
      assert_memory_equal(past, past_alone, sizeof past);
    }
  }
}

enum {
  SCAN_GROUPS = 2,
  SCAN_STATE  = 21,
  SCAN_PAD    = 160,
  SCAN_N      = SCAN_GROUPS * SCAN_PAD,
  SCAN_STRIDE = 2 * SCAN_N + 2 * SCAN_GROUPS * SCAN_STATE,
  SCAN_ROWS   = 11
};

typedef struct {
  float  rows[SCAN_ROWS][SCAN_STRIDE]; // z, x, B, C
  float  h[SCAN_N * SCAN_STATE];
  double exact[SCAN_N * SCAN_STATE];
} scan_case;

/// Compare a row after a scan with the formula on the row before it
static void check_row(const maudio_ssd* ssd,
                      const float*      dt,
                      const float*      gain,
                      const float*      before,
                      const float*      after,
                      double*           exact)
{
  const size_t       size = ssd->n_heads * ssd->headdim;
  const size_t       n    = SCAN_GROUPS * ssd->group_pad;
  const float* const x    = before + n;
  const float* const b    = x + n;
  const float* const c    = b + (size_t)SCAN_GROUPS * SCAN_STATE;
  for (size_t i = 0; i < SCAN_GROUPS * size; ++i) {
    const size_t group   = i / size;
    const size_t head    = i / ssd->headdim;
    const size_t channel = group * ssd->group_pad + i % size;
    double       sum     = 0.0;
    for (size_t k = 0; k < SCAN_STATE; ++k) {
      double* const h =
        &exact[(channel / MAUDIO_LANES * SCAN_STATE + k) * MAUDIO_LANES +
               channel % MAUDIO_LANES];
      *h += (double)dt[head] * x[channel] * b[group * SCAN_STATE + k];
      sum += c[group * SCAN_STATE + k] * *h;
    }
    sum = gain[head] * sum + (double)ssd->d[channel] * x[channel];
    assert_true(fabs(after[channel] - sum * exact_silu(before[channel])) <
                2e-5);
  }
}

/// Two groups of heads of any size, rows together and one by one
static void
check_scan(const maudio_kernels* kernels, size_t n_heads, size_t headdim)
{
  static scan_case before;
  static scan_case s;
  static scan_case alone;
  float            skip[SCAN_N];
  float            dt[SCAN_ROWS][SCAN_N];
  float            gain[SCAN_ROWS][SCAN_N];
  float            work[2 * (SCAN_PAD + MAUDIO_LANES)];
  const maudio_ssd ssd = {.n_groups  = SCAN_GROUPS,
                          .n_heads   = n_heads,
                          .headdim   = headdim,
                          .d_state   = SCAN_STATE,
                          .group_pad = maudio_pad(n_heads * headdim),
                          .d         = skip};
  assert_true(ssd.group_pad <= SCAN_PAD);
  fill(skip, SCAN_N);
  fill(dt[0], (size_t)SCAN_ROWS * SCAN_N);
  fill(gain[0], (size_t)SCAN_ROWS * SCAN_N);
  fill(before.rows[0], (size_t)SCAN_ROWS * SCAN_STRIDE);
  fill(before.h, (size_t)SCAN_N * SCAN_STATE);
  for (size_t i = 0; i < (size_t)SCAN_N * SCAN_STATE; ++i) {
    before.exact[i] = before.h[i];
  }
  s     = before;
  alone = before;
  kernels->ssd_scan(&ssd, SCAN_ROWS, SCAN_STRIDE, s.rows[0], SCAN_N, dt[0],
                    gain[0], s.h, work);
  for (size_t r = 0; r < SCAN_ROWS; ++r) {
    kernels->ssd_scan(&ssd, 1, SCAN_STRIDE, alone.rows[r], SCAN_N, dt[r],
                      gain[r], alone.h, work);
    check_row(&ssd, dt[r], gain[r], before.rows[r], s.rows[r], s.exact);
  }
  assert_memory_equal(s.rows, alone.rows, sizeof s.rows);
  assert_memory_equal(s.h, alone.h, sizeof s.h);
}

static void scans_follow_their_formula(void** state)
{
  (void)state;
  static const size_t headdims[] = {1, 5, 8, 16, 32, 48};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t i = 0; i < sizeof headdims / sizeof *headdims; ++i) {
      for (size_t n_heads = 1; n_heads <= 3; ++n_heads) {
        check_scan(*k, n_heads, headdims[i]);
      }
    }
  }
}

static void features_follow_their_formula(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    float re[MAUDIO_LANES] = {0.0f, 1.0f, -1e-6f, 1e9f, 0.3f};
    float im[MAUDIO_LANES] = {0.0f, -2.0f, 3e-7f, 1e9f, 0.0f};
    float level[MAUDIO_LANES];
    float re_before[MAUDIO_LANES];
    memcpy(re_before, re, sizeof re);
    const float im_before[MAUDIO_LANES] = {0.0f, -2.0f, 3e-7f, 1e9f, 0.0f};
    (*k)->features(0.3f, 1e-10f, MAUDIO_LANES, re, im, level);
    for (size_t i = 0; i < MAUDIO_LANES; ++i) {
      const double x    = re_before[i];
      const double y    = im_before[i];
      const double p    = x * x + y * y + 1e-10f;
      const double gain = pow(p, 0.5 * (0.3f - 1.0));
      assert_true(fabs(re[i] - x * gain) <= 1e-6 * fmax(1.0, fabs(x * gain)));
      assert_true(fabs(im[i] - y * gain) <= 1e-6 * fmax(1.0, fabs(y * gain)));
      assert_true(fabs(level[i] - (1.0 + 0.1 * log(p))) <= 1e-6);
    }
  }
}

static void gates_multiply(void** state)
{
  (void)state;
  enum { N = 3 * MAUDIO_LANES };
  float gate[N];
  float up[N];
  float y[N];
  fill(gate, N);
  fill(up, N);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    memcpy(y, gate, sizeof y);
    (*k)->gated_silu(N, y, up);
    for (size_t i = 0; i < N; ++i) {
      assert_true(fabs(y[i] - exact_silu(gate[i]) * up[i]) < 1e-7);
    }
  }
}

/// Any number of floats, and differences of any size
static void softmax_sums_to_one(void** state)
{
  (void)state;
  enum { N = 5 * MAUDIO_LANES };
  static const float scales[] = {0.1f, 1.0f, 300.0f};
  float              x[N];
  float              y[N + 1];
  fill(x, N);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t n = 1; n <= N; ++n) {
      const float scale = scales[n % 3];
      double      most  = x[0];
      double      total = 0.0;
      double      sum   = 0.0;
      for (size_t i = 0; i < n; ++i) {
        most = fmax(most, x[i]);
      }
      for (size_t i = 0; i < n; ++i) {
        total += exp((double)scale * (x[i] - most));
      }
      memcpy(y, x, sizeof x);
      y[maudio_pad(n)] = 7.0f;
      (*k)->softmax(scale, n, y);
      for (size_t i = 0; i < n; ++i) {
        const double exponent = (double)scale * (x[i] - most);
        const double expected = exp(exponent) / total;
        const double rounding = 1e-6 - 1.2e-7 * exponent;
        assert_true(fabs(y[i] - expected) < rounding * expected + 1e-30);
        sum += y[i];
      }
      assert_true(fabs(sum - 1.0) < 1e-6);
      assert_true(n > N - MAUDIO_LANES || y[maudio_pad(n)] == 7.0f);
    }
  }
}

static void kernels_are_found_by_name(void** state)
{
  (void)state;
  assert_null(maudio_kernels_find("sse9"));
  assert_string_equal(maudio_kernels_find("scalar")->name, "scalar");
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    assert_ptr_equal(maudio_kernels_find((*k)->name), *k);
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    assert_string_equal(maudio_kernels_name(), (*k)->name);
  }
  setenv("MAUDIO_KERNELS", "sse9", 1);
  const char* const fallback = maudio_kernels_name();
  unsetenv("MAUDIO_KERNELS");
  assert_string_equal(maudio_kernels_name(), fallback);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(dots_agree_with_sums),
    cmocka_unit_test(functions_are_accurate),
    cmocka_unit_test(functions_saturate),
    cmocka_unit_test(rms_norm_ignores_padding),
    cmocka_unit_test(convolution_keeps_its_past),
    cmocka_unit_test(scans_follow_their_formula),
    cmocka_unit_test(features_follow_their_formula),
    cmocka_unit_test(gates_multiply),
    cmocka_unit_test(softmax_sums_to_one),
    cmocka_unit_test(kernels_are_found_by_name)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

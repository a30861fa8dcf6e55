#include "golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_VALUES 65536U

static float random_float(void)
{
  static uint32_t state = 1;
  state                 = state * 1664525U + 1013904223U;
  return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static void fill(float* x, size_t n)
{
  for (size_t i = 0; i < n; ++i) {
    x[i] = random_float();
  }
}

static double exact_silu(double x)
{
  return x / (1.0 + exp(-x));
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

/// y (n_rows, n_out) of a product whose weights (n_in, n_out) are in row order
static void check_gemm(const maudio_kernels* kernels,
                       size_t                n_rows,
                       size_t                n_in,
                       size_t                n_out)
{
  const size_t x_stride = n_in + 3;
  const size_t y_stride = n_out + 5;
  float* const w        = (float*)malloc(n_in * n_out * sizeof(float));
  float* const packed   = (float*)malloc(n_in * n_out * sizeof(float));
  float* const x        = (float*)malloc(n_rows * x_stride * sizeof(float));
  float* const bias     = (float*)malloc((n_out + n_rows) * sizeof(float));
  float* const whole    = (float*)malloc(n_rows * y_stride * sizeof(float));
  float* const single   = (float*)malloc(n_rows * y_stride * sizeof(float));
  assert_true(w && packed && x && bias && whole && single);
  fill(w, n_in * n_out);
  fill(x, n_rows * x_stride);
  fill(bias, n_out + n_rows);
  fill(whole, n_rows * y_stride);
  memcpy(single, whole, n_rows * y_stride * sizeof(float));
  for (size_t i = 0; i < n_in; ++i) {
    for (size_t o = 0; o < n_out; ++o) {
      packed[(o / MAUDIO_LANES * n_in + i) * MAUDIO_LANES + o % MAUDIO_LANES] =
        w[i * n_out + o];
    }
  }

  // All rows at once with packed weights, adding to what is there
  maudio_gemm gemm = {.w        = {.n_in       = n_in,
                                   .n_out      = n_out,
                                   .in_step    = MAUDIO_LANES,
                                   .panel_step = n_in * MAUDIO_LANES,
                                   .data       = packed},
                      .bias     = bias,
                      .x        = x,
                      .x_stride = x_stride,
                      .n_rows   = n_rows,
                      .y        = whole,
                      .y_stride = y_stride,
                      .add      = true};
  for (size_t r = 0; r < n_rows; ++r) {
    for (size_t o = 0; o < n_out; ++o) {
      double y = (double)single[r * y_stride + o] + bias[o];
      for (size_t i = 0; i < n_in; ++i) {
        y += (double)x[r * x_stride + i] * w[i * n_out + o];
      }
      single[r * y_stride + o] = (float)y;
    }
  }
  kernels->gemm(&gemm);
  for (size_t i = 0; i < n_rows * y_stride; ++i) {
    assert_true(fabsf(whole[i] - single[i]) <= 2e-7f * (float)(n_in + 8));
  }

  // Row by row with weights in row order: the same to the last bit
  gemm.add      = false;
  gemm.row_bias = bias + n_out;
  gemm.bias     = NULL;
  kernels->gemm(&gemm);
  gemm.w.data       = w;
  gemm.w.in_step    = n_out;
  gemm.w.panel_step = MAUDIO_LANES;
  gemm.n_rows       = 1;
  for (size_t r = 0; r < n_rows; ++r) {
    gemm.row_bias = bias + n_out + r;
    gemm.x        = x + r * x_stride;
    gemm.y        = single + r * y_stride;
    kernels->gemm(&gemm);
    assert_memory_equal(single + r * y_stride, whole + r * y_stride,
                        n_out * sizeof(float));
  }
  free(single);
  free(whole);
  free(bias);
  free(x);
  free(packed);
  free(w);
}

static void gemm_does_not_depend_on_rows(void** state)
{
  (void)state;
  static const size_t n_ins[]  = {1, 7, 64};
  static const size_t n_outs[] = {16, 48, 64, 176, 304};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t n_rows = 1; n_rows <= 33; n_rows += n_rows < 17 ? 1 : 8) {
      for (size_t i = 0; i < 3; ++i) {
        for (size_t o = 0; o < 5; ++o) {
          check_gemm(*k, n_rows, n_ins[i], n_outs[o]);
        }
      }
    }
  }
}

static void rms_norm_ignores_padding(void** state)
{
  (void)state;
  static const size_t sizes[] = {1, 5, 16, 37};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t s = 0; s < 4; ++s) {
      const size_t n          = sizes[s];
      float        x[48]      = {0};
      float        weight[48] = {0};
      float        y[48]      = {0};
      double       squares    = 0.0;
      fill(x, 48);
      fill(weight, n);
      for (size_t i = 0; i < n; ++i) {
        squares += (double)x[i] * x[i];
      }
      (*k)->rms_norm(x, weight, n, 1e-5f, y);
      for (size_t i = 0; i < 48; ++i) {
        const double scale = 1.0 / sqrt(squares / (double)n + 1e-5);
        assert_true(fabs(y[i] - x[i] * scale * weight[i]) < 1e-6);
      }
    }
  }
}

static void convolution_keeps_its_past(void** state)
{
  (void)state;
  enum { n = 32, n_taps = 5, n_frames = 12 };
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t d_conv = 1; d_conv <= n_taps; ++d_conv) {
      float weight[n_taps * n];
      float bias[n];
      float x[n_frames][n];
      float past[n_taps * n] = {0};
      fill(weight, d_conv * n);
      fill(bias, n);
      fill(x[0], n_frames * n);
      for (size_t t = 0; t < n_frames; ++t) {
        float y[n];
        memcpy(y, x[t], sizeof y);
        (*k)->conv_silu(weight, bias, d_conv, n, past, y);
        for (size_t c = 0; c < n; ++c) {
          double sum = bias[c];
          for (size_t tap = 0; tap < d_conv && tap <= t; ++tap) {
            sum += (double)weight[(d_conv - 1 - tap) * n + c] * x[t - tap][c];
          }
          assert_true(fabs(y[c] - exact_silu(sum)) < 2e-6);
        }
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
    cmocka_unit_test(functions_are_accurate),
    cmocka_unit_test(functions_saturate),
    cmocka_unit_test(gemm_does_not_depend_on_rows),
    cmocka_unit_test(rms_norm_ignores_padding),
    cmocka_unit_test(convolution_keeps_its_past),
    cmocka_unit_test(features_follow_their_formula),
    cmocka_unit_test(kernels_are_found_by_name)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "golden.h"
#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/// A product of weights in int8 with columns of floats
typedef struct {
  maudio_column_gemm gemm;
  uint8_t*           codes;
  float*             scales;
  float*             bias;
  float*             x;
  float*             y;
} product;

static void* new_bytes(size_t size)
{
  void* const bytes = calloc(1, size + 1);
  assert_non_null(bytes);
  return bytes;
}

static product product_new(size_t n_rows, size_t n_in, size_t n)
{
  const size_t n_codes = n_rows * maudio_column_codes(n_in);
  product      p       = {.codes  = (uint8_t*)new_bytes(n_codes),
                          .scales = (float*)new_bytes(n_rows * sizeof(float)),
                          .bias   = (float*)new_bytes(n_rows * sizeof(float)),
                          .x      = (float*)new_bytes(n_in * n * sizeof(float)),
                          .y      = (float*)new_bytes(n_rows * n * sizeof(float))};
  for (size_t i = 0; i < n_codes; ++i) {
    p.codes[i] = (uint8_t)lrintf(128.0f + 127.0f * random_float());
  }
  fill(p.scales, n_rows);
  fill(p.bias, n_rows);
  fill(p.x, n_in * n);
  fill(p.y, n_rows * n);
  p.gemm = (maudio_column_gemm){.n_rows = n_rows,
                                .n_in   = n_in,
                                .n      = n,
                                .codes  = p.codes,
                                .scales = p.scales,
                                .bias   = p.bias,
                                .x      = p.x,
                                .y      = p.y};
  return p;
}

static void product_free(const product* p)
{
  free(p->codes);
  free(p->scales);
  free(p->bias);
  free(p->x);
  free(p->y);
}

/// Check outputs against the exact ones: each float of a column is off by at
/// most a 254th of its greatest
static void check_outputs(const product* p, const float* before)
{
  const maudio_column_gemm* const g     = &p->gemm;
  const size_t                    n_row = maudio_column_codes(g->n_in);
  for (size_t c = 0; c < g->n; ++c) {
    float most = 0.0f;
    for (size_t i = 0; i < g->n_in; ++i) {
      most = fmaxf(most, fabsf(p->x[i * g->n + c]));
    }
    for (size_t r = 0; r < g->n_rows; ++r) {
      double exact  = (double)before[r * g->n + c] + p->bias[r];
      double weight = 0.0;
      for (size_t i = 0; i < g->n_in; ++i) {
        const double w =
          (double)p->scales[r] * (p->codes[r * n_row + i] - 128.0);
        exact += w * p->x[i * g->n + c];
        weight += fabs(w);
      }
      const double error = fabs(p->y[r * g->n + c] - exact);
      assert_true(error <= weight * most / 253.0 + 1e-5);
    }
  }
}

static void check_product(const maudio_kernels* kernels,
                          size_t                n_rows,
                          size_t                n_in,
                          size_t                n)
{
  product      p      = product_new(n_rows, n_in, n);
  const size_t n_y    = n_rows * n;
  float* const before = (float*)new_bytes(n_y * sizeof(float));
  kernels->column_gemm(&p.gemm);
  check_outputs(&p, before);

  memcpy(before, p.y, n_y * sizeof(float));
  p.gemm.add = true;
  kernels->column_gemm(&p.gemm);
  check_outputs(&p, before);

  // Row by row the same to the last bit
  float* const whole = (float*)new_bytes(n_y * sizeof(float));
  memcpy(whole, p.y, n_y * sizeof(float));
  memcpy(p.y, before, n_y * sizeof(float));
  p.gemm.n_rows = 1;
  for (size_t r = 0; r < n_rows; ++r) {
    p.gemm.codes  = p.codes + r * maudio_column_codes(n_in);
    p.gemm.scales = p.scales + r;
    p.gemm.bias   = p.bias + r;
    p.gemm.y      = p.y + r * n;
    kernels->column_gemm(&p.gemm);
  }
  assert_memory_equal(p.y, whole, n_y * sizeof(float));
  free(whole);
  free(before);
  product_free(&p);
}

static void outputs_are_near_and_do_not_depend_on_rows(void** state)
{
  (void)state;
  static const size_t n_ins[] = {1, 6, 24, 33, 64, MAUDIO_COLUMN_INPUTS};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t i = 0; (*k)->column_gemm && i < 6; ++i) {
      for (size_t n_rows = 1; n_rows <= 33; n_rows += 4) {
        check_product(*k, n_rows, n_ins[i], 16);
        check_product(*k, n_rows, n_ins[i], 64);
        check_product(*k, n_rows, n_ins[i], 176);
      }
    }
  }
}

/// Columns of zeros, of almost nothing, and that are not finite
static void any_column_is_taken(void** state)
{
  (void)state;
  enum { N_ROWS = 7, N_IN = 24, N = 16, AT = 5 };
  static const float values[] = {0.0f, 1e-38f, 1e30f, INFINITY, NAN, -INFINITY};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    if (!(*k)->column_gemm) {
      continue;
    }
    product p = product_new(N_ROWS, N_IN, N);
    for (size_t i = 0; i < (size_t)N_IN * N; ++i) {
      const size_t c = i % N;
      p.x[i]         = i / N == AT && c < 6 ? values[c] : 0.0f;
    }
    (*k)->column_gemm(&p.gemm);
    for (size_t r = 0; r < N_ROWS; ++r) {
      const float* const y = p.y + r * N;
      const double       w = p.scales[r] * (p.codes[r * N_IN + AT] - 128.0);
      assert_true(y[0] == p.bias[r]);
      assert_true(y[1] == p.bias[r]);
      assert_true(fabs(y[2] - w * 1e30) <= fabs(w) * 1e25 + 1.0);
      assert_true(!isfinite(y[3]) && !isfinite(y[4]) && !isfinite(y[5]));
      assert_true(y[6] == p.bias[r]);
    }
    product_free(&p);
  }
}

/// Codes and floats at their greatest, all of one sign
static void sums_do_not_overflow(void** state)
{
  (void)state;
  enum { N_ROWS = 2, N_IN = MAUDIO_COLUMN_INPUTS, N = 16 };
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    if (!(*k)->column_gemm) {
      continue;
    }
    product p = product_new(N_ROWS, N_IN, N);
    memset(p.codes, 0, (size_t)N_ROWS * N_IN);
    for (size_t i = 0; i < (size_t)N_IN * N; ++i) {
      p.x[i] = i % 2 ? 0.7f : -0.7f;
    }
    (*k)->column_gemm(&p.gemm);
    for (size_t i = 0; i < (size_t)N_ROWS * N; ++i) {
      const float sum =
        (i % 2 ? -0.7f : 0.7f) * 128.0f * N_IN * p.scales[i / N];
      assert_true(fabsf(p.y[i] - p.bias[i / N] - sum) <= 1e-4f * fabsf(sum));
    }
    product_free(&p);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(outputs_are_near_and_do_not_depend_on_rows),
    cmocka_unit_test(any_column_is_taken),
    cmocka_unit_test(sums_do_not_overflow)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

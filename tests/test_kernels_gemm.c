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

/// A product with weights in int8, packed as the kernels want them
typedef struct {
  maudio_gemm gemm;
  int8_t*     codes; ///< (n_in, n_out), in row order
  int8_t*     packed;
  float*      scales;
  int32_t*    sums;
  float*      x;
  float*      bias;
  float*      y;
} coded_gemm;

static void* new_bytes(size_t size)
{
  void* const bytes = calloc(1, size + 1);
  assert_non_null(bytes);
  return bytes;
}

static void fill_codes(coded_gemm* c, size_t group)
{
  const size_t n_in  = c->gemm.w.n_in;
  const size_t n_out = c->gemm.w.n_out;
  for (size_t i = 0; i < n_in; ++i) {
    for (size_t o = 0; o < n_out; ++o) {
      const int8_t code = (int8_t)lrintf(127.0f * random_float());
      const size_t at   = o / MAUDIO_LANES * c->gemm.w.panel_step +
                        i / group * group * MAUDIO_LANES +
                        o % MAUDIO_LANES * group + i % group;
      c->codes[i * n_out + o] = code;
      c->packed[at]           = code;
      c->sums[i / MAUDIO_SLICE * n_out + o] += code;
    }
  }
}

/// `n_out` outputs, of which the first has a scale of 0
static coded_gemm
coded_new(const maudio_kernels* k, size_t n_rows, size_t n_in, size_t n_out)
{
  const size_t group    = k->code_group;
  const size_t n_all    = (n_in + group - 1) / group * group;
  const size_t n_slices = (n_in + MAUDIO_SLICE - 1) / MAUDIO_SLICE;
  const size_t x_stride = n_in + 3;
  const size_t n_x      = (n_rows - 1) * x_stride + n_in;
  coded_gemm   c        = {.codes  = (int8_t*)new_bytes(n_in * n_out),
                           .packed = (int8_t*)new_bytes(n_all * n_out),
                           .scales = (float*)new_bytes(n_out * sizeof(float)),
                           .sums   = (int32_t*)new_bytes(n_slices * n_out * 4),
                           .x      = (float*)new_bytes(n_x * sizeof(float)),
                           .bias = (float*)new_bytes((n_out + n_rows) * sizeof(float)),
                           .y    = (float*)new_bytes(n_rows * n_out * sizeof(float))};
  fill(c.scales, n_out);
  c.scales[0] = 0.0f;
  for (size_t o = 0; o < n_out; ++o) {
    c.scales[o] = fabsf(c.scales[o]);
  }
  fill(c.x, n_x);
  fill(c.bias, n_out + n_rows);
  fill(c.y, n_rows * n_out);
  c.gemm = (maudio_gemm){.w        = {.n_in       = n_in,
                                      .n_out      = n_out,
                                      .in_step    = MAUDIO_LANES,
                                      .panel_step = n_all * MAUDIO_LANES,
                                      .codes      = c.packed,
                                      .scales     = c.scales,
                                      .sums       = c.sums,
                                      .sum_step   = n_out},
                         .bias     = c.bias,
                         .x        = c.x,
                         .x_stride = x_stride,
                         .n_rows   = n_rows,
                         .y        = c.y,
                         .y_stride = n_out};
  fill_codes(&c, group);
  return c;
}

static void coded_free(const coded_gemm* c)
{
  free(c->codes);
  free(c->packed);
  free(c->scales);
  free(c->sums);
  free(c->x);
  free(c->bias);
  free(c->y);
}

/// Check an output against the exact one: floats are rounded at each step,
/// activations once, to 16 bits or 8
static void check_coded_output(const coded_gemm*     c,
                               const maudio_kernels* kernels,
                               size_t                r,
                               size_t                o,
                               double                start)
{
  const size_t n_in   = c->gemm.w.n_in;
  double       exact  = start;
  double       size   = 2.0; // A bias and what is there
  double       weight = 0.0;
  for (size_t i = 0; i < n_in; ++i) {
    const double w = (double)c->scales[o] * c->codes[i * c->gemm.w.n_out + o];
    const double x = c->x[r * c->gemm.x_stride + i];
    exact += w * x;
    size += fabs(w * x);
    weight += fabs(w);
  }
  const double rounding = 1.2e-7 * (double)(n_in + 8) * size;
  const double finest   = kernels->code_group > 1 ? 65000.0 : INFINITY;
  const bool   is_bytes = c->gemm.w.coarse && kernels->code_group == 4;
  const double integers = weight / (is_bytes ? 253.0 : finest);
  const double error    = fabs(c->y[r * c->gemm.w.n_out + o] - exact);
  if (!(error <= rounding + integers)) {
    fail_msg("%s, %zu inputs: (%zu, %zu) is off by %g, allowed %g",
             kernels->name, n_in, r, o, error, rounding + integers);
  }
}

static void check_gemm_codes(const maudio_kernels* kernels,
                             size_t                n_rows,
                             size_t                n_in,
                             size_t                n_out,
                             bool                  coarse)
{
  coded_gemm   c   = coded_new(kernels, n_rows, n_in, n_out);
  const size_t n_y = n_rows * n_out;
  float* const y   = (float*)new_bytes(n_y * sizeof(float));
  c.gemm.w.coarse  = coarse;

  // Adding to what is there
  memcpy(y, c.y, n_y * sizeof(float));
  c.gemm.add = true;
  kernels->gemm(&c.gemm);
  for (size_t i = 0; i < n_y; ++i) {
    check_coded_output(&c, kernels, i / n_out, i % n_out,
                       (double)y[i] + c.bias[i % n_out]);
  }

  // With a bias for each row; row by row the same to the last bit
  c.gemm.add      = false;
  c.gemm.row_bias = c.bias + n_out;
  c.gemm.bias     = NULL;
  kernels->gemm(&c.gemm);
  for (size_t i = 0; i < n_y; ++i) {
    check_coded_output(&c, kernels, i / n_out, i % n_out,
                       c.bias[n_out + i / n_out]);
  }
  memcpy(y, c.y, n_y * sizeof(float));
  memset(c.y, 0, n_y * sizeof(float));
  c.gemm.n_rows = 1;
  for (size_t r = 0; r < n_rows; ++r) {
    c.gemm.row_bias = c.bias + n_out + r;
    c.gemm.x        = c.x + r * c.gemm.x_stride;
    c.gemm.y        = c.y + r * n_out;
    kernels->gemm(&c.gemm);
  }
  assert_memory_equal(c.y, y, n_y * sizeof(float));
  free(y);
  coded_free(&c);
}

static void gemm_of_codes_does_not_depend_on_rows(void** state)
{
  (void)state;
  static const size_t n_ins[]  = {1, 7, 64, 519, 2 * MAUDIO_SLICE + 21};
  static const size_t n_outs[] = {16, 48, 64, 112, 176};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t n_rows = 1; n_rows <= 17; n_rows += n_rows < 9 ? 1 : 8) {
      for (size_t i = 0; i < 5; ++i) {
        const size_t n_sizes = n_ins[i] > MAUDIO_SLICE ? 2 : 5;
        for (size_t o = 0; o < n_sizes; ++o) {
          check_gemm_codes(*k, n_rows, n_ins[i], n_outs[o], false);
          check_gemm_codes(*k, n_rows, n_ins[i], n_outs[o], true);
        }
      }
    }
  }
}

/// Each output as in the whole product, whatever panels it is computed with
static void check_panels(const maudio_kernels* kernels, maudio_gemm* gemm)
{
  const size_t n_panels = gemm->w.n_out / MAUDIO_LANES;
  const size_t n        = gemm->n_rows * gemm->y_stride;
  const size_t n_bytes  = n * sizeof(float);
  float* const whole    = (float*)new_bytes(n_bytes);
  float* const before   = (float*)new_bytes(n_bytes);
  memcpy(before, gemm->y, n_bytes);
  kernels->gemm(gemm);
  memcpy(whole, gemm->y, n_bytes);
  for (size_t width = 1; width <= n_panels; ++width) {
    memcpy(gemm->y, before, n_bytes);
    for (size_t p = 0; p < n_panels; p += width) {
      maudio_gemm_panels(kernels, gemm, p,
                         n_panels - p < width ? n_panels - p : width);
    }
    assert_memory_equal(gemm->y, whole, n_bytes);
  }
  free(before);
  free(whole);
}

static void gemm_in_panels_is_the_same(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t n_rows = 1; n_rows <= 7; n_rows += 3) {
      // Codes in several slices, and floats
      coded_gemm c = coded_new(*k, n_rows, 2 * MAUDIO_SLICE + 20, 160);
      check_panels(*k, &c.gemm);
      c.gemm.w.coarse = true;
      check_panels(*k, &c.gemm);
      const size_t n       = c.gemm.w.n_in * c.gemm.w.n_out;
      float* const weights = (float*)new_bytes(n * sizeof(float));
      fill(weights, n);
      c.gemm.w.codes = NULL;
      c.gemm.w.data  = weights;
      c.gemm.add     = true;
      check_panels(*k, &c.gemm);
      free(weights);
      coded_free(&c);
    }
  }
}

/// Rows of zeros, of almost nothing, and that are not finite: `at` one input
static void check_any_row(const maudio_kernels* kernels, size_t at, bool coarse)
{
  enum { N_IN = 519, N_OUT = 32 };
  static const float values[] = {0.0f, 1e-38f, 1e30f, INFINITY, NAN};
  coded_gemm         c        = coded_new(kernels, 5, N_IN, N_OUT);
  c.gemm.w.coarse             = coarse;
  for (size_t o = 0; o < N_OUT; ++o) {
    c.scales[o] = 1e-4f;
  }
  for (size_t r = 0; r < 5; ++r) {
    for (size_t i = 0; i < N_IN; ++i) {
      c.x[r * c.gemm.x_stride + i] = i == at ? values[r] : 0.0f;
    }
  }
  kernels->gemm(&c.gemm);
  for (size_t o = 0; o < N_OUT; ++o) {
    const double w = 1e-4 * c.codes[at * N_OUT + o];
    assert_true(c.y[o] == c.bias[o]);
    assert_true(fabsf(c.y[N_OUT + o] - c.bias[o]) < 1e-30f);
    assert_true(fabs(c.y[2 * (size_t)N_OUT + o] - w * 1e30) <=
                fabs(w) * 1e25 + 1.0);
    assert_true(!isfinite(c.y[3 * (size_t)N_OUT + o]));
    assert_true(!isfinite(c.y[4 * (size_t)N_OUT + o]));
  }
  coded_free(&c);
}

static void gemm_of_codes_takes_any_row(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (int coarse = 0; coarse < 2; ++coarse) {
      check_any_row(*k, 3, coarse);
      check_any_row(*k, 515, coarse);
    }
  }
}

/// All codes and activations at their greatest, whose products have one sign
static void check_greatest(const maudio_kernels* kernels, bool coarse)
{
  enum { N_ROWS = 7, N_IN = 2 * MAUDIO_SLICE, N_OUT = 96 };
  coded_gemm c    = coded_new(kernels, N_ROWS, N_IN, N_OUT);
  c.gemm.w.coarse = coarse;
  memset(c.packed, -128, (size_t)N_IN * N_OUT);
  for (size_t o = 0; o < N_OUT; ++o) {
    c.scales[o] = 1.0f;
    c.bias[o]   = 0.0f;
    for (size_t i = 0; i < N_IN / MAUDIO_SLICE; ++i) {
      c.sums[i * N_OUT + o] = -128 * MAUDIO_SLICE;
    }
  }
  for (size_t i = 0; i < N_ROWS * c.gemm.x_stride - 3; ++i) {
    c.x[i] = i / c.gemm.x_stride % 2 ? 0.7f : -0.7f;
  }
  kernels->gemm(&c.gemm);
  for (size_t i = 0; i < (size_t)N_ROWS * N_OUT; ++i) {
    const float sign = i / N_OUT % 2 ? -1.0f : 1.0f;
    const float sum  = sign * 0.7f * 128.0f * N_IN;
    assert_true(fabsf(c.y[i] - sum) <= 1e-4f * fabsf(sum));
  }
  coded_free(&c);
}

static void sums_of_codes_do_not_overflow(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    check_greatest(*k, false);
    check_greatest(*k, true);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gemm_does_not_depend_on_rows),
    cmocka_unit_test(gemm_of_codes_does_not_depend_on_rows),
    cmocka_unit_test(gemm_of_codes_takes_any_row),
    cmocka_unit_test(sums_of_codes_do_not_overflow),
    cmocka_unit_test(gemm_in_panels_is_the_same)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

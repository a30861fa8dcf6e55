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
/// 16-bit activations once
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
  const double integers = kernels->code_group > 1 ? weight / 65000.0 : 0.0;
  const double error    = fabs(c->y[r * c->gemm.w.n_out + o] - exact);
  if (!(error <= rounding + integers)) {
    fail_msg("%s, %zu inputs: (%zu, %zu) is off by %g, allowed %g",
             kernels->name, n_in, r, o, error, rounding + integers);
  }
}

static void check_gemm_codes(const maudio_kernels* kernels,
                             size_t                n_rows,
                             size_t                n_in,
                             size_t                n_out)
{
  coded_gemm   c   = coded_new(kernels, n_rows, n_in, n_out);
  const size_t n_y = n_rows * n_out;
  float* const y   = (float*)new_bytes(n_y * sizeof(float));

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
  static const size_t n_ins[]  = {1, 7, 64, 2 * MAUDIO_SLICE + 22};
  static const size_t n_outs[] = {16, 48, 64, 112, 176};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    for (size_t n_rows = 1; n_rows <= 17; n_rows += n_rows < 9 ? 1 : 8) {
      for (size_t i = 0; i < 4; ++i) {
        const size_t n_sizes = n_ins[i] > MAUDIO_SLICE ? 2 : 5;
        for (size_t o = 0; o < n_sizes; ++o) {
          check_gemm_codes(*k, n_rows, n_ins[i], n_outs[o]);
        }
      }
    }
  }
}

/// Rows of zeros, of almost nothing, and that are not finite
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

static void gemm_of_codes_takes_any_row(void** state)
{
  (void)state;
  enum { n = 32 };
  static const float values[] = {0.0f, 1e-38f, 1e30f, INFINITY, NAN};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    coded_gemm c = coded_new(*k, 5, n, n);
    for (size_t o = 0; o < n; ++o) {
      c.scales[o] = 1e-4f;
    }
    for (size_t r = 0; r < 5; ++r) {
      for (size_t i = 0; i < n; ++i) {
        c.x[r * c.gemm.x_stride + i] = i == 3 ? values[r] : 0.0f;
      }
    }
    (*k)->gemm(&c.gemm);
    for (size_t o = 0; o < n; ++o) {
      const double w = 1e-4 * c.codes[3 * (size_t)n + o];
      assert_true(c.y[o] == c.bias[o]);
      assert_true(fabsf(c.y[n + o] - c.bias[o]) < 1e-30f);
      assert_true(fabs(c.y[2 * n + o] - w * 1e30) <= fabs(w) * 1e25 + 1.0);
      assert_true(!isfinite(c.y[3 * n + o]) && !isfinite(c.y[4 * n + o]));
    }
    coded_free(&c);
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
  enum { n = 80, n_taps = 5, n_frames = 12 };
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

/// Two groups of heads of any size, against the formula
static void
check_scan(const maudio_kernels* kernels, size_t n_heads, size_t headdim)
{
  enum { N_GROUPS = 2, D_STATE = 5, MAX_PAD = 160, N = N_GROUPS * MAX_PAD };
  const size_t size = n_heads * headdim;
  const size_t pad  = maudio_pad(size);
  assert_true(pad <= MAX_PAD);
  float skip[N];
  float x[N];
  float z[N];
  float y[N];
  float b[N_GROUPS * D_STATE];
  float c[N_GROUPS * D_STATE];
  float dt[N];
  float decay[N];
  float h[N * D_STATE];
  float before[N * D_STATE];
  float work[2 * (MAX_PAD + MAUDIO_LANES)];
  fill(skip, N);
  fill(x, N);
  fill(z, N);
  fill(b, N_GROUPS * D_STATE);
  fill(c, N_GROUPS * D_STATE);
  fill(dt, N);
  fill(decay, N);
  fill(h, N * D_STATE);
  memcpy(before, h, sizeof h);
  kernels->ssd_step(&(maudio_ssd){.n_groups  = N_GROUPS,
                                  .n_heads   = n_heads,
                                  .headdim   = headdim,
                                  .d_state   = D_STATE,
                                  .group_pad = pad,
                                  .d         = skip},
                    &(maudio_scan){.x     = x,
                                   .z     = z,
                                   .b     = b,
                                   .c     = c,
                                   .dt    = dt,
                                   .decay = decay,
                                   .h     = h,
                                   .work  = work,
                                   .y     = y});
  for (size_t i = 0; i < N_GROUPS * size; ++i) {
    const size_t group   = i / size;
    const size_t head    = i / headdim;
    const size_t channel = group * pad + i % size;
    const size_t state =
      channel / MAUDIO_LANES * D_STATE * MAUDIO_LANES + channel % MAUDIO_LANES;
    double sum = (double)skip[channel] * x[channel];
    for (size_t k = 0; k < D_STATE; ++k) {
      const size_t at = state + k * MAUDIO_LANES;
      const double hk = (double)decay[head] * before[at] +
                        (double)dt[head] * x[channel] * b[group * D_STATE + k];
      assert_true(fabs(h[at] - hk) < 1e-6);
      sum += c[group * D_STATE + k] * hk;
    }
    assert_true(fabs(y[channel] - sum * exact_silu(z[channel])) < 2e-6);
  }
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
    cmocka_unit_test(gemm_does_not_depend_on_rows),
    cmocka_unit_test(gemm_of_codes_does_not_depend_on_rows),
    cmocka_unit_test(gemm_of_codes_takes_any_row),
    cmocka_unit_test(gemm_in_panels_is_the_same),
    cmocka_unit_test(rms_norm_ignores_padding),
    cmocka_unit_test(convolution_keeps_its_past),
    cmocka_unit_test(scans_follow_their_formula),
    cmocka_unit_test(features_follow_their_formula),
    cmocka_unit_test(gates_multiply),
    cmocka_unit_test(softmax_sums_to_one),
    cmocka_unit_test(kernels_are_found_by_name)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

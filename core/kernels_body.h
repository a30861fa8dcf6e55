/** @file
 * The kernels, in vectors of VEC_LANES floats; included once per instruction
 * set by a file that defines
 *
 * KERNELS_NAME     as in maudio_kernels.name,
 * VEC_LANES        floats of a vector,
 * VEC_MADD         a * b + c on vectors,
 * VEC_ROUNDS_ONCE  if that is rounded once,
 * GEMM_SUMS        how many vectors of sums a GEMM keeps in registers,
 * GEMM_TALL        rows from which it does without wider tiles,
 *
 * where the instruction set has better ones than kernels_vector.h,
 *
 * VEC_MAX, VEC_MIN, VEC_DIVIDE, VEC_RSQRT,
 *
 * and for weights in int8 either
 *
 * VEC_CODES     VEC_LANES floats of the codes at p,
 *
 * or a product of its own:
 *
 * GEMM_CODES    the function, which takes a maudio_gemm,
 * CODE_GROUP    the layout of its codes, 1 elsewhere,
 *
 * and perhaps GEMM_COLUMNS, which takes a maudio_column_gemm.
 */
#include "kernels.h"
#include "kernels_conv.h"
#include "kernels_fft.h"
#include "kernels_scan.h"
#include "kernels_ssd.h"
#include "kernels_vector.h"

#include <float.h>
#include <math.h>

#ifdef GEMM_CODES
#  define VEC_CODES(p) splat(*(p)) // No tile is of codes
#endif

// Rows of a GEMM tile that is `panels` wide
#define GEMM_MAX_ROWS 8
#define GEMM_ROWS(panels)                        \
  (GEMM_SUMS / (VECS * (panels)) < GEMM_MAX_ROWS \
     ? GEMM_SUMS / (VECS * (panels))             \
     : GEMM_MAX_ROWS)

// Rows of a norm side by side
#define NORM_ROWS 8

/**
 * A tile of outputs: `rows` rows from `r`, `panels` panels from `p`, both
 * constant. Each output is one chain of multiply-adds over the inputs in
 * order: the shape of the tile does not show in the result. Codes are summed
 * as they are (`coded`, constant), and the sum is scaled.
 */
INLINE void gemm_tile(const maudio_gemm* g,
                      size_t             r,
                      size_t             p,
                      const size_t       rows,
                      const size_t       panels,
                      const bool         coded)
{
  const size_t vecs = panels * VECS;
  const float* x    = g->x + r * g->x_stride;
  float*       y    = g->y + r * g->y_stride + p * MAUDIO_LANES;
  const bool   add  = g->add;
  const float* bias = g->bias ? g->bias + p * MAUDIO_LANES : NULL;

  vec sums[GEMM_SUMS]; // (rows, vecs)
  UNROLL
  for (size_t i = 0; i < rows; ++i) {
    const vec start = splat(g->row_bias ? g->row_bias[r + i] : 0.0f);
    UNROLL
    for (size_t v = 0; v < vecs; ++v) {
      sums[i * vecs + v] = coded  ? splat(0.0f)
                           : bias ? load(bias + v * VEC_LANES)
                                  : start;
    }
  }

  size_t at = p * g->w.panel_step;
#pragma GCC unroll 2
  for (size_t k = 0; k < g->w.n_in; ++k) {
    vec wk[GEMM_SUMS];
    UNROLL
    for (size_t v = 0; v < vecs; ++v) {
      const size_t from =
        at + v / VECS * g->w.panel_step + v % VECS * VEC_LANES;
      wk[v] = coded ? VEC_CODES(g->w.codes + from) : load(g->w.data + from);
    }
    UNROLL
    for (size_t i = 0; i < rows; ++i) {
      const vec xk = splat(x[i * g->x_stride + k]);
      UNROLL
      for (size_t v = 0; v < vecs; ++v) {
        sums[i * vecs + v] = madd(xk, wk[v], sums[i * vecs + v]);
      }
    }
    at += g->w.in_step;
  }

  UNROLL
  for (size_t i = 0; i < rows; ++i) {
    UNROLL
    for (size_t v = 0; v < vecs; ++v) {
      float* to    = y + i * g->y_stride + v * VEC_LANES;
      vec    total = sums[i * vecs + v];
      if (coded) {
        const vec scale = load(g->w.scales + p * MAUDIO_LANES + v * VEC_LANES);
        const vec start = bias          ? load(bias + v * VEC_LANES)
                          : g->row_bias ? splat(g->row_bias[r + i])
                                        : splat(0.0f);
        total           = madd(scale, total, start);
      }
      store(to, add ? load(to) + total : total);
    }
  }
}

/// All rows of `panels` panels from `p`, in tiles of nearly equal height
INLINE void gemm_panels(const maudio_gemm* g,
                        size_t             p,
                        const size_t       panels,
                        const bool         coded)
{
  const size_t n_tiles =
    (g->n_rows + GEMM_ROWS(panels) - 1) / GEMM_ROWS(panels);
  size_t r = 0;
  for (size_t left = n_tiles; left; --left) {
    const size_t rows = (g->n_rows - r + left - 1) / left;
    switch (rows) {
#define TILE(n)                                                            \
  case n:                                                                  \
    gemm_tile(g, r, p, (n) <= GEMM_ROWS(panels) ? (n) : 0, panels, coded); \
    break;
      TILE(1)
      TILE(2)
      TILE(3)
      TILE(4)
      TILE(5)
      TILE(6)
      TILE(7)
      TILE(8)
#undef TILE
    }
    r += rows;
  }
}

/// As wide as leaves room for the rows: few rows alone cannot hide latency
INLINE void gemm_all(const maudio_gemm* g, const bool coded)
{
  const size_t n_panels = g->w.n_out / MAUDIO_LANES;
  const size_t rows     = g->n_rows < GEMM_TALL ? g->n_rows : GEMM_TALL;
  for (size_t p = 0; p < n_panels;) {
    const size_t left = n_panels - p;
    if (left >= 8 && rows <= GEMM_ROWS(8)) {
      gemm_panels(g, p, 8, coded);
      p += 8;
    } else if (left >= 4 && rows <= GEMM_ROWS(4)) {
      gemm_panels(g, p, 4, coded);
      p += 4;
    } else if (left >= 2 && rows <= GEMM_ROWS(2)) {
      gemm_panels(g, p, 2, coded);
      p += 2;
    } else {
      gemm_panels(g, p, 1, coded);
      p += 1;
    }
  }
}

#ifndef GEMM_CODES
#  define CODE_GROUP 1
#  define GEMM_CODES gemm_codes

static void gemm_codes(const maudio_gemm* g)
{
  gemm_all(g, true);
}
#endif

#ifndef GEMM_COLUMNS
#  define GEMM_COLUMNS NULL
#endif

static void gemm(const maudio_gemm* g)
{
  if (g->w.codes) {
    GEMM_CODES(g);
  } else {
    gemm_all(g, false);
  }
}

/// In four sums side by side, which hide the latency of additions; the tail
/// that fills no vector comes last
static float dot(size_t n, const float* a, const float* b)
{
  vec    sums[4] = {{0}, {0}, {0}, {0}};
  size_t i       = 0;
  for (; i + (size_t)4 * VEC_LANES <= n; i += (size_t)4 * VEC_LANES) {
    UNROLL
    for (size_t k = 0; k < 4; ++k) {
      const size_t at = i + k * VEC_LANES;
      sums[k]         = madd(load(a + at), load(b + at), sums[k]);
    }
  }
  for (; i + VEC_LANES <= n; i += VEC_LANES) {
    sums[0] = madd(load(a + i), load(b + i), sums[0]);
  }
  float total = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < n; ++i) {
    total += a[i] * b[i];
  }
  return total;
}

/// As maudio_kernels.rms_norm() of `rows` rows, constant: one alone would wait
/// for each of its sums. The tail that fills no vector comes last
INLINE void norm_rows(const size_t rows,
                      size_t       stride,
                      const float* x,
                      const float* weight,
                      size_t       n,
                      float        eps,
                      float*       y)
{
  const float share = 1.0f / (float)n;
  vec         squares[NORM_ROWS];
  float       scales[MAUDIO_LANES] = {0.0f}; // Whole vectors
  size_t      i                    = 0;
  UNROLL
  for (size_t r = 0; r < rows; ++r) {
    squares[r] = splat(0.0f);
  }
  for (; i + VEC_LANES <= n; i += VEC_LANES) {
    UNROLL
    for (size_t r = 0; r < rows; ++r) {
      const vec xi = load(x + r * stride + i);
      squares[r]   = madd(xi, xi, squares[r]);
    }
  }
  UNROLL
  for (size_t r = 0; r < rows; ++r) {
    float total = sum(squares[r]);
    for (size_t k = i; k < n; ++k) {
      total += x[r * stride + k] * x[r * stride + k];
    }
    scales[r] = total * share + eps;
  }
  UNROLL
  for (size_t r = 0; r < rows; r += VEC_LANES) {
    store(scales + r, VEC_RSQRT(load(scales + r)));
  }
  for (i = 0; i < n; i += VEC_LANES) {
    const vec w = load(weight + i);
    UNROLL
    for (size_t r = 0; r < rows; ++r) {
      const size_t at = r * stride + i;
      store(y + at, load(x + at) * splat(scales[r]) * w);
    }
  }
}

static void rms_norm(size_t       n_rows,
                     size_t       stride,
                     const float* x,
                     const float* weight,
                     size_t       n_in,
                     float        eps,
                     float*       y)
{
  size_t r = 0;
#define ROWS(n)                                                              \
  for (; r + (n) <= n_rows; r += (n)) {                                      \
    norm_rows(n, stride, x + r * stride, weight, n_in, eps, y + r * stride); \
  }
  ROWS(NORM_ROWS)
  ROWS(NORM_ROWS / 2)
  ROWS(NORM_ROWS / 4)
  ROWS(1)
#undef ROWS
}

static void features(float  compress,
                     float  floor,
                     size_t n,
                     float* re,
                     float* im,
                     float* level)
{
  const vec exponent = splat(0.5f * (compress - 1.0f));
  for (size_t i = 0; i < n; i += VEC_LANES) {
    const vec r         = load(re + i);
    const vec j         = load(im + i);
    const vec log_power = vec_log(madd(r, r, j * j) + floor);
    const vec gain      = vec_exp(exponent * log_power);
    store(re + i, r * gain);
    store(im + i, j * gain);
    store(level + i, horner(log_power, splat(0.1f), 1.0f));
  }
}

#define ELEMENTWISE(name)                       \
  static void name##_array(size_t n, float* x)  \
  {                                             \
    for (size_t i = 0; i < n; i += VEC_LANES) { \
      store(x + i, vec_##name(load(x + i)));    \
    }                                           \
  }
ELEMENTWISE(exp)
ELEMENTWISE(log)
ELEMENTWISE(softplus)
ELEMENTWISE(relu2)
#undef ELEMENTWISE

static void silu_array(size_t n, float* x)
{
  const size_t step = (size_t)VEC_SIDES * VEC_LANES;
  size_t       i    = 0;
  for (; i + step <= n; i += step) {
    vec y[VEC_SIDES];
    UNROLL
    for (size_t v = 0; v < VEC_SIDES; ++v) {
      y[v] = load(x + i + v * VEC_LANES);
    }
    vecs_silu(y, VEC_SIDES);
    UNROLL
    for (size_t v = 0; v < VEC_SIDES; ++v) {
      store(x + i + v * VEC_LANES, y[v]);
    }
  }
  for (; i < n; i += VEC_LANES) {
    store(x + i, vec_silu(load(x + i)));
  }
}

static void gated_silu(size_t n, float* gate, const float* up)
{
  for (size_t i = 0; i < n; i += VEC_LANES) {
    store(gate + i, vec_silu(load(gate + i)) * load(up + i));
  }
}

static void softmax(float scale, size_t n, float* x)
{
  const size_t n_padded = maudio_pad(n);
  for (size_t i = n; i < n_padded; ++i) {
    x[i] = -FLT_MAX; // Too little to count in the sum
  }
  float most = x[0];
  for (size_t i = 1; i < n; ++i) {
    most = x[i] > most ? x[i] : most;
  }
  vec totals = {0};
  for (size_t i = 0; i < n_padded; i += VEC_LANES) {
    const vec e = vec_exp((load(x + i) - most) * scale);
    store(x + i, e);
    totals += e;
  }
  const vec part = splat(1.0f / sum(totals));
  for (size_t i = 0; i < n_padded; i += VEC_LANES) {
    store(x + i, load(x + i) * part);
  }
}

#define TABLE_OF(name) maudio_kernels_##name
#define TABLE(name) TABLE_OF(name)
#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

const maudio_kernels TABLE(KERNELS_NAME) = {.name        = TEXT(KERNELS_NAME),
                                            .code_group  = CODE_GROUP,
                                            .gemm        = gemm,
                                            .column_gemm = GEMM_COLUMNS,
                                            .dot         = dot,
                                            .rms_norm    = rms_norm,
                                            .conv_silu   = conv_silu,
                                            .ssd_scan    = ssd_scan,
                                            .s6_step     = s6_step,
                                            .features    = features,
                                            .fft         = fft,
                                            .inverse_fft = inverse_fft,
                                            .exp         = exp_array,
                                            .log         = log_array,
                                            .silu        = silu_array,
                                            .softplus    = softplus_array,
                                            .relu2       = relu2_array,
                                            .gated_silu  = gated_silu,
                                            .softmax     = softmax};

/** @file
 * Kernel of the causal convolutions; included by kernels_body.h, once per
 * instruction set.
 */
#ifndef MAUDIO_KERNELS_CONV_H
#define MAUDIO_KERNELS_CONV_H

#include "kernels.h"
#include "kernels_vector.h"

/// Rows of a vector of channels that are side by side
#define CONV_ROWS 4

/// `vecs` vectors of a row from `i` on, of n_past + 1 taps; both constant
INLINE void conv_row(const maudio_conv* conv,
                     const size_t       n_past,
                     size_t             i,
                     const size_t       vecs,
                     float*             past,
                     float*             x)
{
  const size_t n = conv->n;
  vec          y[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v, i += VEC_LANES) {
    y[v] = load(conv->bias + i);
#pragma GCC unroll 3
    for (size_t k = 0; k < n_past; ++k) {
      const vec tap = load(past + k * n + i);
      y[v]          = madd(load(conv->weight + k * n + i), tap, y[v]);
      if (k) {
        store(past + (k - 1) * n + i, tap);
      }
    }
    const vec newest = load(x + i);
    y[v]             = madd(load(conv->weight + n_past * n + i), newest, y[v]);
    if (n_past) {
      store(past + (n_past - 1) * n + i, newest);
    }
  }
  vecs_silu(y, vecs);
  x += i - vecs * VEC_LANES;
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    store(x + v * VEC_LANES, y[v]);
  }
}

/// A row of n_past + 1 taps, perhaps constant
INLINE void conv_channels(const maudio_conv* conv,
                          const size_t       n_past,
                          float*             past,
                          float*             x)
{
  const size_t step = (size_t)VEC_SIDES * VEC_LANES;
  size_t       i    = 0;
  for (; i + step <= conv->n; i += step) {
    conv_row(conv, n_past, i, VEC_SIDES, past, x);
  }
  for (; i + step / 2 <= conv->n; i += step / 2) {
    conv_row(conv, n_past, i, VEC_SIDES / 2, past, x);
  }
  for (; i < conv->n; i += VEC_LANES) {
    conv_row(conv, n_past, i, 1, past, x);
  }
}

/// A vector of CONV_ROWS rows from `i` on, of four taps
INLINE void conv_rows(const maudio_conv* conv,
                      size_t             i,
                      size_t             stride,
                      float*             past,
                      float*             x)
{
  vec taps[3 + CONV_ROWS];
  vec y[CONV_ROWS];
  UNROLL
  for (size_t k = 0; k < 3; ++k) {
    taps[k] = load(past + k * conv->n + i);
  }
  UNROLL
  for (size_t r = 0; r < CONV_ROWS; ++r) {
    taps[3 + r] = load(x + r * stride + i);
    y[r]        = load(conv->bias + i);
  }
  UNROLL
  for (size_t k = 0; k < 4; ++k) {
    const vec weight = load(conv->weight + k * conv->n + i);
    UNROLL
    for (size_t r = 0; r < CONV_ROWS; ++r) {
      y[r] = madd(weight, taps[k + r], y[r]);
    }
  }
  UNROLL
  for (size_t k = 0; k < 3; ++k) {
    store(past + k * conv->n + i, taps[CONV_ROWS + k]);
  }
  vecs_silu(y, CONV_ROWS);
  UNROLL
  for (size_t r = 0; r < CONV_ROWS; ++r) {
    store(x + r * stride + i, y[r]);
  }
}

static void conv_silu(const maudio_conv* conv,
                      size_t             n_rows,
                      size_t             stride,
                      float*             past,
                      float*             x)
{
  const maudio_conv own = *conv; // No store may change it
  size_t            r   = 0;
  for (; own.d_conv == 4 && r + CONV_ROWS <= n_rows; r += CONV_ROWS) {
    for (size_t i = 0; i < own.n; i += VEC_LANES) {
      conv_rows(&own, i, stride, past, x + r * stride);
    }
  }
  for (; own.d_conv == 4 && r < n_rows; ++r) {
    conv_channels(&own, 3, past, x + r * stride);
  }
  for (; r < n_rows; ++r) {
    conv_channels(&own, own.d_conv - 1, past, x + r * stride);
  }
}

#endif /* MAUDIO_KERNELS_CONV_H */

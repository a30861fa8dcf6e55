/** @file
 * The product of weights in int8 with activations in integers, but for what
 * differs between instruction sets; included by a file that has
 *
 * CODES_ROWS      rows of a tile, 6,
 * CODES_COARSE    whether it gains by matrices that are coarse,
 * CODES_PANELS()  panels of a tile of so many rows, coarse or not, at most 8,
 * integers        rows of activations in integers, a slice of their inputs,
 * codes_row()     to make one of them,
 * codes_tile()    to write a tile of outputs, of constant size.
 */
#ifndef MAUDIO_KERNELS_CODES_H
#define MAUDIO_KERNELS_CODES_H

#include "kernels.h"
#include "kernels_inline.h"

/// All panels of `rows` rows, as wide as leaves room for the sums
INLINE void codes_rows(const maudio_gemm* g,
                       const integers*    q,
                       size_t             r,
                       const size_t       rows,
                       const bool         coarse)
{
  const size_t n_panels = g->w.n_out / MAUDIO_LANES;
  const size_t most     = CODES_PANELS(rows, coarse);
  for (size_t p = 0; p < n_panels;) {
    const size_t left   = n_panels - p;
    const size_t panels = left < most ? left : most;
    switch (panels) {
#define TILE(n)                                                \
case n:                                                        \
  codes_tile(g, q, r, p, rows, (n) <= most ? (n) : 0, coarse); \
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
    p += panels;
  }
}

// In functions of their own, whose registers compilers allot better
#define ROWS(n)                                         \
  static __attribute__((noinline)) void codes_rows_##n( \
    const maudio_gemm* g, const integers* q, size_t r)  \
  {                                                     \
    if (CODES_COARSE && g->w.coarse) {                  \
      codes_rows(g, q, r, n, true);                     \
    } else {                                            \
      codes_rows(g, q, r, n, false);                    \
    }                                                   \
  }
ROWS(1)
ROWS(2)
ROWS(3)
ROWS(4)
ROWS(5)
ROWS(6)
#undef ROWS

static void gemm_integers(const maudio_gemm* g)
{
  integers q;
  size_t   r = 0;
  for (size_t tiles = (g->n_rows + CODES_ROWS - 1) / CODES_ROWS; tiles;
       --tiles) {
    const size_t rows = (g->n_rows - r + tiles - 1) / tiles; // Nearly equal
    for (q.first = 0; q.first < g->w.n_in; q.first += MAUDIO_SLICE) {
      const size_t left = g->w.n_in - q.first;
      q.n               = left < MAUDIO_SLICE ? left : MAUDIO_SLICE;
      for (size_t i = 0; i < rows; ++i) {
        codes_row(g->x + (r + i) * g->x_stride + q.first, &q, i,
                  CODES_COARSE && g->w.coarse);
      }
      switch (rows) {
#define ROWS(n)             \
case n:                     \
  codes_rows_##n(g, &q, r); \
  break;
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
#undef ROWS
      }
    }
    r += rows;
  }
}

#endif /* MAUDIO_KERNELS_CODES_H */

/** @file
 * The product of weights in int8 with columns of floats, which become integers
 * of 8 bits with a scale for each column. Part of kernels_avx512vnni.c, whose
 * helpers it uses.
 *
 * A lane is a column. Four of its integers meet four codes, 128 added to each,
 * by one instruction; what that adds is taken off by the sum of the column.
 * Integers are summed exactly, so the shape of a tile does not show.
 */
#ifndef MAUDIO_KERNELS_AVX512VNNI_COLUMNS_H
#define MAUDIO_KERNELS_AVX512VNNI_COLUMNS_H

#define COLUMN_ROWS 6   // Of a tile
#define COLUMN_PANELS 4 // At most

/// Some panels of columns in integers
typedef struct {
  __m512i values[MAUDIO_COLUMN_INPUTS / 4]
                [COLUMN_PANELS]; ///< Four inputs of a lane
  __m512i starts[COLUMN_PANELS]; ///< -128 times the sum of each column
  __m512  scales[COLUMN_PANELS];
} columns;

/// Four rows of integers from -127 to 127 as the four bytes of each lane
INLINE __m512i join_four(const __m512i* rows)
{
  const __m512i turn = _mm512_broadcast_i32x4(
    _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  return _mm512_shuffle_epi8(
    _mm512_packs_epi16(_mm512_packs_epi32(rows[0], rows[1]),
                       _mm512_packs_epi32(rows[2], rows[3])),
    turn);
}

/// Make integers of 16 columns of x, n_in rows that are n floats apart
INLINE void
columns_of(size_t n_in, size_t n, const float* x, columns* q, size_t panel)
{
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i       most      = _mm512_setzero_si512();
  for (size_t i = 0; i < n_in; ++i) {
    const __m512i bits = _mm512_loadu_si512(x + i * n);
    most = _mm512_max_epu32(most, _mm512_and_si512(bits, magnitude));
  }
  // As of rows: nothing of almost nothing, NaN of what is not finite
  const __m512    top = _mm512_castsi512_ps(most);
  const __mmask16 some =
    _mm512_cmp_ps_mask(top, _mm512_set1_ps(1e-30f), _CMP_GT_OQ);
  const __mmask16 finite =
    _mm512_cmp_ps_mask(top, _mm512_set1_ps(INFINITY), _CMP_LT_OQ);
  const __m512 inverse =
    _mm512_maskz_div_ps(some & finite, _mm512_set1_ps(127.0f), top);
  const __m512 scale =
    _mm512_maskz_mul_ps(some, top, _mm512_set1_ps(1.0f / 127.0f));
  q->scales[panel] = _mm512_mask_blend_ps(finite, _mm512_set1_ps(NAN), scale);

  const __m512i ones = _mm512_set1_epi8(1);
  __m512i       all  = _mm512_setzero_si512();
  for (size_t i = 0; i < n_in; i += 4) {
    __m512i rows[4];
    UNROLL
    for (size_t k = 0; k < 4; ++k) {
      rows[k] =
        i + k < n_in
          ? _mm512_cvtps_epi32(_mm512_loadu_ps(x + (i + k) * n) * inverse)
          : _mm512_setzero_si512();
    }
    q->values[i / 4][panel] = join_four(rows);
    multiply_four(&all, ones, q->values[i / 4][panel]);
  }
  q->starts[panel] =
    _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(all, 7));
}

/// Write `rows` rows from `r` of `panels` panels at `y`, both constant
INLINE void columns_tile(const maudio_column_gemm* g,
                         const columns*            q,
                         size_t                    r,
                         float*                    y,
                         const size_t              rows,
                         const size_t              panels)
{
  const size_t   n_groups = maudio_column_codes(g->n_in) / 4;
  const uint8_t* codes    = g->codes + r * n_groups * 4;
  __m512i        sums[COLUMN_ROWS * COLUMN_PANELS]; // (rows, panels)
  UNROLL
  for (size_t s = 0; s < rows * panels; ++s) {
    sums[s] = q->starts[s % panels];
  }
  for (size_t k = 0; k < n_groups; ++k) {
    UNROLL
    for (size_t i = 0; i < rows; ++i) {
      const __m512i four = splat_four(codes + (i * n_groups + k) * 4);
      UNROLL
      for (size_t v = 0; v < panels; ++v) {
        multiply_four(&sums[i * panels + v], four, q->values[k][v]);
      }
    }
  }
  UNROLL
  for (size_t i = 0; i < rows; ++i) {
    const __m512 bias  = _mm512_set1_ps(g->bias[r + i]);
    const __m512 scale = _mm512_set1_ps(g->scales[r + i]);
    UNROLL
    for (size_t v = 0; v < panels; ++v) {
      float* const to    = y + (r + i) * g->n + v * MAUDIO_LANES;
      const __m512 total = _mm512_cvtepi32_ps(sums[i * panels + v]);
      const __m512 value = _mm512_fmadd_ps(total, scale * q->scales[v], bias);
      _mm512_storeu_ps(to, g->add ? _mm512_add_ps(value, _mm512_loadu_ps(to))
                                  : value);
    }
  }
}

/// All rows of `panels` panels, constant
INLINE void columns_panels(const maudio_column_gemm* g,
                           const columns*            q,
                           float*                    y,
                           const size_t              panels)
{
  size_t r = 0;
  for (; r + COLUMN_ROWS <= g->n_rows; r += COLUMN_ROWS) {
    columns_tile(g, q, r, y, COLUMN_ROWS, panels);
  }
  for (; r + 2 <= g->n_rows; r += 2) {
    columns_tile(g, q, r, y, 2, panels);
  }
  if (r < g->n_rows) {
    columns_tile(g, q, r, y, 1, panels);
  }
}

static void column_gemm(const maudio_column_gemm* g)
{
  columns      q;
  const size_t n_panels = g->n / MAUDIO_LANES;
  for (size_t p = 0; p < n_panels;) {
    const size_t left   = n_panels - p;
    const size_t panels = left < COLUMN_PANELS ? 1 : COLUMN_PANELS;
    for (size_t v = 0; v < panels; ++v) {
      columns_of(g->n_in, g->n, g->x + (p + v) * MAUDIO_LANES, &q, v);
    }
    if (panels == COLUMN_PANELS) {
      columns_panels(g, &q, g->y + p * MAUDIO_LANES, COLUMN_PANELS);
    } else {
      columns_panels(g, &q, g->y + p * MAUDIO_LANES, 1);
    }
    p += panels;
  }
}

#endif /* MAUDIO_KERNELS_AVX512VNNI_COLUMNS_H */

/** @file
 * The product of kernels_avx2.c for weights in int8, which meet activations in
 * 16-bit integers.
 *
 * An activation is an integer times a scale, of each row and 512 inputs.
 * One instruction multiplies the integers of two inputs with their codes and
 * adds the products. Integers are summed exactly, so the shape of a tile does
 * not show in the result.
 */
#ifndef MAUDIO_KERNELS_AVX2_CODES_H
#define MAUDIO_KERNELS_AVX2_CODES_H

#include "kernels.h"
#include "kernels_inline.h"

#include <immintrin.h>
#include <math.h>
#include <string.h>

// Of 8 outputs. They share 16 registers with codes, activations and products
#define CODES_SUMS 12
#define CODES_ROWS 6
#define CODES_COARSE false // No product of bytes is exact
#define CODES_PANELS(rows, coarse) ((rows) == 1 ? 4 : (rows) == 2 ? 2 : 1)

// Inputs of one scale, whose sums cannot overflow: 512 * 128 * 32767 < 2^31
#define CODES_PART 512

/// Some rows of activations in integers, a slice of their inputs
typedef struct {
  int16_t values[CODES_ROWS][MAUDIO_SLICE];
  float   scales[CODES_ROWS][MAUDIO_SLICE / CODES_PART];
  size_t  first; ///< Input
  size_t  n;     ///< Inputs, up to MAUDIO_SLICE
} integers;

/// Load up to 8 floats, the last of a row or none, and 0 after them
INLINE __m256 load_some(const float* x, size_t i, size_t n)
{
  const int     left  = i < n ? (int)(n - i) : 0;
  const __m256i order = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_maskload_ps(x + i,
                            _mm256_cmpgt_epi32(_mm256_set1_epi32(left), order));
}

/// Return the greatest magnitude of a row: NaN is above infinity
INLINE float greatest(const float* x, size_t n)
{
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i       most[2]   = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  size_t        i         = 0;
  for (; i + 16 <= n; i += 16) {
    UNROLL
    for (size_t v = 0; v < 2; ++v) {
      const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i + 8 * v));
      most[v] = _mm256_max_epu32(most[v], _mm256_and_si256(bits, magnitude));
    }
  }
  for (; i < n; i += 8) {
    const __m256i bits = _mm256_castps_si256(load_some(x, i, n));
    most[0] = _mm256_max_epu32(most[0], _mm256_and_si256(bits, magnitude));
  }
  most[0]     = _mm256_max_epu32(most[0], most[1]);
  __m128i top = _mm_max_epu32(_mm256_castsi256_si128(most[0]),
                              _mm256_extracti128_si256(most[0], 1));
  top         = _mm_max_epu32(top, _mm_shuffle_epi32(top, 0x4E));
  top         = _mm_max_epu32(top, _mm_shuffle_epi32(top, 0xB1));
  return _mm_cvtss_f32(_mm_castsi128_ps(top));
}

/// Write 16 integers; the instruction takes 4 values of each vector in turns
INLINE void store_integers(__m256 a, __m256 b, __m256 inverse, int16_t* to)
{
  const __m256i values =
    _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(a, inverse)),
                       _mm256_cvtps_epi32(_mm256_mul_ps(b, inverse)));
  _mm256_storeu_si256((__m256i_u*)to, _mm256_permute4x64_epi64(values, 0xD8));
}

/// Make integers from floats, and 0 after them to a multiple of 16; return
/// their scale
INLINE float make_integers(const float* x, size_t n, int16_t* to)
{
  const float  most    = greatest(x, n);
  const bool   usual   = most > 1e-30f && most < INFINITY;
  const __m256 inverse = _mm256_set1_ps(usual ? 32767.0f / most : 0.0f);
  size_t       i       = 0;
  for (; i + 16 <= n; i += 16) {
    store_integers(_mm256_loadu_ps(x + i), _mm256_loadu_ps(x + i + 8), inverse,
                   to + i);
  }
  if (i < n) {
    store_integers(load_some(x, i, n), load_some(x, i + 8, n), inverse, to + i);
  }
  return usual ? most / 32767.0f : most < 1.0f ? 0.0f : NAN;
}

/// Make row `i` of `q`
INLINE void codes_row(const float* x, integers* q, size_t i, bool coarse)
{
  (void)coarse;
  for (size_t k = 0; k < q->n; k += CODES_PART) {
    const size_t n = q->n - k < CODES_PART ? q->n - k : CODES_PART;
    q->scales[i][k / CODES_PART] = make_integers(x + k, n, &q->values[i][k]);
  }
}

INLINE __m256i splat_pair(const int16_t* values)
{
  int32_t pair;
  memcpy(&pair, values, sizeof pair);
  return _mm256_set1_epi32(pair);
}

/// Add the products of two integers and two codes to each lane. Intrinsics add
/// as well, but GCC 12 moves their sums between registers and the stack
INLINE void multiply_pair(__m256i* sums, __m256i x, __m256i codes)
{
  const __m256i products = _mm256_madd_epi16(x, codes);
  __asm__("vpaddd %1, %0, %0" : "+x"(*sums) : "x"(products));
}

/// Write a tile of outputs from its sums of the inputs from `from` of a slice;
/// `adds`, constant, to what is there
INLINE void codes_finish(const maudio_gemm* g,
                         const integers*    q,
                         size_t             from,
                         size_t             r,
                         size_t             p,
                         const size_t       rows,
                         const size_t       vecs,
                         const __m256i*     sums,
                         const bool         adds)
{
  const bool         begins = !q->first && !from;
  const size_t       o      = p * MAUDIO_LANES;
  const size_t       stride = g->y_stride;
  const float* const scales = g->w.scales + o;
  const float* const bias   = g->bias && begins ? g->bias + o : NULL;
  const float* const starts =
    g->row_bias && !bias && begins ? g->row_bias + r : NULL;
  float* const y = g->y + r * stride + o;
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    const __m256 scale = _mm256_loadu_ps(scales + 8 * v);
    const __m256 all =
      bias ? _mm256_loadu_ps(bias + 8 * v) : _mm256_setzero_ps();
    UNROLL
    for (size_t i = 0; i < rows; ++i) {
      float* const to      = y + i * stride + 8 * v;
      const __m256 start   = starts ? _mm256_set1_ps(starts[i]) : all;
      const __m256 x_scale = _mm256_set1_ps(q->scales[i][from / CODES_PART]);
      const __m256 value =
        _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[i * vecs + v]),
                        _mm256_mul_ps(scale, x_scale), start);
      _mm256_storeu_ps(to, adds ? _mm256_add_ps(value, _mm256_loadu_ps(to))
                                : value);
    }
  }
}

/// Write a tile of outputs: `rows` rows from `r`, `panels` panels from `p`,
/// both constant
INLINE void codes_tile(const maudio_gemm* g,
                       const integers*    q,
                       size_t             r,
                       size_t             p,
                       const size_t       rows,
                       const size_t       panels,
                       const bool         coarse)
{
  (void)coarse;
  const size_t  vecs = 2 * panels;
  const size_t  step = g->w.panel_step;
  const int8_t* w    = g->w.codes + p * step + q->first * MAUDIO_LANES;
  for (size_t from = 0; from < q->n; from += CODES_PART) {
    const size_t end = q->n - from < CODES_PART ? q->n : from + CODES_PART;
    __m256i      sums[CODES_SUMS]; // (rows, vecs)
    UNROLL
    for (size_t s = 0; s < rows * vecs; ++s) {
      sums[s] = _mm256_setzero_si256();
    }
    for (size_t k = from; k < end; k += 2) {
      __m256i codes[CODES_SUMS];
      UNROLL
      for (size_t v = 0; v < vecs; ++v) {
        const size_t at = v / 2 * step + k * MAUDIO_LANES + v % 2 * 16;
        codes[v] =
          _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i_u*)(w + at)));
      }
      UNROLL
      for (size_t i = 0; i < rows; ++i) {
        const __m256i x = splat_pair(&q->values[i][k]);
        UNROLL
        for (size_t v = 0; v < vecs; ++v) {
          multiply_pair(&sums[i * vecs + v], x, codes[v]);
        }
      }
    }
    if (g->add || q->first || from) {
      codes_finish(g, q, from, r, p, rows, vecs, sums, true);
    } else {
      codes_finish(g, q, from, r, p, rows, vecs, sums, false);
    }
  }
}

#include "kernels_codes.h"

#endif /* MAUDIO_KERNELS_AVX2_CODES_H */

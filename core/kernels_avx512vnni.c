/* As avx512, but weights in int8 meet activations in integers of 16 bits, or of
 * 8 where a matrix is coarse.
 *
 * An activation is scale * (256 high + low - 32768), coarse scale * (high -
 * 128), with a scale for each row and slice of inputs, and each of its bytes is
 * multiplied with four codes by one instruction. Integers are summed exactly,
 * so here, too, the shape of a tile does not show in the result.
 */
#include "kernels_avx512.h"

#include "kernels.h"
#include "kernels_inline.h"

#include <math.h>
#include <string.h>

#define CODES_ROWS 6
#define CODES_SUMS 24 // Of all bytes
#define CODES_COARSE true
#define CODES_TILE(rows, coarse) (CODES_SUMS / ((coarse) ? 1 : 2) / (rows))
#define CODES_PANELS(rows, coarse) \
  (CODES_TILE(rows, coarse) < 8 ? CODES_TILE(rows, coarse) : 8)

/// Some rows of activations in integers, a slice of their inputs
typedef struct {
  uint8_t high[CODES_ROWS][MAUDIO_SLICE];
  uint8_t low[CODES_ROWS][MAUDIO_SLICE];
  float   scales[CODES_ROWS];
  size_t  first; ///< Input
  size_t  n;     ///< Inputs, up to MAUDIO_SLICE
} integers;

/// Load up to 16 floats, the last of a row or none, and 0 after them
INLINE __m512 load_some(const float* x, size_t i, size_t n)
{
  const size_t   left = i < n ? n - i : 0;
  const unsigned mask = left < 16 ? (1U << left) - 1 : 0xFFFFU;
  return _mm512_maskz_loadu_ps((__mmask16)mask, x + i);
}

/// Return the greatest magnitude of a row: NaN is above infinity
INLINE float greatest(const float* x, size_t n)
{
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i       most      = _mm512_setzero_si512();
  size_t        i         = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512i bits = _mm512_loadu_si512(x + i);
    most = _mm512_max_epu32(most, _mm512_and_si512(bits, magnitude));
  }
  if (i < n) {
    const __m512i bits = _mm512_castps_si512(load_some(x, i, n));
    most = _mm512_max_epu32(most, _mm512_and_si512(bits, magnitude));
  }
  const uint32_t bits = _mm512_reduce_max_epu32(most);
  float          value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Bytes packed from 4 vectors in their order: the instructions take 4 values
/// of each vector in turns
INLINE __m512i in_order(__m512i bytes)
{
  return _mm512_permutexvar_epi32(
    _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
    bytes);
}

/// Write the bytes of 64 integers, in 4 vectors, that are from -32767 to 32767
INLINE void store_bytes(const __m512i* values, uint8_t* high, uint8_t* low)
{
  const __m512i sign = _mm512_set1_epi16(-32768);
  const __m512i byte = _mm512_set1_epi16(255);
  const __m512i a =
    _mm512_xor_si512(_mm512_packs_epi32(values[0], values[1]), sign);
  const __m512i b =
    _mm512_xor_si512(_mm512_packs_epi32(values[2], values[3]), sign);
  const __m512i highs =
    _mm512_packus_epi16(_mm512_srli_epi16(a, 8), _mm512_srli_epi16(b, 8));
  const __m512i lows =
    _mm512_packus_epi16(_mm512_and_si512(a, byte), _mm512_and_si512(b, byte));
  _mm512_storeu_si512(high, in_order(highs));
  _mm512_storeu_si512(low, in_order(lows));
}

/// Write 64 integers, in 4 vectors, that are from -127 to 127, plus 128
INLINE void store_coarse(const __m512i* values, uint8_t* high)
{
  const __m512i all =
    _mm512_packs_epi16(_mm512_packs_epi32(values[0], values[1]),
                       _mm512_packs_epi32(values[2], values[3]));
  _mm512_storeu_si512(high,
                      in_order(_mm512_xor_si512(all, _mm512_set1_epi8(-128))));
}

/// Make row `i` of `q` from floats
INLINE void codes_row(const float* x, integers* q, size_t i, bool coarse)
{
  const float  top     = coarse ? 127.0f : 32767.0f;
  const float  most    = greatest(x, q->n);
  const bool   usual   = most > 1e-30f && most < INFINITY;
  const __m512 inverse = _mm512_set1_ps(usual ? top / most : 0.0f);
  q->scales[i]         = usual ? most * (1.0f / top) : most < 1.0f ? 0.0f : NAN;
  for (size_t k = 0; k < q->n; k += 64) {
    const bool whole = k + 64 <= q->n;
    __m512i    values[4];
    UNROLL
    for (size_t v = 0; v < 4; ++v) {
      const size_t at = k + 16 * v;
      const __m512 in =
        whole ? _mm512_loadu_ps(x + at) : load_some(x, at, q->n);
      values[v] = _mm512_cvtps_epi32(in * inverse);
    }
    if (coarse) {
      store_coarse(values, &q->high[i][k]);
    } else {
      store_bytes(values, &q->high[i][k], &q->low[i][k]);
    }
  }
}

INLINE __m512i splat_four(const uint8_t* bytes)
{
  int32_t four;
  memcpy(&four, bytes, sizeof four);
  return _mm512_set1_epi32(four);
}

/// Add the products of four bytes and four codes to each lane. The intrinsic
/// does the same, but GCC 12 moves its sums between registers and the stack
INLINE void multiply_four(__m512i* sums, __m512i bytes, __m512i codes)
{
  __asm__("vpdpbusd %2, %1, %0" : "+v"(*sums) : "v"(bytes), "v"(codes));
}

/// Write a tile of outputs from its sums, `low` NULL if coarse; `adds`,
/// constant, to what is there
INLINE void codes_finish(const maudio_gemm* g,
                         const integers*    q,
                         size_t             r,
                         size_t             p,
                         const size_t       rows,
                         const size_t       panels,
                         const __m512i*     high,
                         const __m512i*     low,
                         const bool         adds)
{
  const size_t       o      = p * MAUDIO_LANES;
  const size_t       stride = g->y_stride;
  const float* const scales = g->w.scales + o;
  const float* const bias   = g->bias && !q->first ? g->bias + o : NULL;
  const float* const starts =
    g->row_bias && !bias && !q->first ? g->row_bias + r : NULL;
  float* const y = g->y + r * stride + o;
  UNROLL
  for (size_t v = 0; v < panels; ++v) {
    const __m512 scale = _mm512_loadu_ps(scales + v * MAUDIO_LANES);
    const __m512 all =
      bias ? _mm512_loadu_ps(bias + v * MAUDIO_LANES) : _mm512_setzero_ps();
    UNROLL
    for (size_t i = 0; i < rows; ++i) {
      const size_t s     = i * panels + v;
      float* const to    = y + i * stride + v * MAUDIO_LANES;
      const __m512 highs = _mm512_cvtepi32_ps(high[s]);
      const __m512 total = low ? _mm512_fmadd_ps(highs, _mm512_set1_ps(256.0f),
                                                 _mm512_cvtepi32_ps(low[s]))
                               : highs;
      const __m512 start = starts ? _mm512_set1_ps(starts[i]) : all;
      const __m512 value = _mm512_fmadd_ps(total, scale * q->scales[i], start);
      _mm512_storeu_ps(to, adds ? _mm512_add_ps(value, _mm512_loadu_ps(to))
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
  const size_t   step = g->w.panel_step;
  const int8_t*  w    = g->w.codes + p * step + q->first * MAUDIO_LANES;
  const int32_t* sums = g->w.sums + q->first / MAUDIO_SLICE * g->w.sum_step;
  __m512i        high[CODES_SUMS]; // (rows, panels)
  __m512i        low[CODES_SUMS];
  UNROLL
  for (size_t v = 0; v < panels; ++v) {
    // 128 of each high byte are too much
    const __m512i start =
      _mm512_slli_epi32(_mm512_loadu_si512(sums + (p + v) * MAUDIO_LANES), 7);
    UNROLL
    for (size_t i = 0; i < rows; ++i) {
      high[i * panels + v] = _mm512_sub_epi32(_mm512_setzero_si512(), start);
      low[i * panels + v]  = _mm512_setzero_si512();
    }
  }
  for (size_t k = 0; k < q->n; k += 4) {
    __m512i codes[CODES_SUMS];
    UNROLL
    for (size_t v = 0; v < panels; ++v) {
      codes[v] = _mm512_loadu_si512(w + v * step + k * MAUDIO_LANES);
    }
    UNROLL
    for (size_t i = 0; i < rows; ++i) {
      const __m512i x_high = splat_four(&q->high[i][k]);
      const __m512i x_low  = coarse ? x_high : splat_four(&q->low[i][k]);
      UNROLL
      for (size_t v = 0; v < panels; ++v) {
        const size_t s = i * panels + v;
        multiply_four(&high[s], x_high, codes[v]);
        if (!coarse) {
          multiply_four(&low[s], x_low, codes[v]);
        }
      }
    }
  }
  if (g->add || q->first) {
    codes_finish(g, q, r, p, rows, panels, high, coarse ? NULL : low, true);
  } else {
    codes_finish(g, q, r, p, rows, panels, high, coarse ? NULL : low, false);
  }
}

#include "kernels_avx512vnni_columns.h"
#include "kernels_codes.h"

#define KERNELS_NAME avx512vnni
#define GEMM_CODES gemm_integers
#define GEMM_COLUMNS column_gemm
#define CODE_GROUP 4
#include "kernels_body.h"

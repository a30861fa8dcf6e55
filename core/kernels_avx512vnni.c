/* As avx512, but weights in int8 meet activations in 16-bit integers.
 *
 * An activation is scale * (256 high + low - 32768), with a scale for each row
 * and slice of inputs, and each of its bytes is multiplied with four codes by
 * one instruction. Integers are summed exactly, so here, too, the shape of a
 * tile does not show in the result.
 */
#include "kernels_avx512.h"

#include "kernels.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#define VNNI_ROWS 4
#define VNNI_SUMS 12 // Of each byte
#define VNNI_PANELS(rows) (VNNI_SUMS / (rows) < 8 ? VNNI_SUMS / (rows) : 8)

/// Some rows of activations in integers, a slice of their inputs
typedef struct {
  uint8_t high[VNNI_ROWS][MAUDIO_SLICE];
  uint8_t low[VNNI_ROWS][MAUDIO_SLICE];
  float   scales[VNNI_ROWS];
  size_t  first; ///< Input
  size_t  n;     ///< Inputs, up to MAUDIO_SLICE
} integers;

/// Load up to 16 floats, the last of a row, and 0 after them
INLINE __m512 load_some(const float* x, size_t n)
{
  const unsigned mask = n < 16 ? (1U << n) - 1 : 0xFFFFU;
  return _mm512_maskz_loadu_ps((__mmask16)mask, x);
}

/// Return the greatest magnitude of a row: NaN is above infinity
static float greatest(const float* x, size_t n)
{
  const __m512i magnitude = _mm512_set1_epi32(0x7FFFFFFF);
  __m512i       most      = _mm512_setzero_si512();
  for (size_t i = 0; i < n; i += 16) {
    const __m512i bits = _mm512_castps_si512(load_some(x + i, n - i));
    most = _mm512_max_epu32(most, _mm512_and_si512(bits, magnitude));
  }
  const uint32_t bits = _mm512_reduce_max_epu32(most);
  float          value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// Make row `i` of `q` from floats
static void make_integers(const float* x, integers* q, size_t i)
{
  const float most    = greatest(x, q->n);
  const bool  usual   = most > 1e-30f && most < INFINITY;
  const float inverse = usual ? 32767.0f / most : 0.0f;
  q->scales[i]        = usual ? most / 32767.0f : most < 1.0f ? 0.0f : NAN;
  for (size_t k = 0; k < q->n; k += 16) {
    const __m512  scaled = load_some(x + k, q->n - k) * inverse;
    const __m512i value =
      _mm512_add_epi32(_mm512_cvtps_epi32(scaled), _mm512_set1_epi32(32768));
    const __m512i high = _mm512_srli_epi32(value, 8);
    _mm_storeu_si128((__m128i*)&q->high[i][k], _mm512_cvtepi32_epi8(high));
    _mm_storeu_si128((__m128i*)&q->low[i][k], _mm512_cvtepi32_epi8(value));
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

/// Write a tile of outputs: `rows` rows from `r`, `panels` panels from `p`,
/// both constant
INLINE void vnni_tile(const maudio_gemm* g,
                      const integers*    q,
                      size_t             r,
                      size_t             p,
                      const size_t       rows,
                      const size_t       panels)
{
  const int8_t* w = g->w.codes + p * g->w.panel_step + q->first * MAUDIO_LANES;
  __m512i       high[VNNI_SUMS]; // (rows, panels)
  __m512i       low[VNNI_SUMS];
#pragma GCC unroll 16
  for (size_t i = 0; i < rows * panels; ++i) {
    high[i] = _mm512_setzero_si512();
    low[i]  = _mm512_setzero_si512();
  }
  for (size_t k = 0; k < q->n; k += 4) {
    __m512i codes[VNNI_SUMS];
#pragma GCC unroll 16
    for (size_t v = 0; v < panels; ++v) {
      codes[v] = _mm512_loadu_si512(w + v * g->w.panel_step + k * MAUDIO_LANES);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; ++i) {
      const __m512i x_high = splat_four(&q->high[i][k]);
      const __m512i x_low  = splat_four(&q->low[i][k]);
#pragma GCC unroll 16
      for (size_t v = 0; v < panels; ++v) {
        const size_t s = i * panels + v;
        multiply_four(&high[s], x_high, codes[v]);
        multiply_four(&low[s], x_low, codes[v]);
      }
    }
  }

  const int32_t* sums = g->w.sums + q->first / MAUDIO_SLICE * g->w.sum_step;
#pragma GCC unroll 16
  for (size_t v = 0; v < panels; ++v) {
    const size_t  o     = (p + v) * MAUDIO_LANES;
    const __m512  scale = _mm512_loadu_ps(g->w.scales + o);
    const __m512i offset =
      _mm512_slli_epi32(_mm512_loadu_si512(sums + o), 7); // 128 of each byte
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; ++i) {
      const size_t  s    = i * panels + v;
      float* const  to   = g->y + (r + i) * g->y_stride + o;
      const __m512i part = _mm512_sub_epi32(high[s], offset);
      const __m512  total =
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(part), _mm512_set1_ps(256.0f),
                        _mm512_cvtepi32_ps(low[s]));
      __m512 y = _mm512_setzero_ps();
      if (q->first == 0 && g->bias) {
        y = _mm512_loadu_ps(g->bias + o);
      } else if (q->first == 0 && g->row_bias) {
        y = _mm512_set1_ps(g->row_bias[r + i]);
      }
      y = _mm512_fmadd_ps(total, scale * q->scales[i], y);
      if (q->first || g->add) {
        y += _mm512_loadu_ps(to);
      }
      _mm512_storeu_ps(to, y);
    }
  }
}

/// All panels of `rows` rows, as wide as leaves room for the sums
INLINE void
vnni_rows(const maudio_gemm* g, const integers* q, size_t r, const size_t rows)
{
  const size_t n_panels = g->w.n_out / MAUDIO_LANES;
  for (size_t p = 0; p < n_panels;) {
    const size_t left   = n_panels - p;
    const size_t panels = left < VNNI_PANELS(rows) ? left : VNNI_PANELS(rows);
    switch (panels) {
#define TILE(n)                                                      \
  case n:                                                            \
    vnni_tile(g, q, r, p, rows, (n) <= VNNI_PANELS(rows) ? (n) : 0); \
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

static void gemm_vnni(const maudio_gemm* g)
{
  integers q;
  for (size_t r = 0; r < g->n_rows; r += VNNI_ROWS) {
    for (q.first = 0; q.first < g->w.n_in; q.first += MAUDIO_SLICE) {
      const size_t left = g->w.n_in - q.first;
      q.n               = left < MAUDIO_SLICE ? left : MAUDIO_SLICE;
      for (size_t i = 0; i < VNNI_ROWS && r + i < g->n_rows; ++i) {
        make_integers(g->x + (r + i) * g->x_stride + q.first, &q, i);
      }
      switch (g->n_rows - r) {
      case 1:
        vnni_rows(g, &q, r, 1);
        break;
      case 2:
        vnni_rows(g, &q, r, 2);
        break;
      case 3:
        vnni_rows(g, &q, r, 3);
        break;
      default:
        vnni_rows(g, &q, r, VNNI_ROWS);
      }
    }
  }
}
#undef INLINE

#define KERNELS_NAME avx512vnni
#define GEMM_CODES gemm_vnni
#define CODE_GROUP 4
#include "kernels_body.h"

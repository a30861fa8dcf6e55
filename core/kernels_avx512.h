/** @file
 * Vectors of AVX-512, for the kernels with and without VNNI: 32 registers of
 * 16 floats.
 */
#ifndef MAUDIO_KERNELS_AVX512_H
#define MAUDIO_KERNELS_AVX512_H

#include <immintrin.h>

#define VEC_LANES 16
#define VEC_MADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define VEC_ROUNDS_ONCE
#define VEC_MAX(a, b) ((vec)_mm512_max_ps(a, b))
#define VEC_MIN(a, b) ((vec)_mm512_min_ps(a, b))
#define VEC_DIVIDE(a, b) divide(a, b)
#define VEC_RSQRT(a) inverse_root(a)
#define GEMM_SUMS 24
#define GEMM_TALL 6

/// Return a / b in fewer cycles than the instruction takes: an estimate of 14
/// bits, whose remainder is exact
static inline __m512 divide(__m512 a, __m512 b)
{
  const __m512 inverse   = _mm512_rcp14_ps(b);
  const __m512 estimate  = _mm512_mul_ps(a, inverse);
  const __m512 remainder = _mm512_fnmadd_ps(b, estimate, a);
  return _mm512_fmadd_ps(remainder, inverse, estimate);
}

/// Return 1 / sqrt(a) in fewer cycles, too: an estimate and a step of Newton's
static inline __m512 inverse_root(__m512 a)
{
  const __m512 half     = _mm512_set1_ps(0.5f);
  const __m512 estimate = _mm512_rsqrt14_ps(a);
  const __m512 product  = _mm512_mul_ps(_mm512_mul_ps(a, half), estimate);
  const __m512 missing  = _mm512_fnmadd_ps(product, estimate, half);
  return _mm512_fmadd_ps(estimate, missing, estimate);
}

#endif /* MAUDIO_KERNELS_AVX512_H */

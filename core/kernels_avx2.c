// 16 registers of 8 floats
#include <immintrin.h>

#define KERNELS_NAME avx2
#define VEC_LANES 8
#define VEC_MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define VEC_MAX(a, b) ((vec)_mm256_max_ps(a, b))
#define VEC_MIN(a, b) ((vec)_mm256_min_ps(a, b))
#define VEC_CODES(p)        \
  ((vec)_mm256_cvtepi32_ps( \
    _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i_u*)(p)))))
#define GEMM_SUMS 12
#define GEMM_TALL 6
#include "kernels_body.h"

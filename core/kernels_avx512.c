// 32 registers of 16 floats
#include <immintrin.h>

#define KERNELS_NAME avx512
#define VEC_LANES 16
#define VEC_MADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define VEC_CODES(p)        \
  ((vec)_mm512_cvtepi32_ps( \
    _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i_u*)(p)))))
#define GEMM_SUMS 24
#define GEMM_TALL 6
#include "kernels_body.h"

#include "kernels_avx512.h"

#define KERNELS_NAME avx512
#define VEC_CODES(p)        \
  ((vec)_mm512_cvtepi32_ps( \
    _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i_u*)(p)))))
#include "kernels_body.h"

// 32 registers of 16 floats
#include <immintrin.h>

#define KERNELS_NAME avx512
#define VEC_LANES 16
#define VEC_MADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define GEMM_SUMS 24
#define GEMM_TALL 6
#include "kernels_body.h"

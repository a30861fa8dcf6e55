// 16 registers of 8 floats
#include <immintrin.h>

#define KERNELS_NAME avx2
#define VEC_LANES 8
#define VEC_MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define GEMM_SUMS 12
#define GEMM_TALL 6
#include "kernels_body.h"

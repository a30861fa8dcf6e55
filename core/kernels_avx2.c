// 16 registers of 8 floats
#include "kernels_avx2_codes.h"

#include <immintrin.h>

#define KERNELS_NAME avx2
#define VEC_LANES 8
#define VEC_MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define VEC_ROUNDS_ONCE
#define VEC_MAX(a, b) ((vec)_mm256_max_ps(a, b))
#define VEC_MIN(a, b) ((vec)_mm256_min_ps(a, b))
#define VEC_RSQRT(a) (1.0f / (vec)_mm256_sqrt_ps(a))
#define GEMM_SUMS 12
#define GEMM_TALL 6
#define GEMM_CODES gemm_integers
#define CODE_GROUP 2
#include "kernels_body.h"

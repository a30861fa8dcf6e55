// 32 registers of 4 floats
#include <arm_neon.h>

#define KERNELS_NAME neon
#define VEC_LANES 4
#define VEC_MADD(a, b, c) \
  ((vec)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define VEC_ROUNDS_ONCE
#define VEC_CODES(p) load_four_codes(p)
#define GEMM_SUMS 24
#define GEMM_TALL 6
#include "kernels_body.h"

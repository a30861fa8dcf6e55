#include <arm_neon.h>

#define PEAK_NAME neon
#define PEAK_SUMS 24
#define VEC_LANES 4
#define VEC_MADD(a, b, c) \
  ((vec)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#include "peak_loops.h"

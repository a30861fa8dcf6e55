#include <immintrin.h>

#define PEAK_NAME avx2
#define PEAK_SUMS 12
#define VEC_LANES 8
#define VEC_MADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#include "peak_loops.h"

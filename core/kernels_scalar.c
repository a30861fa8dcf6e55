// For any machine: compilers make of vectors of 4 what it has
#define KERNELS_NAME scalar
#define VEC_LANES 4
#define VEC_MADD(a, b, c) ((a) * (b) + (c))
#define VEC_CODES(p) load_four_codes(p)
#define GEMM_SUMS 8
#define GEMM_TALL 2
#include "kernels_body.h"

// Two instructions each, as in the kernels
#define PEAK_NAME scalar
#define PEAK_SUMS 12
#define VEC_LANES 4
#define VEC_MADD(a, b, c) ((a) * (b) + (c))
#include "peak_loops.h"

#include "kernels_avx512.h"

#define PEAK_NAME avx512
#define PEAK_SUMS 24
#include "peak_loops.h"

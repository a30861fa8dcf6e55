#include "kernels_avx512.h"

#define KERNELS_NAME avx512
#include "kernels_body.h"

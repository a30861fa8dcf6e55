/** @file
 * The loops of peak.h, included once per instruction set after PEAK_NAME,
 * VEC_LANES, VEC_MADD and PEAK_SUMS, of as many vectors as there are registers
 * for.
 */
#include "kernels_vector.h"
#include "peak.h"

#define JOIN_NAMES(a, b) a##b
#define JOIN(a, b) JOIN_NAMES(a, b)
#define QUOTE_NAME(a) #a
#define QUOTE(a) QUOTE_NAME(a)

enum { N_READS = 8 };

static void multiply_add(size_t n_rounds, float factor, float* out)
{
  vec       sums[PEAK_SUMS];
  const vec a = splat(factor);
  const vec b = splat(1.0f);
  _Pragma("GCC unroll 32") for (size_t k = 0; k < PEAK_SUMS; ++k)
  {
    sums[k] = splat((float)k);
  }
  for (size_t i = 0; i < n_rounds; ++i) {
    _Pragma("GCC unroll 32") for (size_t k = 0; k < PEAK_SUMS; ++k)
    {
      sums[k] = madd(sums[k], a, b);
    }
  }
  _Pragma("GCC unroll 32") for (size_t k = 1; k < PEAK_SUMS; ++k)
  {
    sums[0] += sums[k];
  }
  *out = sum(sums[0]);
}

static void read_floats(size_t n, const float* x, float* out)
{
  vec_int bits[N_READS] = {{0}};
  for (size_t i = 0; i < n; i += N_READS * VEC_LANES) {
    _Pragma("GCC unroll 8") for (size_t k = 0; k < N_READS; ++k)
    {
      bits[k] |= (vec_int)load(x + i + k * VEC_LANES);
    }
  }
  _Pragma("GCC unroll 8") for (size_t k = 1; k < N_READS; ++k)
  {
    bits[0] |= bits[k];
  }
  *out = sum((vec)bits[0]);
}

const peak_loops JOIN(peak_loops_, PEAK_NAME) = {.kernels = QUOTE(PEAK_NAME),
                                                 .step    = N_READS * VEC_LANES,
                                                 .width = PEAK_SUMS * VEC_LANES,
                                                 .multiply_add = multiply_add,
                                                 .read         = read_floats};

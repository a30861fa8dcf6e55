/** @file
 * The parts of CUDA C++ that kernels are written in, for a C++ compiler.
 */
#ifndef EMULATOR_CUDA_RUNTIME_H
#define EMULATOR_CUDA_RUNTIME_H

#include "cuda_runtime_api.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __restrict__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;

  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
  {
  }
};

static inline float4 make_float4(float x, float y, float z, float w)
{
  return {x, y, z, w};
}

static inline float2 make_float2(float x, float y)
{
  return {x, y};
}

static inline uint32_t __float_as_uint(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float __uint_as_float(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float rsqrtf(float x)
{
  return 1.0f / sqrtf(x);
}

// A name that the C library has, too
#define __expf expf

static inline float __fdividef(float x, float y)
{
  return x / y;
}

template <typename T> static inline T __ldg(const T* p)
{
  return *p;
}

template <typename T> static inline T min(T a, T b)
{
  return b < a ? b : a;
}

template <typename T> static inline T max(T a, T b)
{
  return a < b ? b : a;
}

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };

template <typename T>
cudaError_t cudaFuncSetAttribute(T*, cudaFuncAttribute, int)
{
  return cudaSuccess;
}

#endif /* EMULATOR_CUDA_RUNTIME_H */

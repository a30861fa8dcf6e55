/** @file
 * What all kernels share: launching, warps, elementary functions, and products
 * of small tiles on the tensor cores.
 */
#ifndef MAUDIO_DEVICE_CUH
#define MAUDIO_DEVICE_CUH

#include <cuda_runtime.h>
#include <stdint.h>

#ifdef __CUDACC__
/// Shared memory of a size that the launch chooses, as an array of `type`
#  define GPU_SHARED(type, name)           \
    extern __shared__ float4 gpu_shared[]; \
    type* const              name = reinterpret_cast<type*>(gpu_shared)
#  define GPU_LAUNCH(kernel, grid, block, shared, stream, ...) \
    kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)
#else
#  include "emulator.h"
#endif

#define GPU_WARP 32
#define GPU_ALL_LANES 0xFFFFFFFFU

/// What is multiplied on the tensor cores
enum gpu_math {
  GPU_SPLIT, ///< float32 as two tf32 numbers each, three products
  GPU_TF32,
  GPU_BF16
};

/// Whether a float2 or float4 may be read or written there: GPUs stop otherwise
template <typename T>
__host__ __device__ __forceinline__ bool is_aligned_for(const float* p)
{
  return (uintptr_t)p % sizeof(T) == 0;
}

__device__ __forceinline__ float warp_sum(float x)
{
  for (int lane = GPU_WARP / 2; lane; lane /= 2) {
    x += __shfl_xor_sync(GPU_ALL_LANES, x, lane);
  }
  return x;
}

__device__ __forceinline__ float silu(float x)
{
  return __fdividef(x, 1.0f + __expf(-x));
}

#ifdef __CUDACC__
/// 2^x; its relative error is below 2^-22
__device__ __forceinline__ float fast_exp2(float x)
{
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// Make the compiler believe that x has changed, so that it computes again what
/// would take too many registers to keep
__device__ __forceinline__ void forget(float& x)
{
  asm volatile("" : "+f"(x));
}

/// Start a copy of 16 or 4 bytes from global to shared memory
template <int SIZE>
__device__ __forceinline__ void copy_async(float* to, const float* from)
{
  const uint32_t at = (uint32_t)__cvta_generic_to_shared(to);
  if (SIZE == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(at),
                 "l"(from)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(at), "l"(from)
                 : "memory");
  }
}

/// Wait for the copies that this thread has started
__device__ __forceinline__ void copy_wait()
{
  asm volatile("cp.async.wait_all;" ::: "memory");
}
#endif

/// x itself above 20, as in PyTorch
__device__ __forceinline__ float softplus(float x)
{
  return x > 20.0f ? x : log1pf(expf(x));
}

/// NaN and infinity become 0
__device__ __forceinline__ float finite_or_zero(float x)
{
  return (__float_as_uint(x) & 0x7F800000U) == 0x7F800000U ? 0.0f : x;
}

/// Round to the 11 significant bits of tf32
__device__ __forceinline__ float round_tf32(float x)
{
  return __uint_as_float((__float_as_uint(x) + 0x1000U) & 0xFFFFE000U);
}

/**
 * Sixteen inputs of a row as a lane of a tile holds them: inputs 4t to 4t + 3,
 * t being the lane modulo 4, of the row that is the lane over 4.
 *
 * Which of the inputs a tensor core takes for its first is free as long as both
 * operands agree, and so one load of 16 bytes serves every precision.
 */
template <gpu_math MATH> struct gpu_fragment;

template <> struct gpu_fragment<GPU_SPLIT> {
  float high[4];
  float low[4];

  __device__ __forceinline__ void set(float4 v)
  {
    const float x[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      high[i] = round_tf32(x[i]);
      low[i]  = x[i] - high[i];
    }
  }
};

template <> struct gpu_fragment<GPU_TF32> {
  float high[4];

  __device__ __forceinline__ void set(float4 v)
  {
    high[0] = round_tf32(v.x);
    high[1] = round_tf32(v.y);
    high[2] = round_tf32(v.z);
    high[3] = round_tf32(v.w);
  }
};

#ifdef __CUDACC__
/// d (16, 8) += a (16, 8) b (8, 8)
__device__ __forceinline__ void
mma_tf32(float* d, float a0, float a1, float a2, float a3, float b0, float b1)
{
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(__float_as_uint(a0)), "r"(__float_as_uint(a1)),
        "r"(__float_as_uint(a2)), "r"(__float_as_uint(a3)),
        "r"(__float_as_uint(b0)), "r"(__float_as_uint(b1)));
}

/// d (16, 8) += a (16, 16) b (16, 8), pairs of bfloat16
__device__ __forceinline__ void mma_bf16(float*   d,
                                         uint32_t a0,
                                         uint32_t a1,
                                         uint32_t a2,
                                         uint32_t a3,
                                         uint32_t b0,
                                         uint32_t b1)
{
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

/// Two floats as bfloat16, `low` in the low half
__device__ __forceinline__ uint32_t pack_bf16(float low, float high)
{
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
#endif

template <> struct gpu_fragment<GPU_BF16> {
  uint32_t pairs[2];

  __device__ __forceinline__ void set(float4 v)
  {
    pairs[0] = pack_bf16(v.x, v.y);
    pairs[1] = pack_bf16(v.z, v.w);
  }
};

/**
 * d (16, 8) += a (16, 16) b (16, 8)
 *
 * @param d Of a lane: rows lane / 4 (0, 1) and lane / 4 + 8 (2, 3), columns 2t
 * and 2t + 1.
 * @param a0 Rows 0 to 7 of a.
 * @param a1 Rows 8 to 15 of a.
 * @param b Columns of b.
 */
__device__ __forceinline__ void mma(float*                         d,
                                    const gpu_fragment<GPU_SPLIT>& a0,
                                    const gpu_fragment<GPU_SPLIT>& a1,
                                    const gpu_fragment<GPU_SPLIT>& b)
{
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    mma_tf32(d, a0.low[i], a1.low[i], a0.low[i + 1], a1.low[i + 1], b.high[i],
             b.high[i + 1]);
    mma_tf32(d, a0.high[i], a1.high[i], a0.high[i + 1], a1.high[i + 1],
             b.low[i], b.low[i + 1]);
    mma_tf32(d, a0.high[i], a1.high[i], a0.high[i + 1], a1.high[i + 1],
             b.high[i], b.high[i + 1]);
  }
}

__device__ __forceinline__ void mma(float*                        d,
                                    const gpu_fragment<GPU_TF32>& a0,
                                    const gpu_fragment<GPU_TF32>& a1,
                                    const gpu_fragment<GPU_TF32>& b)
{
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    mma_tf32(d, a0.high[i], a1.high[i], a0.high[i + 1], a1.high[i + 1],
             b.high[i], b.high[i + 1]);
  }
}

__device__ __forceinline__ void mma(float*                        d,
                                    const gpu_fragment<GPU_BF16>& a0,
                                    const gpu_fragment<GPU_BF16>& a1,
                                    const gpu_fragment<GPU_BF16>& b)
{
  mma_bf16(d, a0.pairs[0], a1.pairs[0], a0.pairs[1], a1.pairs[1], b.pairs[0],
           b.pairs[1]);
}

#endif /* MAUDIO_DEVICE_CUH */

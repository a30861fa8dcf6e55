/** @file
 * Runs kernels on the CPU, block after block; the threads of a block take turns
 * where they wait for each other.
 *
 * Shared memory that a launch asks for starts as NaN, so that a read of what
 * nobody has written shows.
 */
#ifndef EMULATOR_H
#define EMULATOR_H

#include <cuda_runtime.h>

#include <functional>

/// The thread that runs now
struct emulator_thread {
  uint3 index;
  int   number; ///< In its block
};

extern emulator_thread* emulator_now;
extern uint3            emulator_block;
extern dim3             emulator_block_size;
extern dim3             emulator_grid_size;
extern float4*          emulator_shared;

#define threadIdx (emulator_now->index)
#define blockIdx emulator_block
#define blockDim emulator_block_size
#define gridDim emulator_grid_size

#define GPU_SHARED(type, name) \
  type* const name = reinterpret_cast<type*>(emulator_shared)
#define GPU_LAUNCH(kernel, grid, block, shared, stream, ...) \
  ((void)(stream),                                           \
   emulator_launch((grid), (block), (shared), [&] { kernel(__VA_ARGS__); }))

void emulator_launch(dim3                         grid,
                     dim3                         block,
                     size_t                       shared_size,
                     const std::function<void()>& body);

void __syncthreads();
void __syncwarp();

/// Exchange 32 bits with the lane whose number differs by `mask`
uint32_t emulator_shuffle(uint32_t bits, int source);

static inline int emulator_lane()
{
  return emulator_now->number % 32;
}

static inline float __shfl_xor_sync(unsigned, float x, int mask)
{
  return __uint_as_float(
    emulator_shuffle(__float_as_uint(x), emulator_lane() ^ mask));
}

static inline float __shfl_sync(unsigned, float x, int source)
{
  return __uint_as_float(emulator_shuffle(__float_as_uint(x), source));
}

static inline int __shfl_sync(unsigned, int x, int source)
{
  return (int)emulator_shuffle((uint32_t)x, source);
}

static inline float fast_exp2(float x)
{
  return exp2f(x);
}

static inline void forget(float&) {}

/// Copies are made when they are waited for, so that a read before that shows
void emulator_copy(float* to, const float* from, int size);
void copy_wait();

template <int SIZE> static inline void copy_async(float* to, const float* from)
{
  emulator_copy(to, from, SIZE);
}

// The tensor cores
void     mma_tf32(float* d,
                  float  a0,
                  float  a1,
                  float  a2,
                  float  a3,
                  float  b0,
                  float  b1);
void     mma_bf16(float*   d,
                  uint32_t a0,
                  uint32_t a1,
                  uint32_t a2,
                  uint32_t a3,
                  uint32_t b0,
                  uint32_t b1);
uint32_t pack_bf16(float low, float high);

#endif /* EMULATOR_H */

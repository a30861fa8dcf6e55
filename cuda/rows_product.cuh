/** @file
 * Products of many rows with a matrix that fits in shared memory: each block of
 * threads keeps the matrix and lets rows stream past it.
 */
#ifndef MAUDIO_ROWS_PRODUCT_CUH
#define MAUDIO_ROWS_PRODUCT_CUH

#include "device.cuh"
#include "product.h"

/// Rows of a tile; while one is multiplied the next is on its way
#define GPU_TILE_ROWS 64

/// Sizes of a kernel: DEPTH inputs, WARPS_HIGH x WARPS_WIDE warps, each with
/// BLOCKS blocks of eight outputs
template <int DEPTH, int WARPS_HIGH, int WARPS_WIDE, int BLOCKS>
struct rows_shape {
  static constexpr int    N_THREADS = WARPS_HIGH * WARPS_WIDE * GPU_WARP;
  static constexpr int    TILES     = GPU_TILE_ROWS / 16 / WARPS_HIGH;
  static constexpr int    STRIDE    = DEPTH + 16; // Half the banks apart
  static constexpr int    N_BLOCKS  = WARPS_WIDE * BLOCKS;
  static constexpr int    MATRIX    = N_BLOCKS * 8 * DEPTH;
  static constexpr int    TILE      = GPU_TILE_ROWS * STRIDE;
  static constexpr size_t SHARED    = sizeof(float) * (MATRIX + 2 * TILE);
};

/// Start to load a tile; rows after the last are the last
template <int DEPTH, typename SHAPE>
__device__ __forceinline__ void
rows_load(const gpu_product_rows& rows, int64_t first_row, float* tile)
{
  constexpr int QUADS = DEPTH / 4;
  for (int i = threadIdx.x; i < GPU_TILE_ROWS * QUADS; i += SHAPE::N_THREADS) {
    const int     r   = i / QUADS;
    const int     k   = i % QUADS * 4;
    const int64_t row = min(first_row + r, rows.n_rows - 1);
    copy_async<16>(tile + r * SHAPE::STRIDE + k,
                   rows.a + row * rows.a_stride + k);
  }
}

template <gpu_math MATH, int DEPTH, int WARPS_HIGH, int WARPS_WIDE, int BLOCKS>
__global__ __launch_bounds__(WARPS_HIGH* WARPS_WIDE* GPU_WARP,
                             1) void rows_kernel(gpu_product_part part,
                                                 gpu_product_rows rows)
{
  using shape         = rows_shape<DEPTH, WARPS_HIGH, WARPS_WIDE, BLOCKS>;
  constexpr int TILES = shape::TILES;
  GPU_SHARED(float, matrix);
  float* const  tiles   = matrix + shape::MATRIX;
  const int     lane    = threadIdx.x % GPU_WARP;
  const int     warp    = threadIdx.x / GPU_WARP;
  const int     top     = warp / WARPS_WIDE * TILES * 16;
  const int     block   = warp % WARPS_WIDE * BLOCKS;
  const int64_t n_tiles = (rows.n_rows + GPU_TILE_ROWS - 1) / GPU_TILE_ROWS;
  const int     n_used  = (part.w.n_out + 7) / 8 * 8 * DEPTH;

  for (int i = threadIdx.x * 4; i < shape::MATRIX; i += shape::N_THREADS * 4) {
    if (i < n_used) {
      copy_async<16>(matrix + i, part.w.data + i);
    } else {
      *reinterpret_cast<float4*>(matrix + i) =
        make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
  }
  rows_load<DEPTH, shape>(rows, (int64_t)blockIdx.x * GPU_TILE_ROWS, tiles);

  int own = 0; // Which of the two tiles
  for (int64_t tile = blockIdx.x; tile < n_tiles; tile += gridDim.x) {
    copy_wait();
    __syncthreads();
    if (tile + gridDim.x < n_tiles) {
      rows_load<DEPTH, shape>(rows, (tile + gridDim.x) * GPU_TILE_ROWS,
                              tiles + (1 - own) * shape::TILE);
    }
    const float* const a = tiles + own * shape::TILE +
                           (top + lane / 4) * shape::STRIDE + lane % 4 * 4;
    const float* const b = matrix + block * 8 * DEPTH + lane * 4;

    float sums[TILES][BLOCKS][4] = {};
    float squares[TILES][2]      = {};
#pragma unroll
    for (int k = 0; k < DEPTH; k += 16) {
      gpu_fragment<MATH> x[TILES][2];
#pragma unroll
      for (int i = 0; i < TILES * 2; ++i) {
        const float4 v =
          *reinterpret_cast<const float4*>(a + i * 8 * shape::STRIDE + k);
        float& square = squares[i / 2][i % 2];
        square        = fmaf(v.x, v.x, square);
        square        = fmaf(v.y, v.y, square);
        square        = fmaf(v.z, v.z, square);
        square        = fmaf(v.w, v.w, square);
        x[i / 2][i % 2].set(v);
      }
#pragma unroll
      for (int j = 0; j < BLOCKS; ++j) {
        gpu_fragment<MATH> w;
        w.set(*reinterpret_cast<const float4*>(b + j * 8 * DEPTH + k * 8));
#pragma unroll
        for (int i = 0; i < TILES; ++i) {
          mma(sums[i][j], x[i][0], x[i][1], w);
        }
      }
    }

#pragma unroll
    for (int i = 0; i < TILES * 2; ++i) {
      const int     half  = i % 2;
      const int64_t row   = tile * GPU_TILE_ROWS + top + i * 8 + lane / 4;
      float         scale = 1.0f;
      if (rows.n_norm) {
        float square = squares[i / 2][half];
        square += __shfl_xor_sync(GPU_ALL_LANES, square, 1);
        square += __shfl_xor_sync(GPU_ALL_LANES, square, 2);
        scale = 1.0f / sqrtf(square / (float)DEPTH + rows.norm_eps);
      }
      const int     first = block * 8 + lane % 4 * 2;
      const int64_t at    = row * rows.c_stride + first;
      const int     n     = row < rows.n_rows ? part.w.n_out - first : 0;
      float2        x[BLOCKS];
#pragma unroll
      for (int j = 0; j < BLOCKS; ++j) {
        x[j] = make_float2(0.0f, 0.0f);
        if (rows.x && j * 8 < n) {
          x[j] = *reinterpret_cast<const float2*>(rows.x + at + j * 8);
        }
      }
#pragma unroll
      for (int j = 0; j < BLOCKS; ++j) {
        const float* const y = sums[i / 2][j] + half * 2;
        if (j * 8 < n) {
          *reinterpret_cast<float2*>(rows.c + at + j * 8) =
            make_float2(fmaf(y[0], scale, x[j].x), fmaf(y[1], scale, x[j].y));
        }
      }
    }
    own = 1 - own;
  }
}

#endif /* MAUDIO_ROWS_PRODUCT_CUH */

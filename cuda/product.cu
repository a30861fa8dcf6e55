#include "product.h"

#include "device.cuh"
#include "rows_product.cuh"

namespace
{

constexpr int N_THREADS = 256;
constexpr int N_WARPS   = N_THREADS / GPU_WARP;
constexpr int TILE_ROWS = 128; ///< Four warps high
constexpr int TILE_OUT  = 64;  ///< Two warps wide
constexpr int DEPTH     = 64;  ///< Inputs that are in shared memory at once
/// Rows of the tile start half the banks apart
constexpr int STRIDE = DEPTH + 16;

/// scale (TILE_ROWS, n_groups): 1 / rms of each row's groups
__device__ void norm_scales(const gpu_product_rows& rows,
                            const gpu_product_part& part,
                            int64_t                 first_row,
                            int                     n_groups,
                            float*                  scale)
{
  const int lane = threadIdx.x % GPU_WARP;
  for (int i = threadIdx.x / GPU_WARP; i < TILE_ROWS * n_groups; i += N_WARPS) {
    const int64_t row = first_row + i / n_groups;
    float         sum = 0.0f;
    if (row < rows.n_rows) {
      const float* const x =
        rows.a + row * rows.a_stride + part.a_at + i % n_groups * rows.n_norm;
      for (int k = lane; k < rows.n_norm; k += GPU_WARP) {
        sum += x[k] * x[k];
      }
    }
    sum = warp_sum(sum);
    if (lane == 0) {
      scale[i] = 1.0f / sqrtf(sum / (float)rows.n_norm + rows.norm_eps);
    }
  }
}

/// tile (TILE_ROWS, STRIDE) = columns first_in to first_in + depth of a part,
/// zeros where there are none
__device__ void load_tile(const gpu_product_rows& rows,
                          const gpu_product_part& part,
                          int64_t                 first_row,
                          int                     first_in,
                          int                     depth,
                          const float*            scale,
                          int                     n_groups,
                          float*                  tile)
{
  const int  n_quads = depth / 4;
  const bool aligned = part.w.n_in % 4 == 0 && rows.a_stride % 4 == 0 &&
                       is_aligned_for<float4>(rows.a + part.a_at);
  for (int i = threadIdx.x; i < TILE_ROWS * n_quads; i += N_THREADS) {
    const int     r    = i / n_quads;
    const int     k    = first_in + i % n_quads * 4;
    const int64_t row  = first_row + r;
    float         v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (row < rows.n_rows && k < part.w.n_in) {
      const float* const x = rows.a + row * rows.a_stride + part.a_at + k;
      if (aligned) {
        const float4 quad = *reinterpret_cast<const float4*>(x);
        v[0]              = quad.x;
        v[1]              = quad.y;
        v[2]              = quad.z;
        v[3]              = quad.w;
      } else {
        for (int j = 0; j < 4 && k + j < part.w.n_in; ++j) {
          v[j] = x[j];
        }
      }
      if (rows.n_norm) {
        for (int j = 0; j < 4 && k + j < part.w.n_in; ++j) {
          v[j] *= scale[r * n_groups + (k + j) / rows.n_norm];
        }
      }
    }
    *reinterpret_cast<float4*>(tile + r * STRIDE + i % n_quads * 4) =
      make_float4(v[0], v[1], v[2], v[3]);
  }
}

/// Two columns of a row: bias, sum and store
__device__ void store_pair(const gpu_product_rows& rows,
                           const gpu_product_part& part,
                           int64_t                 row,
                           int                     out,
                           float                   x0,
                           float                   x1)
{
  if (row >= rows.n_rows || out >= part.w.n_out) {
    return;
  }
  float* const to  = rows.c + row * rows.c_stride + part.c_at + out;
  const bool   two = out + 1 < part.w.n_out;
  if (part.bias) {
    x0 += part.bias[out];
    x1 += two ? part.bias[out + 1] : 0.0f;
  }
  const float* const x = rows.x ? rows.x + (to - rows.c) : nullptr;
  if (two && is_aligned_for<float2>(to) && is_aligned_for<float2>(x)) {
    if (x) {
      const float2 old = *reinterpret_cast<const float2*>(x);
      x0 += old.x;
      x1 += old.y;
    }
    *reinterpret_cast<float2*>(to) = make_float2(x0, x1);
    return;
  }
  to[0] = x ? x[0] + x0 : x0;
  if (two) {
    to[1] = x ? x[1] + x1 : x1;
  }
}

template <gpu_math MATH>
__global__
__launch_bounds__(N_THREADS) void product_kernel(gpu_product      product,
                                                 gpu_product_rows rows)
{
  GPU_SHARED(float, tile);
  float* const           scale     = tile + TILE_ROWS * STRIDE;
  const gpu_product_part part      = product.parts[blockIdx.y];
  const int64_t          first_row = (int64_t)blockIdx.x * TILE_ROWS;
  const int              n_groups = rows.n_norm ? part.w.n_in / rows.n_norm : 0;
  const int              n_tiles  = (part.w.n_in + 15) / 16; // Of inputs
  const int              n_blocks = (part.w.n_out + 7) / 8;
  const int              lane     = threadIdx.x % GPU_WARP;
  const int              warp     = threadIdx.x / GPU_WARP;
  const int              warp_row = warp / 2 * 32;
  const float4* const    weights =
    reinterpret_cast<const float4*>(part.w.data) + lane;

  if (rows.n_norm) {
    norm_scales(rows, part, first_row, n_groups, scale);
    __syncthreads();
  }
  for (int first_out = 0; first_out < part.w.n_out; first_out += TILE_OUT) {
    const int first_block   = first_out / 8 + warp % 2 * 4;
    float     sums[2][4][4] = {};
    for (int first_in = 0; first_in < part.w.n_in; first_in += DEPTH) {
      const int n_left = n_tiles * 16 - first_in;
      const int depth  = n_left < DEPTH ? n_left : DEPTH;
      if (first_out == 0 || part.w.n_in > DEPTH) {
        __syncthreads();
        load_tile(rows, part, first_row, first_in, depth, scale, n_groups,
                  tile);
        __syncthreads();
      }
      for (int k = 0; k < depth; k += 16) {
        gpu_fragment<MATH> a[2][2];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          a[i / 2][i % 2].set(*reinterpret_cast<const float4*>(
            tile + (warp_row + i * 8 + lane / 4) * STRIDE + k + lane % 4 * 4));
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int block = first_block + j;
          if (block < n_blocks) {
            gpu_fragment<MATH> b;
            b.set(
              __ldg(weights + ((int64_t)block * n_tiles + (first_in + k) / 16) *
                                GPU_WARP));
            mma(sums[0][j], a[0][0], a[0][1], b);
            mma(sums[1][j], a[1][0], a[1][1], b);
          }
        }
      }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int64_t row = first_row + warp_row + i * 16 + lane / 4;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int out = (first_block + j) * 8 + lane % 4 * 2;
        store_pair(rows, part, row, out, sums[i][j][0], sums[i][j][1]);
        store_pair(rows, part, row + 8, out, sums[i][j][2], sums[i][j][3]);
      }
    }
  }
}

/// Products of any size
template <gpu_math MATH>
void launch_any(const gpu_product*      product,
                const gpu_product_rows* rows,
                cudaStream_t            stream)
{
  const int    n_groups = rows->n_norm ? product->most_in / rows->n_norm : 0;
  const size_t shared = sizeof(float) * TILE_ROWS * (size_t)(STRIDE + n_groups);
  cudaFuncSetAttribute(product_kernel<MATH>,
                       cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)shared);
  const dim3 grid((unsigned)((rows->n_rows + TILE_ROWS - 1) / TILE_ROWS),
                  (unsigned)product->n_parts);
  GPU_LAUNCH(product_kernel<MATH>, grid, N_THREADS, shared, stream, *product,
             *rows);
}

/// Products whose matrix fits in shared memory; return whether this one does
template <gpu_math MATH, int DEPTH, int HIGH, int WIDE, int BLOCKS>
bool launch_rows(const gpu_product*      product,
                 const gpu_product_rows* rows,
                 cudaStream_t            stream)
{
  using shape                         = rows_shape<DEPTH, HIGH, WIDE, BLOCKS>;
  const gpu_product_part part         = product->first;
  int                    device       = 0;
  int                    n_processors = 0;
  int                    most_shared  = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&n_processors, cudaDevAttrMultiProcessorCount, device);
  cudaDeviceGetAttribute(&most_shared, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                         device);
  if (product->n_parts != 1 || part.bias || part.w.n_in != DEPTH ||
      part.w.n_out % 2 || part.w.n_out > shape::N_BLOCKS * 8 ||
      rows->a_stride % 4 || rows->c_stride % 2 ||
      !is_aligned_for<float4>(rows->a) || !is_aligned_for<float2>(rows->c) ||
      !is_aligned_for<float2>(rows->x) ||
      (rows->n_norm && rows->n_norm != DEPTH) ||
      shape::SHARED > (size_t)most_shared) {
    return false;
  }
  const int64_t n_tiles = (rows->n_rows + GPU_TILE_ROWS - 1) / GPU_TILE_ROWS;
  const int64_t n_blocks =
    (int64_t)n_processors * (most_shared / (int)shape::SHARED);
  cudaFuncSetAttribute((rows_kernel<MATH, DEPTH, HIGH, WIDE, BLOCKS>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)shape::SHARED);
  GPU_LAUNCH((rows_kernel<MATH, DEPTH, HIGH, WIDE, BLOCKS>),
             (unsigned)min(n_tiles, n_blocks), shape::N_THREADS, shape::SHARED,
             stream, part, *rows);
  return true;
}

template <gpu_math MATH>
void launch(const gpu_product*      product,
            const gpu_product_rows* rows,
            cudaStream_t            stream)
{
  if (!launch_rows<MATH, 64, 2, 8, 5>(product, rows, stream) &&
      !launch_rows<MATH, 128, 4, 4, 2>(product, rows, stream)) {
    launch_any<MATH>(product, rows, stream);
  }
}

} // namespace

size_t gpu_matrix_size(size_t n_out, size_t n_in)
{
  return (n_out + 7) / 8 * 8 * ((n_in + 15) / 16 * 16);
}

void gpu_matrix_pack(size_t n_out, size_t n_in, const float* from, float* to)
{
  const size_t n_tiles = (n_in + 15) / 16;
  const size_t size    = gpu_matrix_size(n_out, n_in);
  for (size_t i = 0; i < size; ++i) {
    const size_t lane  = i / 4 % GPU_WARP;
    const size_t tile  = i / 4 / GPU_WARP;
    const size_t row   = tile / n_tiles * 8 + lane / 4;
    const size_t input = tile % n_tiles * 16 + lane % 4 * 4 + i % 4;
    to[i] = row < n_out && input < n_in ? from[row * n_in + input] : 0.0f;
  }
}

void gpu_product_run(const gpu_product*      product,
                     const gpu_product_rows* rows,
                     maudio_cuda_precision   precision,
                     cudaStream_t            stream)
{
  if (!rows->n_rows) {
    return;
  }
  switch (precision) {
  case MAUDIO_CUDA_FLOAT32:
    launch<GPU_SPLIT>(product, rows, stream);
    break;
  case MAUDIO_CUDA_TF32:
    launch<GPU_TF32>(product, rows, stream);
    break;
  case MAUDIO_CUDA_BF16:
    launch<GPU_BF16>(product, rows, stream);
    break;
  }
}

/** @file
 * The MLP across bands for sizes that fit in registers and shared memory: a
 * block of threads keeps both matrices and lets frames stream past them.
 *
 * It computes the transpose: rows are channels, and so what the first product
 * leaves in the registers of a lane is what the second one wants there.
 */
#ifndef MAUDIO_BAND_MLP_TILES_CUH
#define MAUDIO_BAND_MLP_TILES_CUH

#include "band_mlp.h"
#include "device.cuh"

/// S bands, D channels, M hidden units; a warp has 32 channels of a frame
template <int S_, int D_, int M_> struct mlp_shape {
  static constexpr int    S         = S_;
  static constexpr int    D         = D_;
  static constexpr int    M         = M_;
  static constexpr int    N_WARPS   = 8;
  static constexpr int    N_THREADS = N_WARPS * GPU_WARP;
  static constexpr int    FRAMES    = N_WARPS * 32 / D; // Of a tile
  static constexpr int    STRIDE    = D + 8;            // Other banks
  static constexpr int    TILE      = FRAMES * S * STRIDE;
  static constexpr int    STEPS     = (S + 15) / 16; // Of 16 bands
  static constexpr int    FC1       = 16 * STEPS * M;
  static constexpr int    FC2       = S * M;
  static constexpr size_t SHARED =
    sizeof(float) * (2 * TILE + FC1 + FC2 + FRAMES * S + M + S + D);
  static_assert(S % 8 == 0, "whole tiles come out");
};

template <typename SHAPE>
__device__ __forceinline__ void
mlp_load(const float* x, int64_t first_frame, int64_t n_frames, float* tile)
{
  constexpr int QUADS = SHAPE::D / 4;
  for (int i = threadIdx.x; i < SHAPE::FRAMES * SHAPE::S * QUADS;
       i += SHAPE::N_THREADS) {
    const int     row   = i / QUADS; // Frame, band
    const int     quad  = i % QUADS * 4;
    const int64_t frame = min(first_frame + row / SHAPE::S, n_frames - 1);
    copy_async<16>(tile + row * SHAPE::STRIDE + quad,
                   x + (frame * SHAPE::S + row % SHAPE::S) * SHAPE::D + quad);
  }
}

/// 1 / rms of each row of a tile, two threads a row
template <typename SHAPE>
__device__ __forceinline__ void
mlp_scales(const float* tile, float eps, float* scales)
{
  constexpr int N_ROWS = SHAPE::FRAMES * SHAPE::S;
  static_assert(2 * N_ROWS <= SHAPE::N_THREADS, "two threads a row");
  const int row  = (int)threadIdx.x / 2;
  const int half = (int)threadIdx.x % 2;
  if ((int)threadIdx.x < 2 * N_ROWS) {
    const float* const from = tile + row * SHAPE::STRIDE + half * 4;
    float              sum  = 0.0f;
#pragma unroll
    for (int i = 0; i < SHAPE::D; i += 8) {
      const float4 v = *reinterpret_cast<const float4*>(from + i);
      sum            = fmaf(v.x, v.x, sum);
      sum            = fmaf(v.y, v.y, sum);
      sum            = fmaf(v.z, v.z, sum);
      sum            = fmaf(v.w, v.w, sum);
    }
    sum += __shfl_xor_sync(GPU_ALL_LANES, sum, 1);
    if (half == 0) {
      scales[row] = 1.0f / sqrtf(sum / (float)SHAPE::D + eps);
    }
  }
}

template <gpu_math MATH, typename SHAPE>
__global__ __launch_bounds__(SHAPE::N_THREADS,
                             2) void mlp_kernel(gpu_band_mlp m,
                                                int64_t      n_frames,
                                                const float* x,
                                                float*       y)
{
  constexpr int S      = SHAPE::S;
  constexpr int D      = SHAPE::D;
  constexpr int M      = SHAPE::M;
  constexpr int STRIDE = SHAPE::STRIDE;
  GPU_SHARED(float, tiles);
  float* const  fc1     = tiles + 2 * SHAPE::TILE;
  float* const  fc2     = fc1 + SHAPE::FC1;
  float* const  scales  = fc2 + SHAPE::FC2;
  float* const  bias1   = scales + SHAPE::FRAMES * S;
  float* const  bias2   = bias1 + M;
  float* const  norm    = bias2 + S;
  const int64_t n_tiles = (n_frames + SHAPE::FRAMES - 1) / SHAPE::FRAMES;
  const int     lane    = threadIdx.x % GPU_WARP;
  const int     warp    = threadIdx.x / GPU_WARP;
  const int     t       = lane % 4;
  const int     own     = warp * 32 / D;            // Frame of this warp
  const int     channel = warp * 32 % D + lane / 4; // First one of this lane

  for (int i = threadIdx.x * 4; i < SHAPE::FC1; i += SHAPE::N_THREADS * 4) {
    copy_async<16>(fc1 + i, m.fc1_tiles + i);
  }
  for (int i = threadIdx.x * 4; i < SHAPE::FC2; i += SHAPE::N_THREADS * 4) {
    copy_async<16>(fc2 + i, m.fc2_tiles + i);
  }
  for (int i = threadIdx.x; i < M; i += SHAPE::N_THREADS) {
    bias1[i] = m.fc1_bias[i];
  }
  for (int i = threadIdx.x; i < S; i += SHAPE::N_THREADS) {
    bias2[i] = m.fc2_bias[i];
  }
  for (int i = threadIdx.x; i < D; i += SHAPE::N_THREADS) {
    norm[i] = m.norm[i];
  }
  mlp_load<SHAPE>(x, (int64_t)blockIdx.x * SHAPE::FRAMES, n_frames, tiles);

  int side = 0; // Which of the two tiles
  for (int64_t tile = blockIdx.x; tile < n_tiles; tile += gridDim.x) {
    float* const here = tiles + side * SHAPE::TILE;
    copy_wait();
    __syncthreads();
    if (tile + gridDim.x < n_tiles) {
      mlp_load<SHAPE>(x, (tile + gridDim.x) * SHAPE::FRAMES, n_frames,
                      tiles + (1 - side) * SHAPE::TILE);
    }
    mlp_scales<SHAPE>(here, m.norm_eps, scales);
    __syncthreads();

    // Bands t, t + 4, t + 8, t + 12 of 16: of channels 8 apart
    float4 in[SHAPE::STEPS][4];
#pragma unroll
    for (int k = 0; k < SHAPE::STEPS; ++k) {
      const bool is_whole = k * 16 + 16 <= S; // Or its last eight are not there
      const int  band     = k * 16 + t;
      float      scale[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        scale[i] = i < 2 || is_whole ? scales[own * S + band + 4 * i] : 0.0f;
      }
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        const float* const from =
          here + (own * S + band) * STRIDE + channel + 8 * c;
        const float gain = norm[channel + 8 * c];
        float4&     to   = in[k][c];
        to.x             = from[0] * (scale[0] * gain);
        to.y             = from[4 * STRIDE] * (scale[1] * gain);
        to.z = is_whole ? from[8 * STRIDE] * (scale[2] * gain) : 0.0f;
        to.w = is_whole ? from[12 * STRIDE] * (scale[3] * gain) : 0.0f;
      }
    }

    float sums[2][S / 8][4] = {};
#pragma unroll 1
    for (int unit = 0; unit < M; unit += 16) {
      float hidden[2][2][4] = {};
#pragma unroll
      for (int k = 0; k < SHAPE::STEPS; ++k) {
        gpu_fragment<MATH> a[4];
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          forget(in[k][c].x);
          forget(in[k][c].y);
          forget(in[k][c].z);
          forget(in[k][c].w);
          a[c].set(in[k][c]);
        }
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          gpu_fragment<MATH> w;
          w.set(*reinterpret_cast<const float4*>(
            fc1 + ((unit / 8 + j) * SHAPE::STEPS + k) * GPU_WARP * 4 +
            lane * 4));
          mma(hidden[0][j], a[0], a[1], w);
          mma(hidden[1][j], a[2], a[3], w);
        }
      }
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const float b0 = bias1[unit + j * 8 + 2 * t];
        const float b1 = bias1[unit + j * 8 + 2 * t + 1];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          hidden[i][j][0] = silu(hidden[i][j][0] + b0);
          hidden[i][j][1] = silu(hidden[i][j][1] + b1);
          hidden[i][j][2] = silu(hidden[i][j][2] + b0);
          hidden[i][j][3] = silu(hidden[i][j][3] + b1);
        }
      }
      gpu_fragment<MATH> a[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* const h0 = hidden[i / 2][0] + i % 2 * 2;
        const float* const h1 = hidden[i / 2][1] + i % 2 * 2;
        a[i].set(make_float4(h0[0], h0[1], h1[0], h1[1]));
      }
#pragma unroll
      for (int j = 0; j < S / 8; ++j) {
        gpu_fragment<MATH> w;
        w.set(*reinterpret_cast<const float4*>(
          fc2 + (j * (M / 16) + unit / 16) * GPU_WARP * 4 + lane * 4));
        mma(sums[0][j], a[0], a[1], w);
        mma(sums[1][j], a[2], a[3], w);
      }
    }

    const int64_t frame = tile * SHAPE::FRAMES + own;
    if (frame < n_frames) {
#pragma unroll
      for (int j = 0; j < S / 8; ++j) {
#pragma unroll
        for (int k = 0; k < 8; ++k) {
          const int band                = j * 8 + 2 * t + k % 2;
          const int c                   = channel + k / 2 * 8;
          y[(frame * S + band) * D + c] = here[(own * S + band) * STRIDE + c] +
                                          (sums[k / 4][j][k % 4] + bias2[band]);
        }
      }
    }
    side = 1 - side;
  }
}

#endif /* MAUDIO_BAND_MLP_TILES_CUH */

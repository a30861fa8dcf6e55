#include "band_mlp.h"

#include "band_mlp_tiles.cuh"

namespace
{

constexpr int N_THREADS = 256;
constexpr int N_WARPS   = N_THREADS / GPU_WARP;
constexpr int COLUMNS   = 128; ///< (frame, channel) of a block of threads
constexpr int PER_WARP  = COLUMNS / N_WARPS / 8; ///< Tiles of 8 columns
/// Rows four apart start at different banks
constexpr int STRIDE = COLUMNS + 2;
constexpr int ROWS   = 64; ///< Outputs of either matrix at once
constexpr int TILES  = ROWS / 16;

/// Four rows from `row` of a column, as a lane holds them
template <gpu_math MATH>
__device__ __forceinline__ void
load_column(const float* x, int row, int column, gpu_fragment<MATH>& to)
{
  const float* const from = x + row * STRIDE + column;
  to.set(
    make_float4(from[0], from[STRIDE], from[2 * STRIDE], from[3 * STRIDE]));
}

/// sums += rows `first_row` to + ROWS of w times x (inputs, COLUMNS), of which
/// x begins with input `first_in` and has `n_in`
template <gpu_math MATH>
__device__ __forceinline__ void multiply(const gpu_matrix& w,
                                         int               first_row,
                                         int               first_in,
                                         int               n_in,
                                         const float*      x,
                                         int               first_column,
                                         float (*sums)[PER_WARP][4])
{
  const int           lane     = threadIdx.x % GPU_WARP;
  const int           n_tiles  = (w.n_in + 15) / 16;
  const int           n_blocks = (w.n_out + 7) / 8;
  const float4* const weights  = reinterpret_cast<const float4*>(w.data) + lane;
  for (int k = 0; k < n_in; k += 16) {
    gpu_fragment<MATH> b[PER_WARP];
#pragma unroll
    for (int j = 0; j < PER_WARP; ++j) {
      load_column<MATH>(x, k + lane % 4 * 4, first_column + j * 8 + lane / 4,
                        b[j]);
    }
#pragma unroll
    for (int i = 0; i < TILES; ++i) {
      const int block = first_row / 8 + 2 * i;
      if (block >= n_blocks) {
        break;
      }
      const int64_t at =
        ((int64_t)block * n_tiles + (first_in + k) / 16) * GPU_WARP;
      gpu_fragment<MATH> a0;
      gpu_fragment<MATH> a1;
      a0.set(__ldg(weights + at));
      a1.set(block + 1 < n_blocks
               ? __ldg(weights + at + (int64_t)n_tiles * GPU_WARP)
               : make_float4(0.0f, 0.0f, 0.0f, 0.0f));
#pragma unroll
      for (int j = 0; j < PER_WARP; ++j) {
        mma(sums[i][j], a0, a1, b[j]);
      }
    }
  }
}

template <gpu_math MATH>
__global__ __launch_bounds__(N_THREADS) void band_mlp_kernel(gpu_band_mlp m,
                                                             int64_t n_frames,
                                                             const float* x,
                                                             float*       y)
{
  GPU_SHARED(float, shared);
  const int     n_padded = (m.n_bands + 15) / 16 * 16;
  float* const  normed   = shared;                     // (n_padded, STRIDE)
  float* const  hidden   = normed + n_padded * STRIDE; // (ROWS, STRIDE)
  float* const  scales   = hidden + ROWS * STRIDE;     // (frames, n_bands)
  const int64_t first    = (int64_t)blockIdx.x * COLUMNS;
  const int64_t n_all    = n_frames * m.d_model;
  const int     n_here   = (int)min((int64_t)COLUMNS, n_all - first);
  const int64_t frame    = first / m.d_model;
  const int     n_norms =
    (int)((first + n_here - 1) / m.d_model - frame + 1) * m.n_bands;
  const int lane = threadIdx.x % GPU_WARP;
  const int warp = threadIdx.x / GPU_WARP;

  for (int i = warp; i < n_norms; i += N_WARPS) {
    const float* const row =
      x + (frame * m.n_bands + i) * m.d_model; // Bands of frames follow
    float sum = 0.0f;
    for (int k = lane; k < m.d_model; k += GPU_WARP) {
      sum += row[k] * row[k];
    }
    sum = warp_sum(sum);
    if (lane == 0) {
      scales[i] = 1.0f / sqrtf(sum / (float)m.d_model + m.norm_eps);
    }
  }
  __syncthreads();
  for (int column = threadIdx.x % COLUMNS, s = threadIdx.x / COLUMNS;
       s < n_padded; s += N_THREADS / COLUMNS) {
    float v = 0.0f;
    if (s < m.n_bands && column < n_here) {
      const int64_t f = (first + column) / m.d_model;
      const int     d = (int)((first + column) % m.d_model);
      v               = x[(f * m.n_bands + s) * m.d_model + d] *
          scales[(f - frame) * m.n_bands + s] * m.norm[d];
    }
    normed[s * STRIDE + column] = v;
  }
  __syncthreads();

  const int own = warp * PER_WARP * 8; // First column of this warp
  for (int s = 0; s < m.n_bands; s += ROWS) {
    float sums[TILES][PER_WARP][4] = {};
    for (int first_unit = 0; first_unit < m.fc1.n_out; first_unit += ROWS) {
      float units[TILES][PER_WARP][4] = {};
      multiply<MATH>(m.fc1, first_unit, 0, m.n_bands, normed, own, units);
      __syncwarp(); // Others of the warp still read what was hidden
#pragma unroll
      for (int i = 0; i < TILES; ++i) {
#pragma unroll
        for (int j = 0; j < PER_WARP; ++j) {
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            const int   r    = i * 16 + k / 2 * 8 + lane / 4;
            const int   unit = first_unit + r;
            const float bias = unit < m.fc1.n_out ? m.fc1_bias[unit] : 0.0f;
            hidden[r * STRIDE + own + j * 8 + lane % 4 * 2 + k % 2] =
              silu(units[i][j][k] + bias);
          }
        }
      }
      __syncwarp();
      multiply<MATH>(m.fc2, s, first_unit, min(ROWS, m.fc1.n_out - first_unit),
                     hidden, own, sums);
    }
#pragma unroll
    for (int i = 0; i < TILES; ++i) {
#pragma unroll
      for (int j = 0; j < PER_WARP; ++j) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const int band   = s + i * 16 + k / 2 * 8 + lane / 4;
          const int column = own + j * 8 + lane % 4 * 2 + k % 2;
          if (band < m.n_bands && column < n_here) {
            const int64_t f = (first + column) / m.d_model;
            const int64_t at =
              (f * m.n_bands + band) * m.d_model + (first + column) % m.d_model;
            y[at] = x[at] + (sums[i][j][k] + m.fc2_bias[band]);
          }
        }
      }
    }
  }
}

/// Frames that the columns of a block of threads may touch
int most_frames(int d_model)
{
  return (COLUMNS - 1) / d_model + 2;
}

size_t shared_size(int n_bands, int n_frames)
{
  const size_t n_padded = (size_t)(n_bands + 15) / 16 * 16;
  return sizeof(float) *
         ((n_padded + ROWS) * STRIDE + (size_t)n_frames * (size_t)n_bands);
}

template <gpu_math MATH>
void launch_any(const gpu_band_mlp* m,
                int64_t             n_frames,
                const float*        x,
                float*              y,
                cudaStream_t        stream)
{
  const size_t shared = shared_size(m->n_bands, most_frames(m->d_model));
  cudaFuncSetAttribute(band_mlp_kernel<MATH>,
                       cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)shared);
  const int64_t n_blocks = (n_frames * m->d_model + COLUMNS - 1) / COLUMNS;
  GPU_LAUNCH(band_mlp_kernel<MATH>, (unsigned)n_blocks, N_THREADS, shared,
             stream, *m, n_frames, x, y);
}

/// The sizes of the presets
using shape_24 = mlp_shape<24, 64, 64>;
using shape_32 = mlp_shape<32, 64, 64>;

template <typename SHAPE>
bool is_of(size_t n_bands, size_t d_model, size_t d_hidden)
{
  return n_bands == SHAPE::S && d_model == SHAPE::D && d_hidden == SHAPE::M;
}

template <gpu_math MATH, typename SHAPE>
void launch_tiles(const gpu_band_mlp* m,
                  int64_t             n_frames,
                  const float*        x,
                  float*              y,
                  cudaStream_t        stream)
{
  int device       = 0;
  int n_processors = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&n_processors, cudaDevAttrMultiProcessorCount, device);
  cudaFuncSetAttribute((mlp_kernel<MATH, SHAPE>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)SHAPE::SHARED);
  const int64_t n_tiles = (n_frames + SHAPE::FRAMES - 1) / SHAPE::FRAMES;
  GPU_LAUNCH((mlp_kernel<MATH, SHAPE>),
             (unsigned)min(n_tiles, (int64_t)2 * n_processors),
             SHAPE::N_THREADS, SHAPE::SHARED, stream, *m, n_frames, x, y);
}

template <gpu_math MATH>
void launch(const gpu_band_mlp* m,
            int64_t             n_frames,
            const float*        x,
            float*              y,
            cudaStream_t        stream)
{
  if (m->fc1_tiles && m->n_bands == shape_24::S) {
    launch_tiles<MATH, shape_24>(m, n_frames, x, y, stream);
  } else if (m->fc1_tiles) {
    launch_tiles<MATH, shape_32>(m, n_frames, x, y, stream);
  } else {
    launch_any<MATH>(m, n_frames, x, y, stream);
  }
}

/// Where element `i` of a matrix in tiles belongs
struct place {
  size_t tile; ///< Of 8 rows and 16 columns
  size_t row;  ///< Of its tile
  size_t t;    ///< A quarter of a row's lanes
  size_t k;    ///< Of the four that a lane has
};

place place_of(size_t i)
{
  return {i / 4 / GPU_WARP, i / 16 % 8, i / 4 % 4, i % 4};
}

} // namespace

bool gpu_band_mlp_has_tiles(size_t n_bands, size_t d_model, size_t d_hidden)
{
  return is_of<shape_24>(n_bands, d_model, d_hidden) ||
         is_of<shape_32>(n_bands, d_model, d_hidden);
}

size_t gpu_band_mlp_fc1_size(size_t n_bands, size_t d_hidden)
{
  return (n_bands + 15) / 16 * 16 * d_hidden;
}

void gpu_band_mlp_pack(size_t       n_bands,
                       size_t       d_hidden,
                       const float* fc1,
                       const float* fc2,
                       float*       fc1_tiles,
                       float*       fc2_tiles)
{
  const size_t n_steps = (n_bands + 15) / 16;
  for (size_t i = 0; i < gpu_band_mlp_fc1_size(n_bands, d_hidden); ++i) {
    const place  p    = place_of(i);
    const size_t unit = p.tile / n_steps * 8 + p.row;
    const size_t band = p.tile % n_steps * 16 + p.t + 4 * p.k;
    fc1_tiles[i]      = band < n_bands ? fc1[unit * n_bands + band] : 0.0f;
  }
  for (size_t i = 0; i < n_bands * d_hidden; ++i) {
    const place  p    = place_of(i);
    const size_t band = p.tile / (d_hidden / 16) * 8 + p.row;
    const size_t unit =
      p.tile % (d_hidden / 16) * 16 + p.k / 2 * 8 + 2 * p.t + p.k % 2;
    fc2_tiles[i] = fc2[band * d_hidden + unit];
  }
}

size_t gpu_band_mlp_shared(int n_bands, int d_model)
{
  return shared_size(n_bands, most_frames(d_model));
}

void gpu_band_mlp_run(const gpu_band_mlp*   mlp,
                      int64_t               n_frames,
                      const float*          x,
                      float*                y,
                      maudio_cuda_precision precision,
                      cudaStream_t          stream)
{
  switch (precision) {
  case MAUDIO_CUDA_FLOAT32:
    launch<GPU_SPLIT>(mlp, n_frames, x, y, stream);
    break;
  case MAUDIO_CUDA_TF32:
    launch<GPU_TF32>(mlp, n_frames, x, y, stream);
    break;
  case MAUDIO_CUDA_BF16:
    launch<GPU_BF16>(mlp, n_frames, x, y, stream);
    break;
  }
}

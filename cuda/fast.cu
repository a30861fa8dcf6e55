#include "fast.h"

#include "front.cuh"

namespace
{

constexpr int N_THREADS = FRONT_THREADS;
constexpr int N_WARPS   = N_THREADS / GPU_WARP;
constexpr int WARP_ROWS = 16; ///< Rows that a warp has one after the other

/// As in core/steer_slow.c and core/steer_fast.c
constexpr float LEVEL_FLOOR = 1e-8f;
constexpr float MIN_LEVEL   = 1e-5f;

/// The two controls of a sample, and how far it is from one to the other
struct control_pair {
  const float* older;
  const float* newer;
  float        part;

  __device__ float at(int column) const
  {
    return (1.0f - part) * older[column] + part * newer[column];
  }
};

/// The control of hop `hop` of a slice, which may be before its first
__device__ const float*
control_of(const gpu_fast& f, const gpu_fast_batch& b, int slice, int64_t hop)
{
  return hop >= 0
           ? b.controls + (b.front.slices[slice].first_frame + hop) * f.stride
           : b.slices[slice].controls + (GPU_PAST_CONTROLS + hop) * f.stride;
}

__device__ control_pair controls_at(const gpu_fast&       f,
                                    const gpu_fast_batch& b,
                                    int                   slice,
                                    int64_t               at)
{
  const int64_t hop      = at / b.spectral.hop;
  const int     position = (int)(at % b.spectral.hop);
  const bool    is_early = position < f.delay;
  const int64_t newest   = is_early ? hop - 2 : hop - 1;
  const int     since =
    (is_early ? position + b.spectral.hop : position) - f.delay + 1;
  return {control_of(f, b, slice, newest - 1), control_of(f, b, slice, newest),
          since < f.fade ? (float)since / (float)f.fade : 1.0f};
}

__device__ float level_at(const gpu_fast& f, const control_pair& controls)
{
  return fmaxf(controls.at(f.n_taps + f.d_model), MIN_LEVEL);
}

/// Filtered sample `at` of a slice, which may be before its first
__device__ float
z_at(const gpu_fast& f, const gpu_fast_slice& slice, int channel, int64_t at)
{
  return at >= 0 ? slice.z[channel][at]
                 : slice.past_z[channel][f.n_past_z + at];
}

/// A block of threads has a frame
__global__ __launch_bounds__(N_THREADS) void levels_kernel(gpu_fast       f,
                                                           gpu_fast_batch b)
{
  __shared__ float       sums[N_WARPS];
  const gpu_spectral&    s     = b.spectral;
  const int64_t          frame = b.front.first_frame + blockIdx.x;
  const gpu_front_slice& slice =
    b.front.slices[find_slice(b.front, frame, true)];
  const int64_t end = (frame - slice.first_frame + 1) * s.hop;
  float         sum = 0.0f;
  for (int c = 0; c < slice.n_channels; ++c) {
    for (int i = threadIdx.x; i < s.window; i += N_THREADS) {
      const float x =
        clamped_at(s, slice, c, end - s.window + i) * s.analysis[i];
      sum = fmaf(x, x, sum);
    }
  }
  sum = warp_sum(sum);
  if (threadIdx.x % GPU_WARP == 0) {
    sums[threadIdx.x / GPU_WARP] = sum;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0.0f;
    for (int i = 0; i < N_WARPS; ++i) {
      total += sums[i];
    }
    b.controls[frame * f.stride + f.n_taps + f.d_model] =
      sqrtf(total * s.power_scale / (float)slice.n_channels + LEVEL_FLOOR);
  }
}

__global__ __launch_bounds__(N_THREADS) void filter_kernel(gpu_fast       f,
                                                           gpu_fast_batch b)
{
  const int              number  = (int)blockIdx.y;
  const gpu_front_slice& slice   = b.front.slices[number];
  const int              channel = (int)blockIdx.z;
  if (channel >= slice.n_channels) {
    return;
  }
  for (int64_t at = (int64_t)blockIdx.x * N_THREADS + threadIdx.x;
       at < slice.n_samples; at += (int64_t)gridDim.x * N_THREADS) {
    const control_pair controls = controls_at(f, b, number, at);
    float              older    = 0.0f;
    float              newer    = 0.0f;
    int64_t            from     = at;
    for (int k = 0; k < f.n_taps; ++k, from -= f.n_phases) {
      const float x = clamped_at(b.spectral, slice, channel, from);
      newer         = fmaf(controls.newer[k], x, newer);
      older         = fmaf(controls.older[k], x, older);
    }
    b.slices[number].z[channel][at] =
      controls.part < 1.0f
        ? (1.0f - controls.part) * older + controls.part * newer
        : newer;
  }
}

/// The rows of a warp, one after the other
struct row_walk {
  int64_t row;
  int64_t end;
  int     piece;

  __device__ row_walk(const gpu_fast& f, const gpu_fast_round& r)
  {
    const int64_t warp = (int64_t)blockIdx.x * N_WARPS + threadIdx.x / GPU_WARP;
    row                = warp * WARP_ROWS;
    end                = min(row + WARP_ROWS, r.n_rows);
    const int64_t frame = row / f.n_phases;
    int           low   = 0;
    int           high  = r.n_pieces - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (r.pieces[middle].first <= frame) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    piece = low;
  }

  /// Move on, unless this was the last row
  __device__ void next(const gpu_fast& f, const gpu_fast_round& r)
  {
    ++row;
    const gpu_fast_piece& p = r.pieces[piece];
    if (row < end && row >= (p.first + p.n_frames) * f.n_phases) {
      ++piece;
    }
  }

  /// The sample of the slice that this row is about
  __device__ int64_t sample(const gpu_fast& f, const gpu_fast_piece& p) const
  {
    return row + (p.from - p.first) * f.n_phases;
  }
};

__global__ __launch_bounds__(N_THREADS) void enter_kernel(gpu_fast       f,
                                                          gpu_fast_batch b,
                                                          gpu_fast_round r,
                                                          float*         past,
                                                          float* context)
{
  const int lane = threadIdx.x % GPU_WARP;
  for (row_walk walk(f, r); walk.row < walk.end; walk.next(f, r)) {
    const gpu_fast_piece&  p      = r.pieces[walk.piece];
    const gpu_front_slice& slice  = b.front.slices[p.slice];
    const int64_t          sample = walk.sample(f, p);
    float* const           to     = past + walk.row * 2 * f.n_past;
    float* const           added  = context + walk.row * f.d_model;
    if (sample >= slice.n_samples) { // The last frame of a signal has a gap
      for (int i = lane; i < 2 * f.n_past; i += GPU_WARP) {
        to[i] = 0.0f;
      }
      for (int e = lane; e < f.d_model; e += GPU_WARP) {
        added[e] = 0.0f;
      }
      continue;
    }
    const control_pair controls = controls_at(f, b, p.slice, sample);
    const float        scale    = 1.0f / level_at(f, controls);
    for (int i = lane; i < f.n_past; i += GPU_WARP) {
      const int64_t at = sample - (int64_t)i * f.n_phases;
      to[i]            = clamped_at(b.spectral, slice, p.channel, at) * scale;
      to[f.n_past + i] = z_at(f, b.slices[p.slice], p.channel, at) * scale;
    }
    for (int e = lane; e < f.d_model; e += GPU_WARP) {
      added[e] = controls.at(f.n_taps + e);
    }
  }
}

__global__ __launch_bounds__(N_THREADS) void leave_kernel(gpu_fast       f,
                                                          gpu_fast_batch b,
                                                          gpu_fast_round r,
                                                          const float*   u)
{
  const int lane = threadIdx.x % GPU_WARP;
  for (row_walk walk(f, r); walk.row < walk.end; walk.next(f, r)) {
    const float* const from    = u + walk.row * f.d_model;
    float              squares = 0.0f;
    float              sum     = 0.0f;
    for (int e = lane; e < f.d_model; e += GPU_WARP) {
      squares = fmaf(from[e], from[e], squares);
      sum     = fmaf(from[e], f.out[e], sum);
    }
    squares = warp_sum(squares);
    sum     = warp_sum(sum);

    const gpu_fast_piece&  p      = r.pieces[walk.piece];
    const gpu_front_slice& slice  = b.front.slices[p.slice];
    const int64_t          sample = walk.sample(f, p);
    if (lane == 0 && sample < slice.n_samples) {
      const float rms   = sqrtf(squares / (float)f.d_model + f.norm_eps);
      const float level = level_at(f, controls_at(f, b, p.slice, sample));
      const float dry   = sample_at(b.spectral, slice, p.channel, sample);
      const float own =
        b.slices[p.slice].z[p.channel][sample] + level * (sum / rms);
      const float wet =
        slice.floor >= 1.0f ? dry : own + slice.floor * (dry - own);
      slice.out[p.channel][sample] = slice.strength >= 1.0f ? wet
                                     : slice.strength <= 0.0f
                                       ? dry
                                       : dry + slice.strength * (wet - dry);
    }
  }
}

/// A block of threads has a channel for itself, and the first one the controls
__global__ __launch_bounds__(N_THREADS) void fast_keep_kernel(gpu_fast       f,
                                                              gpu_fast_batch b)
{
  const int              number  = (int)blockIdx.x;
  const int              channel = (int)blockIdx.y;
  const gpu_front_slice& slice   = b.front.slices[number];
  if (channel >= slice.n_channels || slice.n_frames == 0) {
    return;
  }
  keep_past(b.spectral, slice, channel);

  // What is read lies after what is written, in both
  const gpu_fast_slice& own    = b.slices[number];
  const int64_t         n_used = slice.n_frames * b.spectral.hop;
  for (int first = 0; first < f.n_past_z; first += N_THREADS) {
    const int   i = first + (int)threadIdx.x;
    const float z =
      i < f.n_past_z ? z_at(f, own, channel, n_used - f.n_past_z + i) : 0.0f;
    __syncthreads();
    if (i < f.n_past_z) {
      own.past_z[channel][i] = z;
    }
    __syncthreads();
  }
  for (int i = threadIdx.x; channel == 0 && i < f.stride; i += N_THREADS) {
    for (int k = 0; k < GPU_PAST_CONTROLS; ++k) {
      own.controls[k * f.stride + i] =
        control_of(f, b, number, slice.n_frames - GPU_PAST_CONTROLS + k)[i];
    }
  }
}

unsigned row_blocks(const gpu_fast_round* round)
{
  const int64_t n = N_WARPS * WARP_ROWS;
  return (unsigned)((round->n_rows + n - 1) / n);
}

} // namespace

void gpu_fast_levels(const gpu_fast*       fast,
                     const gpu_fast_batch* batch,
                     cudaStream_t          stream)
{
  if (batch->front.n_frames) {
    GPU_LAUNCH(levels_kernel, (unsigned)batch->front.n_frames, N_THREADS, 0,
               stream, *fast, *batch);
  }
}

void gpu_fast_filter(const gpu_fast*       fast,
                     const gpu_fast_batch* batch,
                     cudaStream_t          stream)
{
  const int64_t n_blocks =
    (batch->front.most_samples + N_THREADS - 1) / N_THREADS;
  GPU_LAUNCH(filter_kernel,
             dim3((unsigned)(n_blocks < 4096 ? n_blocks : 4096),
                  (unsigned)batch->front.n_slices, MAUDIO_MAX_CHANNELS),
             N_THREADS, 0, stream, *fast, *batch);
}

void gpu_fast_enter(const gpu_fast*       fast,
                    const gpu_fast_batch* batch,
                    const gpu_fast_round* round,
                    float*                past,
                    float*                context,
                    cudaStream_t          stream)
{
  GPU_LAUNCH(enter_kernel, row_blocks(round), N_THREADS, 0, stream, *fast,
             *batch, *round, past, context);
}

void gpu_fast_leave(const gpu_fast*       fast,
                    const gpu_fast_batch* batch,
                    const gpu_fast_round* round,
                    const float*          u,
                    cudaStream_t          stream)
{
  GPU_LAUNCH(leave_kernel, row_blocks(round), N_THREADS, 0, stream, *fast,
             *batch, *round, u);
}

void gpu_fast_keep(const gpu_fast*       fast,
                   const gpu_fast_batch* batch,
                   cudaStream_t          stream)
{
  GPU_LAUNCH(fast_keep_kernel,
             dim3((unsigned)batch->front.n_slices, MAUDIO_MAX_CHANNELS),
             N_THREADS, 0, stream, *fast, *batch);
}

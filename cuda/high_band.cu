#include "front.h"

#include "front.cuh"

namespace
{

constexpr int N_THREADS = FRONT_THREADS;

/// Hops whose powers are on their way while others are learnt from
constexpr int N_AHEAD = 8;

/// Mean magnitude of the bins `first` to `last` of a mask; of a warp
__device__ float mean_magnitude(const float* mask, int first, int last)
{
  float sum = 0.0f;
  for (int k = first + (int)threadIdx.x % GPU_WARP; k <= last; k += GPU_WARP) {
    sum += sqrtf(power(mask_bin(mask, k)));
  }
  return warp_sum(sum) / (float)(last - first + 1);
}

/// Mean power of a band of a frame, all channels; of a warp
__device__ float band_power(const gpu_spectral&    s,
                            const gpu_front_slice& slice,
                            const float2*          spectra,
                            int64_t                frame,
                            uint32_t               band)
{
  const int first = (int)s.high.edges[band];
  const int end   = (int)s.high.edges[band + 1];
  float     sum   = 0.0f;
  for (int c = 0; c < slice.n_channels; ++c) {
    const float2* const x = frame_at(s, slice, spectra, c, frame);
    for (int j = first + (int)threadIdx.x % GPU_WARP; j < end; j += GPU_WARP) {
      sum += power(x[j]);
    }
  }
  return warp_sum(sum) / (float)((end - first) * slice.n_channels);
}

/// A block of threads has a frame for itself; a warp takes one sum at a time
__global__
__launch_bounds__(N_THREADS) void powers_kernel(gpu_spectral    s,
                                                gpu_front_batch b,
                                                const float2*   spectra,
                                                const float*    masks,
                                                int64_t         stride,
                                                gpu_high*       high)
{
  const int64_t          frame = b.first_frame + blockIdx.x;
  const gpu_front_slice& slice = b.slices[find_slice(b, frame, true)];
  const int64_t          own   = frame - slice.first_frame - s.lookahead;
  const float* const     mask  = masks + frame * stride;
  gpu_high* const        to    = &high[frame];
  const int              n     = (int)s.high.n_bands;
  const int              k     = s.n_model_bins;
  const int              last  = MAUDIO_HIGH_LAST(k);
  for (int i = (int)threadIdx.x / GPU_WARP; i < n + 2;
       i += N_THREADS / GPU_WARP) {
    if (i == n) {
      to->mask.gain = mean_magnitude(mask, MAUDIO_HIGH_GAIN_FIRST(k), last);
    } else if (i == n + 1) {
      to->mask.opened = mean_magnitude(mask, MAUDIO_HIGH_OPENED_FIRST(k), last);
    } else {
      to->powers[i] = band_power(s, slice, spectra, own, (uint32_t)i);
    }
  }
}

/// A thread walks through the frames of a slice with the noise of one band
__global__ __launch_bounds__(GPU_WARP) void learn_kernel(gpu_spectral    s,
                                                         gpu_front_batch b,
                                                         gpu_high*       high)
{
  const gpu_front_slice& slice = b.slices[blockIdx.x];
  const int              band  = (int)threadIdx.x;
  if (band >= (int)s.high.n_bands || slice.n_frames == 0) {
    return;
  }
  maudio_high_noise noise = slice.noise[band];
  gpu_high* const   own   = high + slice.first_frame;
  for (int64_t first = 0; first < slice.n_frames; first += N_AHEAD) {
    float powers[N_AHEAD];
    float rates[N_AHEAD];
#pragma unroll
    for (int i = 0; i < N_AHEAD; ++i) {
      const bool is_there = first + i < slice.n_frames;
      powers[i]           = is_there ? own[first + i].powers[band] : 0.0f;
      rates[i]            = maudio_high_band_rate(
                   s.high.step, is_there ? own[first + i].mask.opened : 1.0f, powers[i]);
    }
#pragma unroll
    for (int i = 0; i < N_AHEAD; ++i) {
      if (first + i < slice.n_frames) {
        own[first + i].noise[band] =
          maudio_high_band_learn(&noise, rates[i], powers[i]);
      }
    }
  }
  slice.noise[band] = noise;
}

} // namespace

void gpu_front_high(const gpu_spectral*    spectral,
                    const gpu_front_batch* batch,
                    const float2*          spectra,
                    const float*           mask,
                    int64_t                stride,
                    gpu_high*              high,
                    cudaStream_t           stream)
{
  GPU_LAUNCH(powers_kernel, (unsigned)batch->n_frames, N_THREADS, 0, stream,
             *spectral, *batch, spectra, mask, stride, high);
  GPU_LAUNCH(learn_kernel, (unsigned)batch->n_slices, GPU_WARP, 0, stream,
             *spectral, *batch, high);
}

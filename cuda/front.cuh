/** @file
 * Samples of slices as kernels see them, those before a slice included, and
 * bins.
 */
#ifndef MAUDIO_FRONT_CUH
#define MAUDIO_FRONT_CUH

#include "device.cuh"
#include "front.h"

#define FRONT_THREADS 256

/// As in core/spectral.c
#define FRONT_MAX_SAMPLE 1e9f

static __device__ __forceinline__ float power(float2 x)
{
  return x.x * x.x + x.y * x.y;
}

/// Bin `k` of the model's mask, 1 added
static __device__ __forceinline__ float2 mask_bin(const float* mask, int k)
{
  return make_float2(1.0f + mask[2 * k], mask[2 * k + 1]);
}

static __device__ __forceinline__ float2 multiply(float2 a, float2 b)
{
  return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

static __device__ __forceinline__ float2 interpolate(float2 a,
                                                     float2 b,
                                                     float  fraction)
{
  return make_float2(a.x + fraction * (b.x - a.x),
                     a.y + fraction * (b.y - a.y));
}

/// The mask at a bin of the transform within the trained band
static __device__ __forceinline__ float2 mask_at(const float*       mask,
                                                 maudio_mask_source source)
{
  return interpolate(mask_bin(mask, (int)source.lower),
                     mask_bin(mask, (int)source.upper), source.fraction);
}

/// Whether bin `j` is of a real number in spectra of real signals
static __device__ __forceinline__ bool is_real_bin(const gpu_spectral& s, int j)
{
  return j == 0 || j == s.n_bins - 1;
}

/// Return the last slice whose first row, or frame, is not after `at`
static __device__ __forceinline__ int
find_slice(const gpu_front_batch& b, int64_t at, bool is_frame)
{
  int low  = 0;
  int high = b.n_slices - 1;
  while (low < high) {
    const int     middle = (low + high + 1) / 2;
    const int64_t first =
      is_frame ? b.slices[middle].first_frame : b.slices[middle].first_row;
    if (first <= at) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/// Sample `at` of a slice, which may be before its first
static __device__ __forceinline__ float sample_at(const gpu_spectral&    s,
                                                  const gpu_front_slice& slice,
                                                  int     channel,
                                                  int64_t at)
{
  return at >= 0 ? finite_or_zero(slice.in[channel][at])
                 : slice.channels[channel].past[s.n_past + at];
}

/// The same as networks hear it: squares of greater ones would overflow
static __device__ __forceinline__ float clamped_at(const gpu_spectral&    s,
                                                   const gpu_front_slice& slice,
                                                   int     channel,
                                                   int64_t at)
{
  const float x = sample_at(s, slice, channel, at);
  return fminf(fmaxf(x, -FRONT_MAX_SAMPLE), FRONT_MAX_SAMPLE);
}

/// A frame of a channel, which may be before the slice: then it has kept_bins
static __device__ __forceinline__ const float2*
frame_at(const gpu_spectral&    s,
         const gpu_front_slice& slice,
         const float2*          spectra,
         int                    channel,
         int64_t                frame)
{
  return frame >= 0
           ? spectra +
               (slice.first_row + channel * slice.n_frames + frame) * s.n_bins
           : slice.channels[channel].frames + (s.n_kept + frame) * s.kept_bins;
}

/// Keep the last samples of a channel, for the next slice; a block of
/// FRONT_THREADS has the channel for itself
static __device__ __forceinline__ void
keep_past(const gpu_spectral& s, const gpu_front_slice& slice, int channel)
{
  // Samples move down: what is read lies at or after what is written
  float* const  past   = slice.channels[channel].past;
  const int64_t n_used = slice.n_frames * s.hop;
  for (int first = 0; first < s.n_past; first += FRONT_THREADS) {
    const int   i = first + (int)threadIdx.x;
    const float x =
      i < s.n_past ? sample_at(s, slice, channel, n_used - s.n_past + i) : 0.0f;
    __syncthreads();
    if (i < s.n_past) {
      past[i] = x;
    }
    __syncthreads();
  }
}

#endif /* MAUDIO_FRONT_CUH */

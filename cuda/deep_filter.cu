#include "front.h"

#include "front.cuh"

namespace
{

constexpr int N_THREADS = 128;

/// As in core/deep_filter.c
constexpr float NOTHING = 1e-12f;

/// Tap `p` of bin `k` of the model, turned as a tone there turns from that
/// frame to the masked one
__device__ float2 turned_tap(const gpu_spectral& s,
                             const float2*       taps,
                             uint32_t            k,
                             uint32_t            p)
{
  if (k >= s.filter.n_bins) {
    return make_float2(0.0f, 0.0f);
  }
  const uint32_t at = k * s.filter.n_delays + p;
  return multiply(taps[at], s.turns[at]);
}

/// Bin `j` of a frame times its mask, and other frames times their taps
__device__ float2 filter_bin(const gpu_spectral&    s,
                             const gpu_front_slice& slice,
                             const float2*          spectra,
                             const float*           mask,
                             int                    channel,
                             int64_t                frame,
                             int                    j)
{
  const maudio_mask_source source = s.masks[j];
  const float2* const      taps =
    reinterpret_cast<const float2*>(mask + 2 * s.n_model_bins);
  float2 y = multiply(frame_at(s, slice, spectra, channel, frame)[j],
                      mask_at(mask, source));
  for (uint32_t p = 0; p < s.filter.n_delays; ++p) {
    float2 tap = turned_tap(s, taps, source.lower, p);
    if (source.fraction > 0.0f) {
      tap = interpolate(tap, turned_tap(s, taps, source.lower + 1, p),
                        source.fraction);
    }
    const float2 x = multiply(
      frame_at(s, slice, spectra, channel, frame - s.filter.delays[p])[j], tap);
    y = make_float2(y.x + x.x, y.y + x.y);
  }
  return y;
}

/// The least that is left of bin `j`, all channels together, where `y` is what
/// would be left of it in `channel`
__device__ float2 limit(const gpu_spectral&    s,
                        const gpu_front_slice& slice,
                        const float2*          spectra,
                        const float*           mask,
                        int                    channel,
                        int64_t                frame,
                        int                    j,
                        float2                 y)
{
  const float2 own    = frame_at(s, slice, spectra, channel, frame)[j];
  float        before = power(own);
  float        after  = power(y);
  for (int c = 0; c < slice.n_channels; ++c) {
    if (c != channel) {
      before += power(frame_at(s, slice, spectra, c, frame)[j]);
      after += power(filter_bin(s, slice, spectra, mask, c, frame, j));
    }
  }
  if (after >= slice.floor * slice.floor * before) {
    return y;
  }
  const bool  has_phase = after > NOTHING * before;
  const float scale =
    has_phase ? slice.floor * sqrtf(before / after) : slice.floor;
  return has_phase ? make_float2(scale * y.x, scale * y.y)
                   : make_float2(scale * own.x, scale * own.y);
}

__global__
__launch_bounds__(N_THREADS) void filter_kernel(gpu_spectral    s,
                                                gpu_front_batch b,
                                                int64_t         first_row,
                                                const float2*   spectra,
                                                const float*    masks,
                                                int64_t         stride,
                                                float2*         masked)
{
  const int64_t          row     = first_row + blockIdx.x;
  const gpu_front_slice& slice   = b.slices[find_slice(b, row, false)];
  const int64_t          own     = row - slice.first_row;
  const int              channel = (int)(own / slice.n_frames);
  const int64_t          hop     = own % slice.n_frames;
  const int64_t          frame   = hop - s.lookahead;
  const float* const     mask    = masks + (slice.first_frame + hop) * stride;
  float2* const          to      = masked + (int64_t)blockIdx.x * s.n_bins;
  for (int j = threadIdx.x; j < s.n_filtered; j += N_THREADS) {
    float2 y = filter_bin(s, slice, spectra, mask, channel, frame, j);
    if (slice.floor > 0.0f) {
      y = limit(s, slice, spectra, mask, channel, frame, j, y);
    }
    to[j] = make_float2(y.x, is_real_bin(s, j) ? 0.0f : y.y);
  }
}

/// A block of threads has a channel for itself, a thread its bins
__global__
__launch_bounds__(N_THREADS) void keep_frames_kernel(gpu_spectral    s,
                                                     gpu_front_batch b,
                                                     const float2*   spectra)
{
  const gpu_front_slice& slice   = b.slices[blockIdx.x];
  const int              channel = (int)blockIdx.y;
  if (channel >= slice.n_channels || slice.n_frames == 0) {
    return;
  }
  float2* const frames = slice.channels[channel].frames;
  for (int j = threadIdx.x; j < s.kept_bins; j += N_THREADS) {
    // Those of before a short slice move down, and have not been overwritten
    for (int i = 0; i < s.n_kept; ++i) {
      frames[i * s.kept_bins + j] =
        frame_at(s, slice, spectra, channel, slice.n_frames - s.n_kept + i)[j];
    }
  }
}

} // namespace

void gpu_front_filter(const gpu_spectral*    spectral,
                      const gpu_front_batch* batch,
                      int64_t                first_row,
                      int64_t                n_rows,
                      const float2*          spectra,
                      const float*           mask,
                      int64_t                stride,
                      float2*                masked,
                      cudaStream_t           stream)
{
  GPU_LAUNCH(filter_kernel, (unsigned)n_rows, N_THREADS, 0, stream, *spectral,
             *batch, first_row, spectra, mask, stride, masked);
}

void gpu_front_keep_frames(const gpu_spectral*    spectral,
                           const gpu_front_batch* batch,
                           const float2*          spectra,
                           cudaStream_t           stream)
{
  GPU_LAUNCH(keep_frames_kernel,
             dim3((unsigned)batch->n_slices, MAUDIO_MAX_CHANNELS), N_THREADS, 0,
             stream, *spectral, *batch, spectra);
}

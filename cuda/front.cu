#include "front.h"

#include "front.cuh"

namespace
{

constexpr int N_THREADS = FRONT_THREADS;

/// As in core/spectral.c
constexpr float CANCELLED = 1e-3f;

__global__ __launch_bounds__(N_THREADS) void gather_kernel(gpu_spectral    s,
                                                           gpu_front_batch b,
                                                           int64_t first_row,
                                                           float*  time)
{
  const int64_t          row     = first_row + blockIdx.x;
  const gpu_front_slice& slice   = b.slices[find_slice(b, row, false)];
  const int64_t          own     = row - slice.first_row;
  const int              channel = (int)(own / slice.n_frames);
  const int64_t          end     = (own % slice.n_frames + 1) * s.hop;
  float* const           to      = time + (int64_t)blockIdx.x * s.n_fft;
  for (int i = threadIdx.x; i < s.n_fft; i += N_THREADS) {
    float x = 0.0f;
    if (i < s.window) {
      x = clamped_at(s, slice, channel, end - s.window + i) * s.analysis[i];
    }
    to[i] = x;
  }
}

/// Bin `j` of two channels: their common phase and mean power
__device__ float2 merge(float2 left, float2 right)
{
  const float left_power  = power(left);
  const float right_power = power(right);
  const float total       = left_power + right_power;
  float2      mid         = make_float2(left.x + right.x, left.y + right.y);
  if (power(mid) < CANCELLED * total) {
    mid = left_power < right_power ? right : left;
  }
  const float mid_power = power(mid);
  const float scale = mid_power > 0.0f ? sqrtf(0.5f * total / mid_power) : 0.0f;
  return make_float2(mid.x * scale, mid.y * scale);
}

__global__
__launch_bounds__(N_THREADS) void features_kernel(gpu_spectral    s,
                                                  gpu_front_batch b,
                                                  const float2*   spectra,
                                                  float*          features,
                                                  int64_t         stride)
{
  const int64_t          frame = b.first_frame + blockIdx.x;
  const gpu_front_slice& slice = b.slices[find_slice(b, frame, true)];
  const int64_t          own   = slice.first_row + frame - slice.first_frame;
  const float2* const    x0    = spectra + own * s.n_bins;
  const float2* const    x1    = x0 + slice.n_frames * s.n_bins;
  const bool             is_stereo = slice.n_channels == 2;
  float* const           to        = features + frame * stride;
  const float            exponent  = 0.5f * (s.compress - 1.0f);

  for (int k = threadIdx.x; k < s.n_model_bins; k += N_THREADS) {
    float re = 0.0f;
    float im = 0.0f;
    if (k < s.n_sources) {
      const maudio_bin_source source = s.sources[k];
      const int               j      = (int)source.lower;
      const int               i      = j + 1 < s.n_bins ? j + 1 : j;
      const float2            a      = is_stereo ? merge(x0[j], x1[j]) : x0[j];
      const float2            c      = is_stereo ? merge(x0[i], x1[i]) : x0[i];
      const float             ar     = source.weights[0].r;
      const float             ai     = source.weights[0].i;
      const float             cr     = source.weights[1].r;
      const float             ci     = source.weights[1].i;
      re = (ar * a.x - ai * a.y) + (cr * c.x - ci * c.y);
      im = (ar * a.y + ai * a.x) + (cr * c.y + ci * c.x);
    }
    const float log_power = logf(re * re + im * im + s.power_floor);
    const float gain      = expf(exponent * log_power);
    to[3 * k]             = re * gain;
    to[3 * k + 1]         = im * gain;
    to[3 * k + 2]         = fmaf(log_power, 0.1f, 1.0f);
  }
}

__global__ __launch_bounds__(N_THREADS) void raise_kernel(gpu_spectral    s,
                                                          gpu_front_batch b,
                                                          float*          masks,
                                                          int64_t stride)
{
  float* const mask     = masks + (b.first_frame + blockIdx.x) * stride;
  const int    n_taps   = 2 * (int)s.filter.n_delays;
  const float  exponent = 0.5f * (s.mask_power - 1.0f);
  for (int k = threadIdx.x; k < s.n_model_bins; k += N_THREADS) {
    const float2 m    = mask_bin(mask, k);
    const float  gain = s.mask_power == 2.0f
                          ? sqrtf(power(m))
                          : expf(exponent * logf(power(m) + 1e-12f));
    mask[2 * k]       = gain * m.x - 1.0f;
    mask[2 * k + 1]   = gain * m.y;
    if (k < (int)s.filter.n_bins) {
      float* const taps = mask + 2 * s.n_model_bins + k * n_taps;
      for (int i = 0; i < n_taps; ++i) {
        taps[i] *= gain;
      }
    }
  }
}

/// Keep the magnitude of a gain from falling below `floor`
__device__ float2 limit(float2 gain, float floor)
{
  const float m = sqrtf(power(gain));
  if (m >= floor) {
    return gain;
  }
  return m > 1e-6f ? make_float2(gain.x * (floor / m), gain.y * (floor / m))
                   : make_float2(floor, 0.0f);
}

__global__ __launch_bounds__(N_THREADS) void mask_kernel(gpu_spectral    s,
                                                         gpu_front_batch b,
                                                         int64_t first_row,
                                                         const float2* spectra,
                                                         const float*  masks,
                                                         int64_t       stride,
                                                         const gpu_high* high,
                                                         float2*         masked)
{
  const int64_t          row   = first_row + blockIdx.x;
  const gpu_front_slice& slice = b.slices[find_slice(b, row, false)];
  const int64_t          own   = row - slice.first_row;
  const int64_t          hop   = own % slice.n_frames;
  const int64_t          frame = slice.first_frame + hop;
  const float* const     mask  = masks + frame * stride;
  const float2* const    x =
    frame_at(s, slice, spectra, (int)(own / slice.n_frames), hop - s.lookahead);
  float2* const to = masked + (int64_t)blockIdx.x * s.n_bins;

  __shared__ float gains[MAUDIO_MAX_HIGH_BANDS];
  if (threadIdx.x < s.high.n_bands) {
    const gpu_high* const h = &high[frame];
    gains[threadIdx.x] = maudio_high_band_gain(h->mask, h->powers[threadIdx.x],
                                               h->noise[threadIdx.x]);
  }
  __syncthreads();

  for (int j = s.n_filtered + threadIdx.x; j < s.n_bins; j += N_THREADS) {
    const maudio_mask_source source = s.masks[j];
    float2                   gain;
    if (j < s.n_inside) {
      gain = mask_at(mask, source);
    } else {
      const float a = gains[source.lower];
      gain = make_float2(a + source.fraction * (gains[source.upper] - a), 0.0f);
    }
    if (slice.floor > 0.0f) {
      gain = limit(gain, slice.floor);
    }
    const float2 y = multiply(x[j], gain);
    to[j]          = make_float2(y.x, is_real_bin(s, j) ? 0.0f : y.y);
  }
}

__global__ __launch_bounds__(N_THREADS) void tails_kernel(gpu_spectral s,
                                                          const float* time,
                                                          float*       tails)
{
  const float* const from =
    time + (int64_t)blockIdx.x * s.n_fft + s.window - 2 * s.hop;
  float* const to = tails + (int64_t)blockIdx.x * 2 * s.hop;
  for (int i = threadIdx.x; i < 2 * s.hop; i += N_THREADS) {
    to[i] = from[i] * s.synthesis[i];
  }
}

/// What is played at sample `i` of hop `m`: of the frame before it
__device__ float wet_at(const gpu_spectral& s,
                        const gpu_channel&  channel,
                        const float*        tails,
                        int64_t             m,
                        int                 i)
{
  if (m == 0) {
    return channel.wet[i];
  }
  const float* const tail   = tails + (m - 1) * 2 * s.hop;
  const float        before = m == 1 ? channel.overlap[i] : tail[i - s.hop];
  return before + tail[i];
}

__global__ __launch_bounds__(N_THREADS) void play_kernel(gpu_spectral    s,
                                                         gpu_front_batch b,
                                                         const float* all_tails)
{
  const gpu_front_slice& slice   = b.slices[blockIdx.y];
  const int              channel = (int)blockIdx.z;
  if (channel >= slice.n_channels) {
    return;
  }
  const float* const tails =
    all_tails + (slice.first_row + channel * slice.n_frames) * 2 * s.hop;
  for (int64_t at = (int64_t)blockIdx.x * N_THREADS + threadIdx.x;
       at < slice.n_samples; at += (int64_t)gridDim.x * N_THREADS) {
    const float wet =
      wet_at(s, slice.channels[channel], tails, at / s.hop, (int)(at % s.hop));
    const float dry        = sample_at(s, slice, channel, at - s.latency);
    slice.out[channel][at] = slice.strength >= 1.0f ? wet
                             : slice.strength <= 0.0f
                               ? dry
                               : dry + slice.strength * (wet - dry);
  }
}

/// The state after the slice; a block of threads has a channel for itself
__global__ __launch_bounds__(N_THREADS) void keep_kernel(gpu_spectral    s,
                                                         gpu_front_batch b,
                                                         const float* all_tails)
{
  const gpu_front_slice& slice   = b.slices[blockIdx.x];
  const int              channel = (int)blockIdx.y;
  if (channel >= slice.n_channels || slice.n_frames == 0) {
    return;
  }
  const gpu_channel  own = slice.channels[channel];
  const float* const tails =
    all_tails + (slice.first_row + channel * slice.n_frames) * 2 * s.hop;
  for (int i = threadIdx.x; i < s.hop; i += N_THREADS) {
    const float wet = wet_at(s, own, tails, slice.n_frames, i);
    own.overlap[i]  = tails[(slice.n_frames * 2 - 1) * s.hop + i];
    own.wet[i]      = wet;
  }
  keep_past(s, slice, channel);
}

} // namespace

void gpu_front_gather(const gpu_spectral*    spectral,
                      const gpu_front_batch* batch,
                      int64_t                first_row,
                      int64_t                n_rows,
                      float*                 time,
                      cudaStream_t           stream)
{
  GPU_LAUNCH(gather_kernel, (unsigned)n_rows, N_THREADS, 0, stream, *spectral,
             *batch, first_row, time);
}

void gpu_front_features(const gpu_spectral*    spectral,
                        const gpu_front_batch* batch,
                        const float2*          spectra,
                        float*                 features,
                        int64_t                stride,
                        cudaStream_t           stream)
{
  GPU_LAUNCH(features_kernel, (unsigned)batch->n_frames, N_THREADS, 0, stream,
             *spectral, *batch, spectra, features, stride);
}

void gpu_front_raise(const gpu_spectral*    spectral,
                     const gpu_front_batch* batch,
                     float*                 mask,
                     int64_t                stride,
                     cudaStream_t           stream)
{
  if (spectral->mask_power != 1.0f) {
    GPU_LAUNCH(raise_kernel, (unsigned)batch->n_frames, N_THREADS, 0, stream,
               *spectral, *batch, mask, stride);
  }
}

void gpu_front_mask(const gpu_spectral*    spectral,
                    const gpu_front_batch* batch,
                    int64_t                first_row,
                    int64_t                n_rows,
                    const float2*          spectra,
                    const float*           mask,
                    int64_t                stride,
                    const gpu_high*        high,
                    float2*                masked,
                    cudaStream_t           stream)
{
  GPU_LAUNCH(mask_kernel, (unsigned)n_rows, N_THREADS, 0, stream, *spectral,
             *batch, first_row, spectra, mask, stride, high, masked);
}

void gpu_front_tails(const gpu_spectral* spectral,
                     int64_t             n_rows,
                     const float*        time,
                     float*              tails,
                     cudaStream_t        stream)
{
  GPU_LAUNCH(tails_kernel, (unsigned)n_rows, N_THREADS, 0, stream, *spectral,
             time, tails);
}

void gpu_front_play(const gpu_spectral*    spectral,
                    const gpu_front_batch* batch,
                    const float*           tails,
                    cudaStream_t           stream)
{
  const unsigned n_slices = (unsigned)batch->n_slices;
  const int64_t  n_blocks = (batch->most_samples + N_THREADS - 1) / N_THREADS;
  GPU_LAUNCH(play_kernel,
             dim3((unsigned)(n_blocks < 4096 ? n_blocks : 4096), n_slices,
                  MAUDIO_MAX_CHANNELS),
             N_THREADS, 0, stream, *spectral, *batch, tails);
  GPU_LAUNCH(keep_kernel, dim3(n_slices, MAUDIO_MAX_CHANNELS), N_THREADS, 0,
             stream, *spectral, *batch, tails);
}

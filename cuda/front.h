/** @file
 * The spectral front end on the GPU: samples to features, masks to samples
 * (core/spectral.h), for many slices of one rate.
 */
#ifndef MAUDIO_FRONT_H
#define MAUDIO_FRONT_H

#include "maudio.h"
#include "spectral.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Sizes and tables of core/spectral.h, the tables on the GPU
typedef struct {
  int   window;
  int   hop;
  int   n_fft;
  int   n_bins;
  int   n_model_bins;
  int   n_sources;
  int   n_inside;
  int   n_past; ///< Samples kept before a slice
  float compress;
  float power_floor;
  float power_scale; ///< From a sum of squares under `analysis` to the mean
                     ///< square under a window of peak 1
  maudio_high_band     high;
  int                  lookahead;  ///< Frames from a masked one to its mask
  int                  latency;    ///< Samples that a mask is late by
  int                  n_kept;     ///< Spectra kept before a slice
  int                  kept_bins;  ///< Of each, from the lowest on
  int                  n_filtered; ///< Bins that taps on other frames add to
  maudio_filter_config filter;
  float                mask_power; ///< From 1 on

  const float*              analysis;
  const float*              synthesis;
  const maudio_bin_source*  sources;
  const maudio_mask_source* masks;
  const float2*             turns; ///< (F, P)
} gpu_spectral;

/// State of one channel besides the network's, all of it 0 at the start
typedef struct {
  float*  past;    ///< (n_past) samples before the next one
  float*  wet;     ///< (hop) to be played next, of a mask
  float*  overlap; ///< (hop) to be added to the next frame, of a mask
  float2* frames;  ///< (n_kept, kept_bins) spectra before the next
} gpu_channel;

/// Samples of one signal; rows are the frames of each of its channels
typedef struct {
  const float*       in[MAUDIO_MAX_CHANNELS];
  float*             out[MAUDIO_MAX_CHANNELS];
  gpu_channel        channels[MAUDIO_MAX_CHANNELS];
  int64_t            first_row;
  int64_t            first_frame; ///< In the batch
  int64_t            n_frames;
  int64_t            n_samples;
  int32_t            n_channels;
  float              strength;
  float              floor; ///< Least magnitude of the mask
  maudio_high_noise* noise; ///< (MAUDIO_MAX_HIGH_BANDS) state, of a mask
} gpu_front_slice;

/// A frame above the trained band
typedef struct {
  maudio_high_mask mask;
  float            powers[MAUDIO_MAX_HIGH_BANDS];
  float            noise[MAUDIO_MAX_HIGH_BANDS];
} gpu_high;

/// Slices of one rate, on the GPU
typedef struct {
  const gpu_front_slice* slices;
  int                    n_slices;
  int64_t                first_frame;
  int64_t                n_frames;
  int64_t                most_samples; ///< Of a slice
} gpu_front_batch;

/// Rows `first_row` on: windowed frames (n_rows, n_fft)
void gpu_front_gather(const gpu_spectral*    spectral,
                      const gpu_front_batch* batch,
                      int64_t                first_row,
                      int64_t                n_rows,
                      float*                 time,
                      cudaStream_t           stream);

/// spectra (rows, J) -> features (frames, stride), of the batch's frames
void gpu_front_features(const gpu_spectral*    spectral,
                        const gpu_front_batch* batch,
                        const float2*          spectra,
                        float*                 features,
                        int64_t                stride,
                        cudaStream_t           stream);

/// Raise the magnitudes of the batch's masks to the power that the model has,
/// and scale taps by what their bin is
void gpu_front_raise(const gpu_spectral*    spectral,
                     const gpu_front_batch* batch,
                     float*                 mask,
                     int64_t                stride,
                     cudaStream_t           stream);

/// What the gains above the trained band are made of, high (frames), where it
/// ends below the rate's; the noise moves on
void gpu_front_high(const gpu_spectral*    spectral,
                    const gpu_front_batch* batch,
                    const float2*          spectra,
                    const float*           mask,
                    int64_t                stride,
                    gpu_high*              high,
                    cudaStream_t           stream);

/// masked (n_rows, J) = the frames that the masks of rows `first_row` on are
/// for, times these, from bin n_filtered on
void gpu_front_mask(const gpu_spectral*    spectral,
                    const gpu_front_batch* batch,
                    int64_t                first_row,
                    int64_t                n_rows,
                    const float2*          spectra,
                    const float*           mask,
                    int64_t                stride,
                    const gpu_high*        high,
                    float2*                masked,
                    cudaStream_t           stream);

/// The bins below: the sum of those times their masks and of other frames times
/// their taps, which follow the mask of a frame. `stride` is even
void gpu_front_filter(const gpu_spectral*    spectral,
                      const gpu_front_batch* batch,
                      int64_t                first_row,
                      int64_t                n_rows,
                      const float2*          spectra,
                      const float*           mask,
                      int64_t                stride,
                      float2*                masked,
                      cudaStream_t           stream);

/// The spectra before the next slice, after all rows have been filtered
void gpu_front_keep_frames(const gpu_spectral*    spectral,
                           const gpu_front_batch* batch,
                           const float2*          spectra,
                           cudaStream_t           stream);

/// The last two hops of time (n_rows, n_fft), windowed -> tails (n_rows, 2 hop)
void gpu_front_tails(const gpu_spectral* spectral,
                     int64_t             n_rows,
                     const float*        time,
                     float*              tails,
                     cudaStream_t        stream);

/// tails (rows, 2 hop) -> output, strength applied, and the state moves on
void gpu_front_play(const gpu_spectral*    spectral,
                    const gpu_front_batch* batch,
                    const float*           tails,
                    cudaStream_t           stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_FRONT_H */

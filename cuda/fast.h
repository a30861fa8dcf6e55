/** @file
 * What a model that steers does sample by sample, but for the blocks of its
 * network: kernels for many slices of one rate (core/steer_fast.h).
 *
 * A control is a row: taps (K), the newest sample's first, context (E), level.
 * Every m-th sample is a signal of its own, a phase; the samples of all m
 * phases are a frame of the fast network, its rows.
 */
#ifndef MAUDIO_FAST_H
#define MAUDIO_FAST_H

#include "front.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Controls before a slice that its samples still depend on
#define GPU_PAST_CONTROLS 3

/// Sizes; samples are those of all phases
typedef struct {
  int          n_taps;   ///< K
  int          n_past;   ///< T of a phase that the network sees
  int          d_model;  ///< E
  int          stride;   ///< From one control to the next
  int          n_phases; ///< m
  int          delay;    ///< Samples of a hop until controls change
  int          fade;     ///< Samples that the change takes
  int          n_past_z; ///< Filtered samples kept before a slice
  float        norm_eps;
  const float* out; ///< (E), times the weight of the norm before it
} gpu_fast;

/// State of a signal besides gpu_channel, and working memory of a slice
typedef struct {
  float* z[MAUDIO_MAX_CHANNELS];       ///< Filtered samples of the slice
  float* past_z[MAUDIO_MAX_CHANNELS];  ///< (n_past_z) before them
  float* network[MAUDIO_MAX_CHANNELS]; ///< Of all phases
  float* controls; ///< (GPU_PAST_CONTROLS, stride), the last one the newest
} gpu_fast_slice;

/// Slices of one rate, on the GPU
typedef struct {
  gpu_spectral          spectral;
  gpu_front_batch       front;
  const gpu_fast_slice* slices;   ///< As those of `front`
  float*                controls; ///< (frames of the whole batch, stride)
} gpu_fast_batch;

/// Frames of a channel of a slice that run together with others
typedef struct {
  int32_t slice; ///< Among those of the group
  int32_t channel;
  int64_t first; ///< Frame of the round
  int64_t n_frames;
  int64_t from; ///< Frame of the slice
} gpu_fast_piece;

/// What runs together, on the GPU
typedef struct {
  const gpu_fast_piece* pieces;
  int                   n_pieces;
  int64_t               n_rows;
} gpu_fast_round;

/// Levels of the frames of the batch, into their controls
void gpu_fast_levels(const gpu_fast*       fast,
                     const gpu_fast_batch* batch,
                     cudaStream_t          stream);

/// Filter the samples of all slices: z
void gpu_fast_filter(const gpu_fast*       fast,
                     const gpu_fast_batch* batch,
                     cudaStream_t          stream);

/// What the network takes: past (n_rows, 2 T) over the level, to be multiplied
/// by a matrix, and context (n_rows, E), to be added
void gpu_fast_enter(const gpu_fast*       fast,
                    const gpu_fast_batch* batch,
                    const gpu_fast_round* round,
                    float*                past,
                    float*                context,
                    cudaStream_t          stream);

/// u (n_rows, E) of the network -> output, strength applied
void gpu_fast_leave(const gpu_fast*       fast,
                    const gpu_fast_batch* batch,
                    const gpu_fast_round* round,
                    const float*          u,
                    cudaStream_t          stream);

/// The state but that of the network moves on
void gpu_fast_keep(const gpu_fast*       fast,
                   const gpu_fast_batch* batch,
                   cudaStream_t          stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_FAST_H */

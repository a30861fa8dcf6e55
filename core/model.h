/** @file
 * The immutable half: weights bound, packed and ready to run.
 */
#ifndef MAUDIO_MODEL_H
#define MAUDIO_MODEL_H

#include "config.h"
#include "kernels.h"
#include "mixer.h"
#include "tensors.h"

/// One block: x + mixer(rms_norm(x))
typedef struct {
  const float*        norm; ///< (D)
  const maudio_mixer* mixer;
} maudio_layer;

/// K bins, S bands, D d_model; D' is D padded
struct maudio_model {
  maudio_config         config;
  maudio_model_info     info;
  const maudio_kernels* kernels;
  maudio_arena          arena;
  uint64_t              fingerprint; ///< Hash of the file
  size_t                d_pad;       ///< D'
  size_t                n_features;  ///< 3K
  size_t                n_mask;      ///< Stride of masks: 2K and room to spill
  size_t                n_chunk;     ///< Most frames of one run
  size_t                n_state;     ///< Floats of state of one stream
  size_t                n_scratch;   ///< Floats that a run needs besides
  const maudio_layer*   layers;      ///< (n_blocks)
  const float*          norm_f;      ///< (D)
  const float*          in_weight;   ///< (3K, D')
  const float*          in_bias;     ///< (S, D')
  const maudio_matrix*  out_weight;  ///< (S) of (D, 2 * bins of the band)
  const float*          out_bias;    ///< (2K)
};

/**
 * Run the network over up to n_chunk frames.
 *
 * @param features (n_frames, 3K): of each bin re, im, level.
 * @param[out] mask (n_frames, n_mask): of each bin re, im, 1 not yet added.
 * @param state n_state floats, all 0 at the start of a signal.
 * @param scratch n_scratch floats.
 */
void maudio_model_run(const maudio_model* model,
                      size_t              n_frames,
                      const float*        features,
                      float*              mask,
                      float*              state,
                      float*              scratch);

#endif /* MAUDIO_MODEL_H */

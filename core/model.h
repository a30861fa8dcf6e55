/** @file
 * The immutable half: weights bound, packed and ready to run.
 */
#ifndef MAUDIO_MODEL_H
#define MAUDIO_MODEL_H

#include "backbone.h"
#include "band_front.h"
#include "config.h"
#include "kernels.h"
#include "steer.h"
#include "tiers.h"
#include "token_front.h"
#include "weights.h"

struct maudio_model {
  maudio_config         config;
  maudio_model_info     info;
  const maudio_kernels* kernels;
  maudio_arena          arena;
  uint64_t              fingerprint; ///< Hash of the file
  maudio_backbone       backbone;
  maudio_band_front     bands;   ///< Of a denoiser
  maudio_steer          steer;   ///< Of one without latency, else 0
  maudio_token_front    tokens;  ///< Of a model of tokens
  maudio_tiers          tiers;   ///< Of a generator
  size_t                n_chunk; ///< Most frames of one run
  size_t                n_state; ///< Denoiser: floats of state of one stream
  size_t n_scratch;              ///< Denoiser: floats that a run needs besides
};

/// Continue the hash `h` of a file's bytes, or begin with MAUDIO_HASH
uint64_t maudio_hash(uint64_t h, const void* data, size_t size);

#define MAUDIO_HASH 0xCBF29CE484222325U

/**
 * Make a model of what `config` describes and `weights` hold.
 *
 * @param config Moved: cleared, also on failure.
 * @param label Stands for the path in error messages.
 */
maudio_status maudio_model_build(maudio_config*  config,
                                 maudio_weights* weights,
                                 uint64_t        fingerprint,
                                 const char*     label,
                                 maudio_model**  model,
                                 maudio_error*   error);

/**
 * Run a denoiser over up to n_chunk frames.
 *
 * @param features (n_frames, 3K): of each bin re, im, level.
 * @param[out] mask (n_frames, n_mask), as maudio_band_front_out() writes it;
 * NULL: the state alone moves on.
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

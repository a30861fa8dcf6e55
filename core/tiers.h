/** @file
 * The network of a generator: tiers of blocks at falling rates of steps.
 *
 * A frame of a slow tier is gathered from `pool` frames of the one before. The
 * work on it is done in pieces, over the samples until the next frame, and what
 * comes of it is heard one frame later still (docs/model-format.md): so every
 * sample does its share, whatever the tiers.
 */
#ifndef MAUDIO_TIERS_H
#define MAUDIO_TIERS_H

#include "backbone.h"
#include "config.h"
#include "linear.h"

/// A piece of the work on a frame
typedef struct {
  uint32_t     slot;  ///< Sample of the frame after, when it is done
  uint32_t     layer; ///< Or the number of layers: up, norm_f before it
  size_t       state; ///< Where the state of the layer begins
  maudio_piece piece; ///< Of up, stage is 0
} maudio_share;

/// One tier: D its d_model, E that of the tier before
typedef struct {
  size_t               pool;   ///< k: frames of the tier before in one
  uint64_t             period; ///< Samples of a frame
  size_t               e_pad;  ///< E'
  maudio_backbone      backbone;
  const maudio_matrix* down;      ///< (k) of (E, D'), all but the first tier
  const float*         down_bias; ///< (D')
  maudio_linear        up;        ///< (D, k E')
  const maudio_share*  shares;    ///< (n_shares), in order
  size_t               n_shares;
  double               macs; ///< Multiply-accumulates of a frame
} maudio_tier;

typedef struct {
  const maudio_kernels* kernels;
  size_t                n_tiers;
  maudio_tier           tiers[MAUDIO_MAX_TIERS];
  const float*          embedding; ///< (256, D) of the first tier
  maudio_linear         head;      ///< (D, 256)
  double                macs;      ///< Of a sample, on average
} maudio_tiers;

/// What a tier works on
typedef struct {
  float* next;    ///< (D') frame that is gathered
  float* h;       ///< (D') frame in work
  float* y;       ///< (D') the same normed
  float* up;      ///< (2, k, E') for the tier before, of even and odd frames
  float* state;   ///< Of the backbone
  float* scratch; ///< Of the work on one frame
} maudio_tier_lines;

/// A signal running through the tiers
typedef struct {
  const maudio_tiers* tiers;
  uint64_t            position; ///< Samples so far
  maudio_tier_lines   lines[MAUDIO_MAX_TIERS];
  size_t              n_done[MAUDIO_MAX_TIERS]; ///< Shares of the frame in work
  bool                bursts; ///< Do all shares in the first slot
} maudio_tiers_run;

/// Read the tensors of every tier
maudio_status maudio_tiers_bind(const maudio_sample_config* config,
                                maudio_binding*             binding,
                                maudio_tiers*               tiers);

/// Divide the work of a slow tier; part of maudio_tiers_bind()
maudio_status maudio_tiers_schedule(maudio_binding* binding, maudio_tier* tier);

/// Return the floats of one signal; all of them are state
size_t maudio_tiers_floats(const maudio_tiers* tiers);

/// Prepare a signal at its start, its floats at `floats`, all 0
void maudio_tiers_start(const maudio_tiers* tiers,
                        float*              floats,
                        maudio_tiers_run*   run);

/// Go to a position, at which the floats are what they were there
void maudio_tiers_seek(maudio_tiers_run* run, uint64_t position);

/// Take a code, below 256
void maudio_tiers_step(maudio_tiers_run* run, uint32_t code);

/// Score the code that comes next: logits (256)
void maudio_tiers_score(const maudio_tiers_run* run, float* logits);

/// Most codes that maudio_tiers_take() takes
#define MAUDIO_MAX_CHUNK 256

/// Return how many codes maudio_tiers_take() takes, or 0: the slowest tier's
/// frames are too long for it
size_t maudio_tiers_chunk(const maudio_tiers* tiers);

/// Return the floats that it works with
size_t maudio_tiers_chunk_floats(const maudio_tiers* tiers);

/**
 * Take many codes, to the last bit as maudio_tiers_step() would.
 *
 * @param run At a position that is a multiple of maudio_tiers_chunk().
 * @param floats Working memory, maudio_tiers_chunk_floats() of them.
 * @param logits (maudio_tiers_chunk(), 256): after each of them, or NULL.
 */
void maudio_tiers_take(maudio_tiers_run* run,
                       const uint8_t*    codes,
                       float*            floats,
                       float*            logits);

#endif /* MAUDIO_TIERS_H */

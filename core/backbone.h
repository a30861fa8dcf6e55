/** @file
 * The blocks that all networks share: x + mixer(norm(x)), and a last norm.
 */
#ifndef MAUDIO_BACKBONE_H
#define MAUDIO_BACKBONE_H

#include "config.h"
#include "kernels.h"
#include "mixer.h"
#include "tensors.h"

/// One block
typedef struct {
  const float*        norm; ///< (D)
  const maudio_mixer* mixer;
  size_t              first_band; ///< Of those that it is for
  size_t              n_bands;
} maudio_layer;

/// S bands, D d_model; D' is D padded
typedef struct {
  const maudio_kernels* kernels;
  size_t                n_bands;
  size_t                d_model;
  size_t                d_pad; ///< D'
  float                 norm_eps;
  size_t                n_layers;
  const maudio_layer*   layers; ///< (n_layers)
  const float*          norm_f; ///< (D)
} maudio_backbone;

/// Read every block and the last norm, whose name is `norm_f`
maudio_status maudio_backbone_bind(const maudio_block_config* blocks,
                                   size_t                     n_blocks,
                                   const char*                norm_f,
                                   maudio_binding*            binding,
                                   maudio_backbone*           backbone);

/// Return the floats of state of one signal
size_t maudio_backbone_state(const maudio_backbone* backbone, size_t window);

/// Return the floats of scratch that runs of up to `n_frames` frames need
size_t maudio_backbone_scratch(const maudio_backbone* backbone,
                               size_t                 n_frames,
                               size_t                 window);

/// Return the multiply-accumulates of a frame when `n_seen` frames are seen
double maudio_backbone_macs(const maudio_backbone* backbone, size_t n_seen);

/**
 * Run frames of some bands through block `layer`, which is for all of them.
 *
 * @param x (n_frames, n_bands, D'), its padding 0; the result is added to it.
 * @param y Working memory as large as x.
 * @param state Of this block and the first of these bands.
 */
void maudio_backbone_step(const maudio_backbone* backbone,
                          size_t                 layer,
                          size_t                 n_frames,
                          size_t                 n_bands,
                          size_t                 window,
                          float*                 x,
                          float*                 y,
                          float*                 state,
                          float*                 scratch);

/// Run frames of all bands through block `layer`, which may be for some of
/// them alone; as maudio_backbone_step()
void maudio_backbone_layer(const maudio_backbone* backbone,
                           size_t                 layer,
                           size_t                 n_frames,
                           size_t                 window,
                           float*                 x,
                           float*                 y,
                           float*                 state,
                           float*                 scratch);

/// Whether a block is for all bands
bool maudio_backbone_is_whole(const maudio_backbone* backbone, size_t layer);

/// Copy the bands of a block out of x (n_frames, S, D') to rows of their own
/// (n_frames, n_bands, D')
void maudio_backbone_take(const maudio_backbone* backbone,
                          size_t                 layer,
                          size_t                 n_frames,
                          const float*           x,
                          float*                 rows);

/// Copy rows back to the bands of x that they are of
void maudio_backbone_put(const maudio_backbone* backbone,
                         size_t                 layer,
                         size_t                 n_frames,
                         const float*           rows,
                         float*                 x);

/// y (n_rows, D') = norm_f(x)
void maudio_backbone_norm(const maudio_backbone* backbone,
                          size_t                 n_rows,
                          const float*           x,
                          float*                 y);

/**
 * Run frames through every block.
 *
 * @param x (n_frames, S, D'), its padding 0; overwritten.
 * @param[out] y (n_frames, S, D'): norm_f of what came of x.
 * @param state As many floats as maudio_backbone_state() says, all 0 at the
 * start of a signal.
 */
void maudio_backbone_run(const maudio_backbone* backbone,
                         size_t                 n_frames,
                         size_t                 window,
                         float*                 x,
                         float*                 y,
                         float*                 state,
                         float*                 scratch);

/// As maudio_backbone_run(), for the state alone: blocks after the last one
/// that has any are left out. y is working memory
void maudio_backbone_move(const maudio_backbone* backbone,
                          size_t                 n_frames,
                          size_t                 window,
                          float*                 x,
                          float*                 y,
                          float*                 state,
                          float*                 scratch);

#endif /* MAUDIO_BACKBONE_H */

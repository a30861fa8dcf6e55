/** @file
 * Mamba-2 (SSD), step by step: Dao and Gu 2024, arXiv:2405.21060.
 *
 * Inside, the channels of each group are padded to MAUDIO_LANES, so that no
 * vector holds two groups: I' = n_groups * group_pad channels of x and z, and
 * C' = pad(I' + 2 * n_groups * d_state) channels of x, B, C.
 *
 * The state of a band is the last d_conv - 1 rows of x, B, C (d_conv - 1, C'),
 * the states h (I' / LANES, d_state, LANES), and the scale of each head's h
 * (H, padded): what the scan's equations call the state is their product.
 */
#ifndef MAUDIO_MAMBA2_H
#define MAUDIO_MAMBA2_H

#include "mixer.h"

typedef struct {
  maudio_mixer  head;
  size_t        n_bands;
  size_t        d_model;
  size_t        d_inner;
  size_t        n_heads;     ///< Of all groups
  size_t        n_inner;     ///< I'
  size_t        n_proj;      ///< Width of a row of in_proj: z, x B C, dt
  size_t        n_norm;      ///< Channels that are normed together
  size_t        n_norm_step; ///< And those with their padding
  float         eps;
  float         dt_min;
  float         dt_max;
  maudio_ssd    ssd;
  maudio_matrix in_proj;  ///< (D, n_proj)
  maudio_matrix out_proj; ///< (I', D)
  maudio_conv   conv;
  const float*  dt_bias;  ///< (H)
  const float*  a;        ///< (H): -exp(A_log)
  const float*  norm;     ///< (I')
  const float*  in_bias;  ///< (n_proj), or NULL
  const float*  out_bias; ///< (D), or NULL
} maudio_ssd_mixer;

/// Compute every frame of every band between the projections, in the scratch of
/// `run`, (n_frames, n_bands, n_proj)
void maudio_mamba2_scan(const maudio_ssd_mixer* m, const maudio_run* run);

#endif /* MAUDIO_MAMBA2_H */

/** @file
 * The spectral ends of a denoiser: features of bins to bands of width d_model,
 * and those to a mask, and to taps where there is a filter on past frames.
 */
#ifndef MAUDIO_BAND_FRONT_H
#define MAUDIO_BAND_FRONT_H

#include "config.h"
#include "kernels.h"
#include "tensors.h"

/// K bins, S bands, D d_model; D' is D padded. F bins and P taps of a filter
typedef struct {
  const maudio_kernels* kernels;
  size_t                n_bands;    ///< S
  const uint32_t*       edges;      ///< (S + 1) bins
  size_t                d_pad;      ///< D'
  size_t                n_features; ///< 3K
  size_t       n_mask;    ///< Stride of masks: 2K, taps 2PF, and room to spill
  const float* in_weight; ///< (3K, D')
  const float* in_bias;   ///< (S, D')
  const maudio_matrix* out_weight;     ///< (S) of (D, 2 * bins of the band)
  const float*         out_bias;       ///< (2K + 2PF)
  size_t               n_filter_bands; ///< Bands that F is the end of, or 0
  size_t               n_tap_parts;    ///< 2P
  float                mask_power;     ///< From 1 on
  const maudio_matrix* filter_weight;  ///< (n_filter_bands) of (D, 2P * bins)
} maudio_band_front;

/// Read both ends, or the first alone; the edges of `config` have to stay
maudio_status maudio_band_front_bind(const maudio_spectral_config* config,
                                     bool                          has_mask,
                                     maudio_binding*               binding,
                                     maudio_band_front*            front);

/// features (n_frames, 3K), of each bin re, im, level -> x (n_frames, S, D')
void maudio_band_front_in(const maudio_band_front* front,
                          size_t                   n_frames,
                          const float*             features,
                          float*                   x);

/// x (n_frames, S, D') -> mask (n_frames, n_mask): of each bin re, im, 1 not
/// yet added; then of each bin of the filter P taps, each re, im
void maudio_band_front_out(const maudio_band_front* front,
                           size_t                   n_frames,
                           const float*             x,
                           float*                   mask);

#endif /* MAUDIO_BAND_FRONT_H */

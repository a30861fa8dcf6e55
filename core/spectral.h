/** @file
 * The spectral front end: signal to features, mask to signal, at any rate.
 *
 * Window and hop are durations. The network keeps the bins it was trained on:
 * where those of the transform lie at other frequencies, features and masks
 * are interpolated.
 */
#ifndef MAUDIO_SPECTRAL_H
#define MAUDIO_SPECTRAL_H

#include "carver.h"
#include "config.h"
#include "fft.h"
#include "high_band.h"
#include "kernels.h"
#include "maudio.h"

/// A bin of the model among those of the transform: X = w0 X[j] + w1 X[j + 1]
typedef struct {
  uint32_t     lower; ///< j
  kiss_fft_cpx weights[2];
} maudio_bin_source;

/// A bin of the transform among those of the model, or above them among bands
typedef struct {
  uint32_t lower;
  uint32_t upper;
  float    fraction; ///< Weight of `upper`
} maudio_mask_source;

/// J bins of the transform, K bins of the model, C channels
typedef struct {
  size_t window;       ///< Frames
  size_t hop;          ///< Frames
  size_t n_fft;        ///< The window, or more where no transform takes it
  size_t n_bins;       ///< J = n_fft / 2 + 1
  size_t n_model_bins; ///< K
  size_t n_sources;    ///< Bins of the model that exist at this rate
  size_t n_inside;     ///< Bins of the transform whose gain is the mask
  size_t n_channels;   ///< C
  double bin_ratio;    ///< Spacing of transform bins / of model bins
  double hop_ms;       ///< As configured
  float  compress;
  float  power_floor;
  float  window_sum; ///< Of the analysis window before it is scaled
  size_t lookahead;  ///< Hops from a frame to the one its mask comes with
  size_t n_filtered; ///< Bins of the transform that the filter reaches
  bool   is_whole;   ///< Those are bins of the model
  maudio_filter_config filter; ///< Of F bins of the model, P taps

  float*              analysis;  ///< (window), its sum is 1
  float*              synthesis; ///< (2 hop)
  maudio_bin_source*  sources;   ///< (K)
  maudio_mask_source* masks;     ///< (J)
  kiss_fft_cpx*       turns;     ///< (F, P): what a tone there turns by
  maudio_fft          fft;
  maudio_high_band    high;

  // Working memory
  float*        time;     ///< (n_fft)
  kiss_fft_cpx* merged;   ///< (J)
  kiss_fft_cpx* gains;    ///< (J)
  float*        planes;   ///< (3, pad(K)): re, im, level
  float*        products; ///< (P, 2, pad(F + 1)): taps times turns
  float*        filters;  ///< (P, 2, pad(n_filtered)): the same, interpolated
} maudio_spectral;

/// Energy of a frame before and after the mask
typedef struct {
  float before;
  float after;
} maudio_spectral_energy;

/// Choose sizes for a rate from 8000 to 192000 Hz
void maudio_spectral_plan(maudio_spectral*              spectral,
                          const maudio_spectral_config* config,
                          double                        rate_hz,
                          unsigned                      n_channels);

/// Return the frames that a mask is late by: two hops and those heard before
size_t maudio_spectral_latency(const maudio_spectral* spectral);

/// Take memory for what was planned
void maudio_spectral_carve(maudio_spectral* spectral, maudio_carver* carver);

/// Fill the tables
void maudio_spectral_init(maudio_spectral* spectral);

/// frame (window) -> spectrum (J)
void maudio_spectral_forward(maudio_spectral* spectral,
                             const float*     frame,
                             kiss_fft_cpx*    spectrum);

/// Mean square of the frame that was transformed last, under a window of peak 1
float maudio_spectral_power(const maudio_spectral* spectral,
                            const maudio_kernels*  kernels);

/**
 * spectra (C) of (J) -> features (3K): re, im, level of each bin.
 *
 * Two channels have one set of features: the phase of their sum, or of the
 * louder one where they cancel, and their mean power.
 */
void maudio_spectral_features(maudio_spectral*           spectral,
                              const maudio_kernels*      kernels,
                              const kiss_fft_cpx* const* spectra,
                              float*                     features);

/**
 * Multiply spectra (C) of (J) by the mask (K), 1 not yet added, and add what
 * the filter makes of others by its taps (F, P), which follow the mask.
 *
 * Above the trained band the mask is a real gain (high_band.h), from 95 % of
 * the band on, which it follows up to there: training data ends about its top.
 *
 * @param floor Least magnitude of the mask; of filtered bins, of all channels
 * together, before and after.
 * @param noise (B) State.
 * @param frames (C) With a filter: the same spectra as they are kept, among
 * those before and after them (deep_filter.h).
 */
maudio_spectral_energy maudio_spectral_apply(maudio_spectral*      spectral,
                                             const maudio_kernels* kernels,
                                             const float*          mask,
                                             float                 floor,
                                             maudio_high_noise*    noise,
                                             const float* const*   frames,
                                             kiss_fft_cpx* const*  spectra);

/// spectrum (J) -> tail (2 hop), to be overlapped by a hop and added
void maudio_spectral_inverse(maudio_spectral*    spectral,
                             const kiss_fft_cpx* spectrum,
                             float*              tail);

#endif /* MAUDIO_SPECTRAL_H */

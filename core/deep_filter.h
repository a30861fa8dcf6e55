/** @file
 * The filter on other frames beside the mask ("deep filtering", Mack & Habets
 * 2019, arXiv:1904.08369): taps of the lowest bins, on unmasked spectra, past
 * ones and, with lookahead, later ones.
 *
 * A frame is turned by what a tone in the middle of a bin of the model turns
 * from it to the masked one, so that a steady one needs real taps. What is
 * interpolated at other rates is taps times turns: of a tone between two bins
 * it is the same in both, while the taps alone differ by a quarter of a turn
 * and more.
 *
 * Spectra are kept in planes, frames of maudio_deep_filter_stride() floats:
 * (2, n' = pad(n_filtered)), real parts, then imaginary ones.
 */
#ifndef MAUDIO_DEEP_FILTER_H
#define MAUDIO_DEEP_FILTER_H

#include "spectral.h"

/// Choose sizes, after those of the transform
void maudio_deep_filter_plan(maudio_spectral*            spectral,
                             const maudio_filter_config* config);

/// Take memory for what was planned, none without a filter
void maudio_deep_filter_carve(maudio_spectral* spectral, maudio_carver* carver);

/// Fill the tables
void maudio_deep_filter_init(maudio_spectral* spectral);

/// Return the floats of a frame that is kept, 0 without a filter
size_t maudio_deep_filter_stride(const maudio_spectral* spectral);

/// Return the frames that have to be kept before the last one heard: the masked
/// one, `lookahead` before it, and those before that which a filter reaches
size_t maudio_deep_filter_reach(const maudio_spectral* spectral);

/// taps (F, P) of a frame -> filters: turned, interpolated
void maudio_deep_filter_set(maudio_spectral* spectral, const float* taps);

/// Keep a spectrum (J) as `frame`, once it is heard
void maudio_deep_filter_keep(const maudio_spectral* spectral,
                             const kiss_fft_cpx*    spectrum,
                             float*                 frame);

/// Add what the filters make of the frames about `frame` to a spectrum
void maudio_deep_filter_add(const maudio_spectral* spectral,
                            const float*           frame,
                            kiss_fft_cpx*          spectrum);

/**
 * Keep filtered bins from being lower than `floor` times what they were, all
 * channels together.
 *
 * @param frames (C) The same frames, as they were kept.
 */
void maudio_deep_filter_limit(const maudio_spectral* spectral,
                              float                  floor,
                              const float* const*    frames,
                              kiss_fft_cpx* const*   spectra);

#endif /* MAUDIO_DEEP_FILTER_H */

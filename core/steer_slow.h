/** @file
 * The slow half of a denoiser without latency: a control every hop.
 *
 * Its work for a hop is a list of units, to be done one after the other while
 * the next samples come in, so that none of them carries a burst.
 */
#ifndef MAUDIO_STEER_SLOW_H
#define MAUDIO_STEER_SLOW_H

#include "maudio.h"
#include "model.h"
#include "spectral.h"

typedef struct {
  const maudio_model* model;
  maudio_spectral*    spectral;
  size_t              n_units;   ///< Of a hop
  size_t              n_control; ///< Floats of a control

  // State, in one piece
  float*        state;
  size_t        n_state;
  float*        older;    ///< Control of the hop before `newer`
  float*        newer;    ///< Control that has been completed last
  float*        building; ///< Control in the making
  kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS]; ///< (J)
  float*        features;                     ///< (3K)
  float*        x;                            ///< (S, D')
  float*        y;                            ///< (S, D')
  float*        gains;                        ///< (C)
  float*        network;                      ///< (model->n_state)

  // Working memory
  float* scratch;
} maudio_slow;

/// Take memory; model and spectral front end have been set and planned
void maudio_slow_carve(maudio_slow* slow, maudio_carver* carver);

/// Forget the past; the state may hold anything
void maudio_slow_reset(maudio_slow* slow);

/// Do units `begin` to `end` for the frames (C) that end where the present hop
/// begins
void maudio_slow_run(maudio_slow*        slow,
                     const float* const* frames,
                     size_t              begin,
                     size_t              end);

/// All units are done: the control in the making is the newest
void maudio_slow_advance(maudio_slow* slow);

#endif /* MAUDIO_STEER_SLOW_H */

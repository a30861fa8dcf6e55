/** @file
 * The fast half of a denoiser without latency: one channel, sample by sample.
 *
 * At a rate m times that of the model every m-th sample is a signal of its own,
 * a phase. Phases share the control; to the network they are bands.
 */
#ifndef MAUDIO_STEER_FAST_H
#define MAUDIO_STEER_FAST_H

#include "spectral.h"
#include "steer.h"

/// Most samples of a run
#define MAUDIO_FAST_RUN 64

/// What channels share
typedef struct {
  const maudio_steer* steer;
  size_t              n_phases; ///< m
  size_t              hop;      ///< Samples of all phases
  size_t              delay;    ///< Samples of a hop until controls change
  size_t              fade;     ///< Samples that the change takes

  // Working memory
  float* x;       ///< (RUN, E')
  float* y;       ///< (RUN, E')
  float* filters; ///< (RUN): what the filter gives
  float* scratch;
} maudio_fast;

/// A channel; its state is in one piece
typedef struct {
  float* state;
  size_t n_state;
  float* x;       ///< (m, n_x + hop / m) of the input
  float* z;       ///< (m, n_z + hop / m) of the filtered input
  float* network; ///< (blocks, m)
} maudio_fast_channel;

/// The controls from one of which a hop fades to the other
typedef struct {
  float* older;
  float* newer;
} maudio_controls;

/// Take memory of what channels share; the rest has been set
void maudio_fast_carve(maudio_fast* fast, maudio_carver* carver);

/// Take memory of a channel
void maudio_fast_carve_channel(const maudio_fast*   fast,
                               maudio_fast_channel* channel,
                               maudio_carver*       carver);

/**
 * Run `n` samples, at most MAUDIO_FAST_RUN, that all are in one hop and have
 * the same controls.
 *
 * @param position Samples of the hop before them.
 * @param[out] out `n` samples, right at once.
 */
void maudio_fast_run(const maudio_fast*         fast,
                     const maudio_fast_channel* channel,
                     const maudio_controls*     controls,
                     size_t                     position,
                     size_t                     n,
                     const float*               in,
                     float*                     out);

/// A hop is over: move its samples to the past
void maudio_fast_advance(const maudio_fast*         fast,
                         const maudio_fast_channel* channel);

#endif /* MAUDIO_STEER_FAST_H */

/** @file
 * Keeping the delay between two audio devices constant, whose clocks may drift.
 *
 * What one device records waits in a ring until the other plays it. The clocks
 * differ by some parts per million, so the delay would grow until the ring runs
 * over, or shrink until it is empty; and a sound server that is held up plays
 * silence, and is later by that from then on. Here the delay is watched, and it
 * is told how much faster or slower to read: a slow loop (0.016 Hz), whose
 * changes of pitch are too small and too slow to be heard. Where nothing
 * drifts it rests: the speed is exactly 1.
 */
#ifndef CLI_DRIFT_H
#define CLI_DRIFT_H

#include "maudio.h"

#include <stdbool.h>

/// Most that the speed of reading differs from 1
#define DRIFT_MAX_PPM 3000.0

/// Most that the speed changes in a second
#define DRIFT_MAX_PPM_PER_S 1000.0

/// All 0 is one that has not started
typedef struct {
  double target_s;   ///< The delay to keep
  double smoothed_s; ///< The delay, without the jitter that is left in it
  double integral;   ///< The drift as it is known so far, as a fraction
  double speed;      ///< Of reading, minus 1
  double settled_s;  ///< Time since the start, up to the smoothing's length
  double calm_s;     ///< Time that there was nothing to steer
  bool   steers;     ///< Does not rest
} drift;

/// Start to keep a delay; what is known of the drift stays
MAUDIO_RT void drift_start(drift* d, double target_s);

/**
 * Tell the delay before each block that is read.
 *
 * @param delay_s How long what is read next has waited.
 * @param elapsed_s Length of the block before.
 * @return Speed of reading: frames to take for a frame to play, near 1.
 */
MAUDIO_RT double drift_update(drift* d, double delay_s, double elapsed_s);

#endif /* CLI_DRIFT_H */

/** @file
 * Keeping the delay between two audio devices constant, whose clocks drift.
 *
 * What one device records waits in a ring until the other plays it. The clocks
 * differ by some parts per million, so the delay would grow until the ring runs
 * over, or shrink until it is empty. Here the delay is watched, and it is told
 * how much faster or slower to read: a slow loop (critically damped, 0.016 Hz),
 * whose changes of pitch are too small and too slow to be heard.
 */
#ifndef CLI_DRIFT_H
#define CLI_DRIFT_H

#include "maudio.h"

/// Most that the speed of reading differs from 1
#define DRIFT_MAX_PPM 2000.0

/// Most that the speed changes in a second
#define DRIFT_MAX_PPM_PER_S 40.0

typedef struct {
  double target_s;   ///< The delay to keep
  double smoothed_s; ///< The delay, without the jitter of callbacks
  double integral;   ///< The drift as it is known so far, as a fraction
  double speed;      ///< Of reading, minus 1
  double settled_s;  ///< Time since the start, up to the smoothing's length
} drift;

/// Start to keep a delay; what is known of the drift stays
MAUDIO_RT void drift_start(drift* d, double target_s);

/**
 * Tell the delay before each block that is read.
 *
 * @param delay_s How long what is read next has waited, with the jitter of
 * both callbacks.
 * @param elapsed_s Length of the block before.
 * @return Speed of reading: frames to take for a frame to play, near 1.
 */
MAUDIO_RT double drift_update(drift* d, double delay_s, double elapsed_s);

#endif /* CLI_DRIFT_H */

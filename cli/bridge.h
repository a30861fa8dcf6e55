/** @file
 * From one audio device to another whose clock differs: a ring, a resampler,
 * and the control that keeps the delay constant.
 *
 * The reader first listens for a second and a half: how much the callbacks of
 * both sides jitter decides the delay, which is then kept.
 */
#ifndef CLI_BRIDGE_H
#define CLI_BRIDGE_H

#include "maudio.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bridge bridge;

typedef struct {
  bool     playing;     ///< Audio passes: not listening, not recovering
  double   delay_s;     ///< Of the audio in the bridge, smoothed
  double   target_s;    ///< What it should be
  double   speed_ppm;   ///< How much faster than nominal it is read
  uint64_t n_underruns; ///< Times that nothing was left to play
  uint64_t n_overflows; ///< Blocks that did not fit
  uint64_t n_jumps;     ///< Times that the delay was too far off to be steered
} bridge_reading;

/**
 * Make a bridge, or return NULL without memory.
 *
 * @param margin_s How late a callback may be, beyond what was seen while it
 * listened.
 */
bridge*
bridge_new(double in_hz, double out_hz, unsigned n_channels, double margin_s);

/// NULL is fine
void bridge_free(bridge* b);

/// Writer: pass a block, one pointer per channel, at the time `now_s`
MAUDIO_RT void bridge_write(bridge*             b,
                            const float* const* channels,
                            size_t              n_frames,
                            double              now_s);

/// Reader: fill a block, with silence where there is nothing
MAUDIO_RT void
bridge_read(bridge* b, float* const* channels, size_t n_frames, double now_s);

/// Any thread: see how it is doing
MAUDIO_RT void bridge_read_state(const bridge* b, bridge_reading* reading);

#endif /* CLI_BRIDGE_H */

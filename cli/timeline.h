/** @file
 * When a device's frames come or go, without the lateness of callbacks.
 *
 * A callback comes when its device has reached a frame, or later; never
 * earlier. So the least late one of the last seconds tells the time of the
 * device.
 */
#ifndef CLI_TIMELINE_H
#define CLI_TIMELINE_H

#include "maudio.h"

#include <stdbool.h>

/// All 0 before the first update
typedef struct {
  double origin_s;  ///< When frame 0 would have been, by the least late
  double before_s;  ///< That of the window before
  double now_s;     ///< That of this window, so far
  double elapsed_s; ///< Of this window
  bool   begun;
} timeline;

/**
 * Tell of a callback.
 *
 * @param origin_s When frame 0 was, as this callback tells: its time, less the
 * length of all frames of the device up to its end.
 * @param elapsed_s Length of its block.
 */
MAUDIO_RT void timeline_update(timeline* t, double origin_s, double elapsed_s);

#endif /* CLI_TIMELINE_H */

/** @file
 * Which devices a live session uses, and how.
 */
#ifndef CLI_LIVE_SETUP_H
#define CLI_LIVE_SETUP_H

#include "audio_device.h"
#include "live_options.h"

#include <portaudio.h>
#include <stdbool.h>

typedef struct {
  PaDeviceIndex input;
  PaDeviceIndex output;
  double        in_hz;  ///< Rate of the input and the effect
  double        out_hz; ///< Another one only with two clocks
  unsigned      n_channels;
  unsigned long n_block;    ///< Frames of a callback, 0: as the device likes
  double        buffer_s;   ///< As asked for, below 0: not
  bool          two_clocks; ///< Input and output drift, or may
} live_setup;

/**
 * Choose devices and rates as the command line asks, or complain and return
 * false.
 *
 * Without a rate there it is 48000 Hz, or what a device prefers.
 */
bool live_setup_choose(live_setup* setup, const live_options* options);

/// Return what PortAudio is asked for on a side
PaStreamParameters live_setup_parameters(const live_setup* setup,
                                         device_side       side);

#endif /* CLI_LIVE_SETUP_H */

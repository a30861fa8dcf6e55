/** @file
 * Audio from an input device through an effect to an output device.
 *
 * With one clock, that of a card that does both or of JACK, it is one PortAudio
 * stream, and what the effect gives is what the device gets. Two devices, and
 * what a sound server offers, are two streams with a bridge between them.
 */
#ifndef CLI_LIVE_AUDIO_H
#define CLI_LIVE_AUDIO_H

#include "bridge.h"
#include "live_setup.h"
#include "maudio.h"

#include <portaudio.h>
#include <stdint.h>

typedef struct live_audio live_audio;

/// What the audio threads measured
typedef struct {
  double         seconds;  ///< Since the start
  uint64_t       n_frames; ///< Processed by the effect
  uint64_t       n_xruns;  ///< Interruptions that the devices reported
  float          peak_in;  ///< Greatest since the last reading, full scale 1
  float          peak_out; ///< As `peak_in`
  double         device_s; ///< Delay of both devices
  double         load;     ///< Share of the time the callbacks have
  PaDeviceIndex  stopped;  ///< One that gives or takes no more, or -1
  bridge_reading bridge;   ///< All 0 with one clock
} live_reading;

/// Return how often audio was interrupted, by devices or in the bridge
uint64_t live_interruptions(const live_reading* reading);

/// Start audio, or complain and return NULL
live_audio* live_audio_start(const live_setup* setup, maudio_effect* effect);

/// Measure; one thread, often
void live_audio_read(live_audio* audio, live_reading* reading);

/// Stop audio: the effect is not used from here on. NULL is fine
void live_audio_stop(live_audio* audio);

#endif /* CLI_LIVE_AUDIO_H */

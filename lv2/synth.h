/** @file
 * One instance of the plugin that generates audio.
 */
#ifndef MAUDIO_LV2_SYNTH_H
#define MAUDIO_LV2_SYNTH_H

#include "instance.h"

/// A value on its way to another, linearly
typedef struct {
  float  value;
  float  target;
  float  step; ///< Of a frame
  size_t n;    ///< Frames left
} ramp;

typedef struct {
  instance base;
  bool     is_started;   ///< There was a run() since activation
  bool     is_triggered; ///< Begins anew with the next frame
  bool     is_joining;   ///< That frame has no step to those before it
  bool     is_gated;     ///< What the port said last
  bool     is_pressed;   ///< What the button said last
  int      held;         ///< Note that is held, -1: none
  float    gain_db;      ///< What the port said last
  float    gain;         ///< Of it
  ramp     level;        ///< Gain, 0 when not enabled
  ramp     envelope;     ///< 1 while a note sounds
  float    last;         ///< Last frame of the output
  float    rest;         ///< Of a step that was avoided, dies away
  float    rest_decay;   ///< Of a frame
} synth;

/// Make an instance; NULL and one sentence in the log if that fails
instance* synth_new(const char*               plugin_uri,
                    double                    rate_hz,
                    const LV2_Feature* const* features);

/// Begin anew with the next run
void synth_activate(synth* s);

/// Make up `n_frames` frames
MAUDIO_RT void synth_run(synth* s, uint32_t n_frames);

#endif /* MAUDIO_LV2_SYNTH_H */

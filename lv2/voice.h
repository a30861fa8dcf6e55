/** @file
 * A generator at the sample rate of a host.
 */
#ifndef MAUDIO_LV2_VOICE_H
#define MAUDIO_LV2_VOICE_H

#include "maudio.h"

typedef struct voice voice;

/// Make a voice, the only allocation of its life
maudio_status voice_new(const maudio_model* model,
                        double              rate_hz,
                        voice**             made,
                        maudio_error*       error);

/// Free a voice. NULL is fine
void voice_free(voice* v);

/// Begin anew with the next frame: the sound of `seed` comes after the latency
MAUDIO_RT void voice_start(voice* v, uint64_t seed);

/// It is not heard any more
MAUDIO_RT void voice_stop(voice* v);

/// Return whether it has been started and not stopped
MAUDIO_RT bool voice_is_started(const voice* v);

/// Set a parameter of the generator
MAUDIO_RT void voice_set(voice* v, maudio_param param, float value);

/// Make up `n_frames` frames. Each costs the same: nothing is computed ahead
MAUDIO_RT void voice_run(voice* v, float* out, size_t n_frames);

/// Return how many frames after its start the sound begins
MAUDIO_RT size_t voice_latency(const voice* v);

#endif /* MAUDIO_LV2_VOICE_H */

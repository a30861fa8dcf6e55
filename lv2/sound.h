/** @file
 * What an instance can play: a stream or a voice, its model, and where that
 * came from.
 */
#ifndef MAUDIO_LV2_SOUND_H
#define MAUDIO_LV2_SOUND_H

#include "maudio.h"
#include "voice.h"

/// Number of factory presets of the two kinds of plugins
#define N_DENOISE_PRESETS 5
#define N_GENERATE_PRESETS 2
#define MAX_FACTORY 8

/// Names of the factory presets by value of the port `preset`; new ones go to
/// the end, so that sessions stay valid
extern const char* const denoise_presets[N_DENOISE_PRESETS];
extern const char* const generate_presets[N_GENERATE_PRESETS];

/// What the sounds of a plugin are like
typedef struct {
  maudio_task task; ///< MAUDIO_TASK_DENOISE or MAUDIO_TASK_GENERATE
  double      rate_hz;
  unsigned    n_channels; ///< Of the output
} sound_spec;

typedef struct sound {
  struct sound*       next;   ///< In the list that it is in
  maudio_stream*      stream; ///< Of a denoiser, or NULL
  voice*              voice;  ///< Of a generator, or NULL
  const maudio_model* model;
  bool                is_factory;
  bool                is_used; ///< By the effect; the audio thread's
  char                path[];  ///< Of the model, as it was asked for
} sound;

/// Return the number of factory presets for a task
unsigned sound_n_factory(maudio_task task);

/// Load the model file `path`, which may take long, and make a sound of it
maudio_status sound_new(const char*       path,
                        const sound_spec* spec,
                        sound**           made,
                        maudio_error*     error);

/// Make the factory preset number `index`
maudio_status sound_new_factory(unsigned          index,
                                const sound_spec* spec,
                                sound**           made,
                                maudio_error*     error);

/// Free a sound. NULL is fine
void sound_free(sound* freed);

/// Free a list of sounds
void sound_free_list(sound* first);

#endif /* MAUDIO_LV2_SOUND_H */

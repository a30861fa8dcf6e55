/** @file
 * What an instance can play: a stream, its model, and where that came from.
 */
#ifndef MAUDIO_LV2_SOUND_H
#define MAUDIO_LV2_SOUND_H

#include "maudio.h"

/// Number of factory presets
#define N_FACTORY 2

/// Names of the factory presets by value of the port `preset`; new ones go to
/// the end, so that sessions stay valid
extern const char* const factory_names[N_FACTORY];

typedef struct sound {
  struct sound*       next; ///< In the list that it is in
  maudio_stream*      stream;
  const maudio_model* model;
  bool                is_factory;
  bool                is_used; ///< By the effect; the audio thread's
  char                path[];  ///< Of the model, as it was asked for
} sound;

/// Load the model file `path`, which may take long, and make a stream of it
maudio_status sound_new(const char*   path,
                        double        rate_hz,
                        unsigned      n_channels,
                        sound**       made,
                        maudio_error* error);

/// Make the factory preset number `index`
maudio_status sound_new_factory(unsigned      index,
                                double        rate_hz,
                                unsigned      n_channels,
                                sound**       made,
                                maudio_error* error);

/// Free a sound. NULL is fine
void sound_free(sound* freed);

/// Free a list of sounds
void sound_free_list(sound* first);

#endif /* MAUDIO_LV2_SOUND_H */

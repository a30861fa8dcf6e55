/** @file
 * The models that a live session can change between.
 *
 * All work is the main thread's; a voice is handed to the audio thread and
 * taken back through the effect, without either waiting for the other.
 */
#ifndef CLI_VOICES_H
#define CLI_VOICES_H

#include "maudio.h"

#include <stdbool.h>
#include <stddef.h>

/// Most voices to choose from
#define VOICES_MAX 64

/// Most streams at once: heard, fading in, waiting, retired, being made
#define VOICES_MAX_STREAMS 5

typedef struct {
  char*         name;
  char*         path;
  maudio_model* model; ///< NULL until it is first played
} voice;

typedef struct {
  voice          voices[VOICES_MAX];
  size_t         n_voices;
  size_t         current; ///< The one that is heard, or will be
  double         rate_hz;
  unsigned       n_channels;
  maudio_effect* effect;
  maudio_stream* streams[VOICES_MAX_STREAMS]; ///< Those not freed yet, or NULL
} voice_list;

/**
 * List a model file, if there is one, and every preset; or complain and return
 * false.
 *
 * @param preset To begin with; NULL for the default, "voice-stage".
 * @param file A model file to begin with, or NULL.
 */
bool voices_find(voice_list* list, const char* preset, const char* file);

/// Make the effect, with the first voice; or complain and return false
bool voices_start(voice_list* list, double rate_hz, unsigned n_channels);

/// Change to a voice, or complain, stay with the one before, and return false
bool voices_play(voice_list* list, size_t index);

/// Free what the audio thread has done with; to be called now and then
void voices_collect(voice_list* list);

/// Free everything; audio has stopped
void voices_clear(voice_list* list);

#endif /* CLI_VOICES_H */

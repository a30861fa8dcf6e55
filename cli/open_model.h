/** @file
 * The model that a verb works with.
 */
#ifndef CLI_OPEN_MODEL_H
#define CLI_OPEN_MODEL_H

#include "maudio.h"

/**
 * Open the model that --preset or --model named to remove noise, or complain
 * and return NULL.
 *
 * @param preset NULL for the default, "voice".
 * @param file A model file instead of a preset, or NULL.
 */
maudio_model* open_model(const char* preset, const char* file);

/// As open_model(), to generate audio; the default is the first preset that
/// does
maudio_model* open_generator(const char* preset, const char* file);

#endif /* CLI_OPEN_MODEL_H */

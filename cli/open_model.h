/** @file
 * The model that a verb processes audio with.
 */
#ifndef CLI_OPEN_MODEL_H
#define CLI_OPEN_MODEL_H

#include "maudio.h"

/**
 * Open the model that --preset or --model named, or complain and return NULL.
 *
 * @param preset NULL for the default, "voice".
 * @param file A model file instead of a preset, or NULL.
 */
maudio_model* open_model(const char* preset, const char* file);

#endif /* CLI_OPEN_MODEL_H */

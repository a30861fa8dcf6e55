/** @file
 * From the samples of one file to those of another, through a model.
 */
#ifndef CLI_DENOISE_H
#define CLI_DENOISE_H

#include "audio_input.h"
#include "audio_writer.h"
#include "maudio.h"
#include "progress.h"

#include <stdbool.h>

/// Most frames that are written at once
#define DENOISE_BLOCK 4096

typedef struct {
  const maudio_model* model;
  float               strength;           ///< 0 to 1
  float               max_attenuation_db; ///< 0 to 100
} denoise_settings;

/**
 * Process all of an input, or complain and return false; false without a word
 * when a signal asked us to end.
 *
 * The output has the input's length, and is aligned with it. One or two
 * channels are one stream, more are a stream each. Memory does not depend on
 * the length.
 */
bool denoise(const denoise_settings* settings,
             audio_input*            input,
             audio_writer*           writer,
             progress*               shown);

#endif /* CLI_DENOISE_H */

/** @file
 * From the samples of one file to those of another, through a model.
 */
#ifndef CLI_DENOISE_H
#define CLI_DENOISE_H

#include "audio_input.h"
#include "audio_writer.h"
#include "denoiser.h"
#include "progress.h"

#include <stdbool.h>

/**
 * Process all of an input, or complain and return false; false without a word
 * when a signal asked us to end.
 *
 * The output has the input's length, and is aligned with it. Memory does not
 * depend on the length.
 */
bool denoise(const denoise_settings* settings,
             audio_input*            input,
             audio_writer*           writer,
             progress*               shown);

#endif /* CLI_DENOISE_H */

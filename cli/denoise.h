/** @file
 * From the samples of one file to those of another, through a model.
 */
#ifndef CLI_DENOISE_H
#define CLI_DENOISE_H

#include "audio_input.h"
#include "audio_writer.h"
#include "denoiser.h"
#include "progress.h"
#include "summary.h"

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
             progress*               shown,
             progress_file*          shown_file,
             stage_times*            times);

/// Complain about the first sample that no network can take, if there is one;
/// `first_frame` is where `samples` (n_frames, n_channels) are in the input
bool denoise_check(const audio_input* input,
                   const double*      samples,
                   size_t             n_frames,
                   sf_count_t         first_frame);

/// The same for samples of 32 bits
bool denoise_check_floats(const audio_input* input,
                          const float*       samples,
                          size_t             n_frames,
                          sf_count_t         first_frame);

#endif /* CLI_DENOISE_H */

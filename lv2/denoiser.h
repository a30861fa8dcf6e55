/** @file
 * One instance of a plugin that removes noise.
 */
#ifndef MAUDIO_LV2_DENOISER_H
#define MAUDIO_LV2_DENOISER_H

#include "instance.h"

/// Make an instance; NULL and one sentence in the log if that fails
instance* denoiser_new(const char*               plugin_uri,
                       unsigned                  n_channels,
                       double                    rate_hz,
                       const LV2_Feature* const* features);

/// Forget the past
void denoiser_activate(instance* in);

/// Process `n_frames` frames of what the host connected
MAUDIO_RT void denoiser_run(instance* in, uint32_t n_frames);

#endif /* MAUDIO_LV2_DENOISER_H */

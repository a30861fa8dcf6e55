/** @file
 * Interleaved samples of any number of channels, through a model.
 */
#ifndef CLI_DENOISER_H
#define CLI_DENOISER_H

#include "maudio.h"

#include <stddef.h>

/// Most frames of one denoiser_process()
#define DENOISE_BLOCK 4096

typedef struct {
  const maudio_model* model;
  float               strength;           ///< 0 to 1
  float               max_attenuation_db; ///< 0 to 100
  float               warm_up_s;          ///< Of a file, heard before it
} denoise_settings;

/// The streams of one signal, and its samples on their way through them
typedef struct denoiser denoiser;

/**
 * Make a denoiser, or complain and return NULL.
 *
 * One or two channels are one stream, more are a stream each.
 *
 * @param label What messages call the signal.
 */
denoiser* denoiser_new(const denoise_settings* settings,
                       double                  rate_hz,
                       size_t                  n_channels,
                       const char*             label);

/// Free a denoiser. NULL is fine
void denoiser_free(denoiser* d);

/// Return the latency in frames
size_t denoiser_latency(const denoiser* d);

/**
 * Process samples in place.
 *
 * The network computes in 32-bit float. What a sample of 32-bit integer or
 * 64-bit float has beyond that, its residue, goes around the network and is
 * added to the output, so that strength 0 gives back every bit.
 *
 * @param samples (n_frames, n_channels), finite as 32-bit float.
 */
void denoiser_process(denoiser* d, double* samples, size_t n_frames);

/// Return how many of the `n_frames` that were just processed are from before
/// the signal's begin
size_t denoiser_skip(denoiser* d, size_t n_frames);

#endif /* CLI_DENOISER_H */

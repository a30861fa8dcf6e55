/** @file
 * Reading a signal a little faster or slower, between its samples.
 *
 * Samples are interpolated by a windowed sinc. Where it reads at a speed of
 * exactly 1, it comes to rest on whole frames, and they pass as they are.
 */
#ifndef CLI_GLIDE_H
#define CLI_GLIDE_H

#include "maudio.h"

#include <stddef.h>

/// Frames it must have beyond the one it plays
#define GLIDE_AHEAD 32

typedef struct glide glide;

/// Make one for interleaved frames, or return NULL without memory
glide* glide_new(unsigned n_channels);

/// NULL is fine
void glide_free(glide* g);

/// Forget what was read: what is played next is the next frame that it gets
MAUDIO_RT void glide_reset(glide* g);

/// Return the frames that it was given and has not played, with a fraction
MAUDIO_RT double glide_ahead(const glide* g);

/**
 * Play up to `n_out` frames.
 *
 * @param speed Frames to take for a frame to play, near 1.
 * @param[out] n_used Frames of `in` that it took; more are played from what it
 * kept.
 * @return Frames that were played, less than `n_out` if `in` was too short.
 */
MAUDIO_RT size_t glide_read(glide*       g,
                            const float* in,
                            size_t       n_in,
                            float*       out,
                            size_t       n_out,
                            double       speed,
                            size_t*      n_used);

#endif /* CLI_GLIDE_H */

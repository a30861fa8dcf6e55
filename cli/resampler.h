/** @file
 * Reading a signal at a speed near that of its rate, at the same or another
 * rate: samples pass as they are while the rates are one and the speed is 1.
 */
#ifndef CLI_RESAMPLER_H
#define CLI_RESAMPLER_H

#include "maudio.h"

#include <stddef.h>

/// Most frames of input that it must have beyond the one it plays
#define RESAMPLER_AHEAD 64

typedef struct resampler resampler;

/// Make one for interleaved frames, or return NULL without memory
resampler* resampler_new(double in_hz, double out_hz, unsigned n_channels);

/// NULL is fine
void resampler_free(resampler* r);

/// Forget what was read: what is played next is the next frame that it gets
MAUDIO_RT void resampler_reset(resampler* r);

/// Return the frames that it was given and has not played, with a fraction
MAUDIO_RT double resampler_ahead(const resampler* r);

/**
 * Play up to `n_out` frames.
 *
 * @param speed How much faster to read than nominal, near 1.
 * @param[out] n_used Frames of `in` that it took; more may be played from what
 * it kept.
 * @return Frames that were played, less than `n_out` if `in` was too short.
 */
MAUDIO_RT size_t resampler_read(resampler*   r,
                                const float* in,
                                size_t       n_in,
                                float*       out,
                                size_t       n_out,
                                double       speed,
                                size_t*      n_used);

#endif /* CLI_RESAMPLER_H */

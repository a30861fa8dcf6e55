/** @file
 * Frames on their way from one thread to one other, without a lock.
 */
#ifndef CLI_RING_H
#define CLI_RING_H

#include "maudio.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ring ring;

/// Make a ring for at least `n_frames` frames, or return NULL without memory
ring* ring_new(unsigned n_channels, size_t n_frames);

/// NULL is fine
void ring_free(ring* r);

/// Writer: append a block, one pointer per channel; false, and nothing of it
/// is written, if it does not fit
MAUDIO_RT bool
ring_write(ring* r, const float* const* channels, size_t n_frames);

/// Reader: return how many frames are there to be read
MAUDIO_RT size_t ring_fill(const ring* r);

/**
 * Reader: look at the oldest frames.
 *
 * @param[out] frames (n, n_channels), valid until they are skipped.
 * @return How many there are without a break: maybe less than ring_fill(), but
 * 0 only if that is 0.
 */
MAUDIO_RT size_t ring_peek(const ring* r, const float** frames);

/// Reader: drop the oldest frames, at most ring_fill()
MAUDIO_RT void ring_skip(ring* r, size_t n_frames);

#endif /* CLI_RING_H */

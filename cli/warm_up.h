/** @file
 * What a network hears before a file: the file's own beginning, backwards.
 *
 * So it knows the voice and the noise as the file begins, and the signal goes
 * on there without a jump.
 */
#ifndef CLI_WARM_UP_H
#define CLI_WARM_UP_H

#include "audio_input.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
  double* samples;  ///< (n_frames, n_channels), in the order they are heard
  size_t  n_frames; ///< 0: nothing comes before
  size_t  n_taken;
} warm_up;

/**
 * Read the beginning of an input, and go back to it, or complain and return
 * false.
 *
 * @param seconds How much of it; all if it has less.
 */
bool warm_up_read(warm_up* w, const audio_input* input, double seconds);

/// Copy at most n_frames of what is still to be heard; return how many
size_t
warm_up_take(warm_up* w, double* samples, size_t n_frames, size_t n_channels);

void warm_up_free(warm_up* w);

#endif /* CLI_WARM_UP_H */

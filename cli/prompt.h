/** @file
 * Audio that a generator is to continue.
 */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include "audio_input.h"

#include <stdbool.h>
#include <stddef.h>

/// Most samples of one prompt_take
#define PROMPT_BLOCK 4096

/// Take some samples of a prompt; return false to stop
typedef bool (*prompt_take)(const float* samples, size_t n, void* user);

/**
 * Read a file to its end as one channel, the mean of its own, at `rate_hz`.
 *
 * @return False after a complaint, or when `take` stopped it.
 */
bool prompt_read(audio_input* input,
                 double       rate_hz,
                 prompt_take  take,
                 void*        user);

#endif /* CLI_PROMPT_H */

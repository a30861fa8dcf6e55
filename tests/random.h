/** @file
 * Numbers that look random and are the same in every run.
 */
#ifndef MAUDIO_TEST_RANDOM_H
#define MAUDIO_TEST_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/// Return a number from -1 to 1
static inline float random_float(void)
{
  static uint32_t state = 1;
  state                 = state * 1664525U + 1013904223U;
  return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static inline void fill(float* x, size_t n)
{
  for (size_t i = 0; i < n; ++i) {
    x[i] = random_float();
  }
}

#endif /* MAUDIO_TEST_RANDOM_H */

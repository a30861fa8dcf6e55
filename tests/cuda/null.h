/** @file
 * Signals that the GPU and the CPU denoise, and how far the outputs differ.
 */
#ifndef MAUDIO_TEST_CUDA_NULL_H
#define MAUDIO_TEST_CUDA_NULL_H

#include "maudio_cuda.h"

#include <stdbool.h>
#include <stddef.h>

#define MOST_SIGNALS 100

/// A case: some signals, and how they are cut
typedef struct {
  const char*           model; ///< Path
  maudio_cuda_precision precision;
  double                rate_hz;
  double                odd_rate_hz; ///< Of every other signal, 0: the same
  unsigned              n_channels;
  size_t                n_signals;
  const size_t*         lengths; ///< (n_signals) frames
  size_t                hops;    ///< Of a slice, 0: as many as possible
  float                 strength;
  float                 max_attenuation_db;
  bool                  has_bad_samples;
} test_case;

/// Print a line about a case; return whether the outputs are near enough
bool check(const char* what, const test_case* t);

#endif /* MAUDIO_TEST_CUDA_NULL_H */

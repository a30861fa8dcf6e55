/** @file
 * What a core can do at most with vectors of one instruction set: fused
 * multiply-adds on registers, and reads from each cache.
 */
#ifndef PEAK_H
#define PEAK_H

#include <stdbool.h>
#include <stddef.h>

enum { PEAK_N_CACHES = 3 };

typedef struct {
  double macs;                 ///< Multiply-accumulates a second
  size_t sizes[PEAK_N_CACHES]; ///< Bytes of the first- to third-level cache
  size_t read[PEAK_N_CACHES];  ///< Bytes of what was read from it
  double bytes[PEAK_N_CACHES]; ///< A second
  bool   is_assumed;           ///< The system does not tell the sizes
} peak;

/// Loops of one instruction set, in peak_loops.h
typedef struct {
  const char* kernels; ///< Start of the names of kernels that are made of it
  size_t      step;    ///< Floats that read() takes at once
  size_t      width;   ///< Multiply-adds of a round

  /// Run rounds of multiply-adds that do not wait for one another
  void (*multiply_add)(size_t n_rounds, float factor, float* out);

  /// Load n floats, a multiple of `step`
  void (*read)(size_t n, const float* x, float* out);
} peak_loops;

extern const peak_loops peak_loops_scalar;
extern const peak_loops peak_loops_avx2;
extern const peak_loops peak_loops_avx512;
extern const peak_loops peak_loops_neon;

/// Measure what kernels of some name may reach; return false without memory
bool peak_measure(const char* kernels, peak* found);

#endif /* PEAK_H */

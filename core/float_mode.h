/** @file
 * Denormal numbers as zero while audio is processed: they are slow.
 */
#ifndef MAUDIO_FLOAT_MODE_H
#define MAUDIO_FLOAT_MODE_H

#include <stdint.h>

#if defined(__SSE__)
#  include <xmmintrin.h>
#endif

/// Switch denormals off; return what maudio_float_mode_leave() restores
static inline uint64_t maudio_float_mode_enter(void)
{
#if defined(__SSE__)
  const unsigned mode = _mm_getcsr();
  _mm_setcsr(mode | 0x8040U); // Flush to zero, denormals are zero
  return mode;
#elif defined(__aarch64__)
  uint64_t mode = 0;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  __asm__ volatile("msr fpcr, %0" : : "r"(mode | (1U << 24)) : "memory"); // FZ
  return mode;
#else
  return 0;
#endif
}

static inline void maudio_float_mode_leave(uint64_t mode)
{
#if defined(__SSE__)
  _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
#else
  (void)mode;
#endif
}

#endif /* MAUDIO_FLOAT_MODE_H */

/** @file
 * Functions that become part of their callers, and loops that become a line of
 * statements: how a kernel is written once for tiles of many shapes.
 */
#ifndef MAUDIO_KERNELS_INLINE_H
#define MAUDIO_KERNELS_INLINE_H

#define INLINE static inline __attribute__((always_inline))

/// Before a loop whose count is constant, perhaps not before the function is
/// inlined: then clang already has unrolled one that asks for a number of steps
#ifdef __clang__
#  define UNROLL _Pragma("clang loop unroll(full)")
#else
#  define UNROLL _Pragma("GCC unroll 32")
#endif

#endif /* MAUDIO_KERNELS_INLINE_H */

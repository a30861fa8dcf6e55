/** @file
 * Pieces of one allocation.
 */
#ifndef MAUDIO_CARVER_H
#define MAUDIO_CARVER_H

#include <stddef.h>

/// Hands out aligned pieces of one allocation; with no base it only measures
typedef struct {
  char*  base;
  size_t size;
} maudio_carver;

/// Return `size` bytes aligned to 64, NULL while measuring
static inline void* maudio_carve(maudio_carver* carver, size_t size)
{
  void* const piece = carver->base ? carver->base + carver->size : NULL;
  carver->size += (size + 63) / 64 * 64;
  return piece;
}

#endif /* MAUDIO_CARVER_H */

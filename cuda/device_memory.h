/** @file
 * Memory of the GPU, and what a failed call of CUDA means.
 */
#ifndef MAUDIO_DEVICE_MEMORY_H
#define MAUDIO_DEVICE_MEMORY_H

#include "maudio.h"

#include <cuda_runtime_api.h>

/// Memory that is freed all at once; zero is an empty one
typedef struct {
  void** pieces;
  size_t n_pieces;
} gpu_arena;

/// Memory that is replaced where more is needed; zero is an empty one
typedef struct {
  void*  data;
  size_t size;
} gpu_buffer;

/// Return success, or a failure that says what could not be done and why
maudio_status
gpu_check(cudaError_t result, const char* what, maudio_error* error);

/// Put `size` bytes on the GPU; `*copy` lives as long as the arena
maudio_status gpu_arena_copy(gpu_arena*    arena,
                             const void*   data,
                             size_t        size,
                             const void**  copy,
                             maudio_error* error);

void gpu_arena_clear(gpu_arena* arena);

/// Make room for `size` bytes; what a smaller buffer held is lost
maudio_status
gpu_buffer_reserve(gpu_buffer* buffer, size_t size, maudio_error* error);

void gpu_buffer_clear(gpu_buffer* buffer);

#endif /* MAUDIO_DEVICE_MEMORY_H */

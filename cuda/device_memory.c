#include "device_memory.h"

#include "error.h"

#include <stdlib.h>

maudio_status
gpu_check(cudaError_t result, const char* what, maudio_error* error)
{
  if (result == cudaSuccess) {
    return MAUDIO_SUCCESS;
  }
  return maudio_fail(error,
                     result == cudaErrorMemoryAllocation
                       ? MAUDIO_ERR_NO_MEMORY
                       : MAUDIO_ERR_UNSUPPORTED,
                     "GPU: %s: %s", what, cudaGetErrorString(result));
}

maudio_status gpu_arena_copy(gpu_arena*    arena,
                             const void*   data,
                             size_t        size,
                             const void**  copy,
                             maudio_error* error)
{
  void** const pieces = (void**)realloc((void*)arena->pieces,
                                        (arena->n_pieces + 1) * sizeof *pieces);
  if (!pieces) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for weights");
  }
  arena->pieces = pieces;

  void*         to = NULL;
  maudio_status status =
    gpu_check(cudaMalloc(&to, size ? size : 1), "memory for weights", error);
  if (status) {
    return status;
  }
  pieces[arena->n_pieces++] = to;
  *copy                     = to;
  return gpu_check(cudaMemcpy(to, data, size, cudaMemcpyHostToDevice),
                   "copying weights", error);
}

void gpu_arena_clear(gpu_arena* arena)
{
  for (size_t i = 0; i < arena->n_pieces; ++i) {
    cudaFree(arena->pieces[i]);
  }
  free((void*)arena->pieces);
  *arena = (gpu_arena){0};
}

maudio_status
gpu_buffer_reserve(gpu_buffer* buffer, size_t size, maudio_error* error)
{
  if (size <= buffer->size) {
    return MAUDIO_SUCCESS;
  }
  gpu_buffer_clear(buffer);
  const maudio_status status =
    gpu_check(cudaMalloc(&buffer->data, size), "working memory", error);
  buffer->size = status ? 0 : size;
  return status;
}

void gpu_buffer_clear(gpu_buffer* buffer)
{
  cudaFree(buffer->data);
  *buffer = (gpu_buffer){0};
}

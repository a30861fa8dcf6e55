/** @file
 * Layers one after the other, with the memory that they work in.
 */
#ifndef MAUDIO_STACK_H
#define MAUDIO_STACK_H

#include "layer.h"

/// Zero is an empty one
typedef struct {
  int        n_bands; ///< That layers have been read for
  int        d_model;
  size_t     n_layers;
  gpu_layer* layers;
  size_t     n_state; ///< Floats of state of a signal of as many bands
  gpu_buffer x;       ///< (n_frames, bands, d_model)
  gpu_buffer y;       ///< The same shape
  gpu_buffer some;    ///< Of those layers that are for some bands
  gpu_buffer work;    ///< Of the layer that needs most
  gpu_buffer scan;
} gpu_stack;

/// A batch that runs through layers
typedef struct {
  const gpu_batch*      batch;
  int                   n_bands; ///< May differ where no layer mixes them
  maudio_cuda_precision precision;
  cudaStream_t          stream;
} gpu_stack_run;

/// Read the layers of `config`; clear the stack also on failure
maudio_status gpu_stack_bind(size_t                     n_layers,
                             const maudio_block_config* config,
                             gpu_binding*               binding,
                             gpu_stack*                 stack);

void gpu_stack_clear(gpu_stack* stack);

/// Return the floats of working memory of a row
size_t gpu_stack_work(const gpu_stack* stack);

/// Return the floats of memory of a frame of all bands
size_t gpu_stack_frame(const gpu_stack* stack);

/// Return the blocks of threads that run for a segment of a band, at least 1
int gpu_stack_blocks(const gpu_stack* stack);

/// Make room for a batch, and for at least `least_work` floats in `work`
maudio_status gpu_stack_reserve(gpu_stack*           stack,
                                const gpu_stack_run* run,
                                size_t               least_work,
                                maudio_error*        error);

/// Queue all layers; return which of x, y the result is in
float* gpu_stack_queue(const gpu_stack*     stack,
                       const gpu_stack_run* run,
                       float*               x,
                       float*               y);

#endif /* MAUDIO_STACK_H */

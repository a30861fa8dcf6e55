/** @file
 * An engine from inside: signals, formats, and the slots of batches.
 */
#ifndef MAUDIO_ENGINE_H
#define MAUDIO_ENGINE_H

#include "config.h"
#include "format.h"
#include "maudio_cuda.h"
#include "network.h"

/// Batches that may be under way: one is copied in, one runs, one is copied out
#define GPU_SLOTS 3

/// What one batch has for itself
typedef struct {
  gpu_buffer  in;  ///< Samples of all slices
  gpu_buffer  out; ///< The same
  gpu_buffer  plan;
  void*       host_plan; ///< Page-locked
  size_t      host_size;
  cudaEvent_t copied;   ///< Its input is on the GPU
  cudaEvent_t computed; ///< Its output is on the GPU
  cudaEvent_t done;     ///< Its output is in place
} gpu_slot;

struct maudio_cuda_engine {
  int              device;
  int              n_processors;
  maudio_cuda_info info;
  maudio_config    config;
  gpu_network*     network;
  gpu_steer*       steer; ///< Of models that do, else NULL
  gpu_format*      formats;
  cudaStream_t     to_gpu;
  cudaStream_t     compute;
  cudaStream_t     from_gpu;
  gpu_slot         slots[GPU_SLOTS];
  uint64_t         n_tickets;

  // Working memory of the batch that runs
  gpu_buffer spectra;
  gpu_buffer tails;
  gpu_buffer features;
  gpu_buffer mask;   ///< Or controls
  gpu_buffer high;   ///< Of models with a mask
  gpu_buffer time;   ///< (GPU_FFT_ROWS, n_fft)
  gpu_buffer masked; ///< (GPU_FFT_ROWS, J)
  gpu_buffer z;      ///< Filtered samples of models that steer
};

struct maudio_cuda_signal {
  maudio_cuda_engine* engine;
  gpu_format*         format;
  unsigned            n_channels;
  float               strength;
  float               floor; ///< Least magnitude of the mask
  void*               state; ///< On the GPU: the network's, then channels
  size_t              size;
  gpu_channel         channels[MAUDIO_MAX_CHANNELS];
  maudio_high_noise*  noise; ///< Of models with a mask
  gpu_fast_slice      fast;  ///< State of models that steer
};

/// Make this engine's GPU the one that calls of this thread are about
maudio_status gpu_engine_use(const maudio_cuda_engine* engine,
                             maudio_error*             error);

#endif /* MAUDIO_ENGINE_H */

/** @file
 * The network on the GPU: features of frames in, masks out, or controls of a
 * fast network.
 */
#ifndef MAUDIO_NETWORK_H
#define MAUDIO_NETWORK_H

#include "batch.h"
#include "config.h"
#include "device_memory.h"
#include "maudio_cuda.h"
#include "steer.h"
#include "weights.h"

typedef struct gpu_network gpu_network;

/// Read every weight that `config` asks for; `weights` are needed no more then.
/// `steer` is NULL for models that make a mask, else it has read its own before
/// and outlives the network
maudio_status gpu_network_new(const maudio_config*  config,
                              maudio_weights*       weights,
                              maudio_cuda_precision precision,
                              const gpu_steer*      steer,
                              gpu_network**         network,
                              maudio_error*         error);

/// Free a network. NULL is fine
void gpu_network_free(gpu_network* network);

/// Return the floats from one frame of features to the next, of what comes out
size_t gpu_network_features(const gpu_network* network);
size_t gpu_network_out(const gpu_network* network);

/// Return the floats of state of a signal, all 0 at its start
size_t gpu_network_state(const gpu_network* network);

/// Return the bytes of working memory of a frame
size_t gpu_network_frame_bytes(const gpu_network* network);

/// Return the blocks of threads that run for a segment of all bands, at least 1
int gpu_network_blocks(const gpu_network* network);

/**
 * Queue a batch.
 *
 * @param features (n_frames, features): of each bin re, im, level.
 * @param[out] out (n_frames, out): of each bin re, im, 1 not yet added, then
 * of each bin with a filter its taps, each re, im; or a control but for its
 * level.
 */
maudio_status gpu_network_run(gpu_network*     network,
                              const gpu_batch* batch,
                              const float*     features,
                              float*           out,
                              cudaStream_t     stream,
                              maudio_error*    error);

#endif /* MAUDIO_NETWORK_H */

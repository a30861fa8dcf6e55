/** @file
 * What a model has that steers: the products that make controls of the slow
 * network's output, and the fast network (core/steer.h, fast.h).
 */
#ifndef MAUDIO_GPU_STEER_H
#define MAUDIO_GPU_STEER_H

#include "batch.h"
#include "config.h"
#include "fast.h"
#include "maudio_cuda.h"
#include "weights.h"

/// Most rows of the fast network that run together
#ifndef GPU_FAST_ROWS
#  define GPU_FAST_ROWS ((size_t)1 << 20)
#endif

typedef struct gpu_steer gpu_steer;

/// Read the weights below `steer.`, others are left to the slow network
maudio_status gpu_steer_new(const maudio_config*  config,
                            maudio_weights*       weights,
                            maudio_cuda_precision precision,
                            gpu_steer**           steer,
                            maudio_error*         error);

/// Free it. NULL is fine
void gpu_steer_free(gpu_steer* steer);

/// Return the floats from one control to the next, those that making one takes
size_t gpu_steer_control(const gpu_steer* steer);
size_t gpu_steer_gains(const gpu_steer* steer);

/// Return the floats of state of the fast network for a channel of this many
/// phases
size_t gpu_steer_state(const gpu_steer* steer, size_t n_phases);

/// Return the controls before a signal, on the GPU
const float* gpu_steer_absent(const gpu_steer* steer);

/// Return the rows of the fast network that run together: those that fit in
/// `n_bytes`, at least some
size_t gpu_steer_choose_rows(gpu_steer* steer, size_t n_bytes);
size_t gpu_steer_rows(const gpu_steer* steer);

/// Return the blocks of threads that run for a segment of a phase, at least 1
int gpu_steer_blocks(const gpu_steer* steer);

/// Return the sizes at a rate
gpu_fast gpu_steer_sizes(const gpu_steer* steer, size_t n_phases);

/// y (n_frames, S, D) of the slow network's last layer -> controls but for
/// their levels; `gains` has gpu_steer_gains() of every frame
void gpu_steer_controls(const gpu_steer* steer,
                        int64_t          n_frames,
                        const float*     y,
                        float*           gains,
                        float*           controls,
                        cudaStream_t     stream);

/// Queue a round of samples that have been filtered; `sequences` has one for
/// each piece
maudio_status gpu_steer_run(gpu_steer*            steer,
                            const gpu_fast*       fast,
                            const gpu_fast_batch* batch,
                            const gpu_fast_round* round,
                            const gpu_batch*      sequences,
                            cudaStream_t          stream,
                            maudio_error*         error);

#endif /* MAUDIO_GPU_STEER_H */

/** @file
 * Which samples of a batch go through the fast network together.
 *
 * They are shared out to rounds of a limited number of rows, as a row takes
 * hundreds of floats: where a channel has more of them, the next round goes on
 * from the state that it left.
 */
#ifndef MAUDIO_FAST_PLAN_H
#define MAUDIO_FAST_PLAN_H

#include "engine.h"
#include "fast.h"
#include "segments.h"

typedef struct gpu_plan gpu_plan;

/// Pieces of one group
typedef struct {
  size_t         group;
  size_t         first_piece; ///< Of those of the batch
  gpu_fast_round round;
  gpu_batch      batch; ///< A sequence of each piece
  int64_t        length;
} gpu_fast_step;

/// Empty where there is no fast network
typedef struct {
  gpu_fast_step*        steps;
  size_t                n_steps;
  gpu_fast_piece*       pieces;
  size_t                n_pieces;
  const gpu_fast_slice* slices; ///< Of all groups, on the GPU
  size_t                size;   ///< Bytes of the arrays on the GPU
} gpu_fast_plan;

/// Add to a plan whose groups have been made; free with gpu_fast_plan_clear(),
/// also on failure
maudio_status gpu_fast_plan_make(const maudio_cuda_engine* engine,
                                 const maudio_cuda_slice*  slices,
                                 gpu_plan*                 plan,
                                 maudio_error*             error);

/// Fill the arrays at `host`, that will be copied to `device`; the filtered
/// samples of all slices lie as their samples do
void gpu_fast_plan_fill(gpu_plan*                plan,
                        const maudio_cuda_slice* slices,
                        char*                    host,
                        const char*              device,
                        const float*             in,
                        float*                   z);

/// Return what a group has for each of its slices, on the GPU
const gpu_fast_slice* gpu_fast_plan_slices(const gpu_plan* plan, size_t group);

void gpu_fast_plan_clear(gpu_fast_plan* fast);

#endif /* MAUDIO_FAST_PLAN_H */

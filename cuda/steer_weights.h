/** @file
 * The inside of a gpu_steer: read by steer_bind.c, run by steer.c.
 */
#ifndef MAUDIO_STEER_WEIGHTS_H
#define MAUDIO_STEER_WEIGHTS_H

#include "stack.h"
#include "steer.h"

/// S bands and width D of the slow network; C, K, T, E as in core/steer.h
struct gpu_steer {
  gpu_arena             arena;
  maudio_cuda_precision precision;
  float                 norm_eps;
  size_t                n_bands; ///< S
  size_t                d_slow;  ///< D
  maudio_steer_config   config;  ///< Without blocks
  gpu_product           gain;    ///< S parts of (C / S, D)
  gpu_product           taps;    ///< (K, C)
  gpu_product           context; ///< (E, S D)
  gpu_product           in;      ///< (E, 2 T)
  const float*          out;     ///< (E), times norm_f
  const float*          absent;  ///< (GPU_PAST_CONTROLS, control)
  gpu_stack             layers;  ///< Of one phase
  size_t                n_rows;  ///< That run together
};

#endif /* MAUDIO_STEER_WEIGHTS_H */

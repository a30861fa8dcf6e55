/** @file
 * The state-space scans of Mamba (S6) and Mamba-2 (SSD), parallel over slices,
 * bands, channels and, where those are few, time.
 */
#ifndef MAUDIO_SCAN_H
#define MAUDIO_SCAN_H

#include "batch.h"

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// I d_inner, N d_state, G groups, H heads; Mamba has one group, and a head is
/// a channel. W channels are convolved: x and, with Mamba-2, B and C
typedef struct {
  bool  is_ssd; ///< Mamba-2
  int   n_bands;
  int   d_inner;
  int   d_state;
  int   d_conv;
  int   headdim;
  int   n_groups;
  int   n_conv; ///< W
  float dt_min;
  float dt_max;

  const float* conv_weight; ///< (d_conv, W)
  const float* conv_bias;   ///< (W)
  const float* dt_bias;     ///< (H), or NULL
  const float* a;           ///< Mamba-2: (H), Mamba: (I, N); -exp(A_log)
  const float* d;           ///< (H)
  int64_t      state_at;    ///< Where its state begins in that of a signal
} gpu_scan;

/// Rows (frame, band), each array with its stride
typedef struct {
  const float* x;  ///< (I), Mamba-2: (W), yet to be convolved
  const float* z;  ///< (I)
  const float* b;  ///< (G, N), C right after it; not used by Mamba-2
  const float* dt; ///< (H), before softplus
  float*       y;  ///< (I), may be z
  int64_t      x_stride;
  int64_t      z_stride;
  int64_t      b_stride;
  int64_t      dt_stride;
  int64_t      y_stride;
} gpu_scan_rows;

/// Return the floats of state of a signal: for each band h (I, N), and the rows
/// (d_conv - 1, W) before the next
size_t gpu_scan_state(const gpu_scan* scan);

/// Return the floats of working memory for `n` cut segments
size_t gpu_scan_work(const gpu_scan* scan, size_t n);

/// Return the blocks of threads that run for one band of one segment
int gpu_scan_blocks(const gpu_scan* scan);

/// y = (scan(x, dt, B, C) + D x) SiLU(z), and the state moves on
void gpu_scan_run(const gpu_scan*      scan,
                  const gpu_scan_rows* rows,
                  const gpu_batch*     batch,
                  float*               work,
                  cudaStream_t         stream);

/// Mamba: y (rows, W) = SiLU(bias + causal convolution of x)
void gpu_scan_conv(const gpu_scan*  scan,
                   const float*     x,
                   int64_t          x_stride,
                   float*           y,
                   const gpu_batch* batch,
                   cudaStream_t     stream);

/// Keep the last rows of x, for the next batch
void gpu_scan_keep(const gpu_scan*  scan,
                   const float*     x,
                   int64_t          x_stride,
                   const gpu_batch* batch,
                   cudaStream_t     stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_SCAN_H */

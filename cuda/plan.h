/** @file
 * From the slices of a batch to the arrays that kernels read.
 */
#ifndef MAUDIO_PLAN_H
#define MAUDIO_PLAN_H

#include "engine.h"
#include "fast_plan.h"
#include "segments.h"

/// Slices of one rate
typedef struct {
  gpu_format*     format;
  gpu_front_batch front;
  int64_t         n_rows;
  size_t          spectra_at; ///< Of its first row, in bins
  size_t          tails_at;   ///< In floats
} gpu_group;

/// A batch; arrays but `groups` are to be on the GPU, see gpu_plan_place()
struct gpu_plan {
  gpu_batch  batch;
  gpu_group* groups;
  size_t     n_groups;
  size_t     n_samples; ///< Of all slices and channels
  size_t     n_spectra; ///< Bins of all groups
  size_t     n_tails;
  size_t     most_time; ///< Floats of GPU_FFT_ROWS frames of any group
  size_t     most_bins;

  // The same arrays in page-locked memory, one after the other
  gpu_front_slice* slices;
  gpu_filler       filler;
  size_t           size;     ///< Bytes of all of them
  size_t*          order;    ///< (n) slices by their rate
  size_t           n_slices; ///< That hold a sample
  int64_t          length;   ///< Frames of a segment
  gpu_fast_plan    fast;     ///< Of models that steer, else empty
};

/// Check the slices and lay out a batch; free with gpu_plan_clear(), also on
/// failure
maudio_status gpu_plan_make(maudio_cuda_engine*      engine,
                            size_t                   n_slices,
                            const maudio_cuda_slice* slices,
                            gpu_plan*                plan,
                            maudio_error*            error);

/// Fill the arrays at `host`, plan->size bytes that will be copied to `device`;
/// `z` is as large as `in` where there is a fast network
void gpu_plan_fill(gpu_plan*                plan,
                   const maudio_cuda_slice* slices,
                   void*                    host,
                   const void*              device,
                   const float*             in,
                   float*                   out,
                   float*                   z);

void gpu_plan_clear(gpu_plan* plan);

#endif /* MAUDIO_PLAN_H */

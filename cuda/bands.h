/** @file
 * Bands of frames, in rows of their own and back among all others.
 */
#ifndef MAUDIO_BANDS_H
#define MAUDIO_BANDS_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Copy n_floats of each of n_frames frames, which are strides apart
void gpu_bands_copy(const float* from,
                    int64_t      from_stride,
                    float*       to,
                    int64_t      to_stride,
                    int64_t      n_floats,
                    int64_t      n_frames,
                    cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_BANDS_H */

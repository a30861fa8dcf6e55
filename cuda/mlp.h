/** @file
 * The hidden units of a gated MLP.
 */
#ifndef MAUDIO_GPU_MLP_H
#define MAUDIO_GPU_MLP_H

#include <cuda_runtime_api.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Rows at `stride`: gate (M), up (M) -> SiLU(gate) up in place of the gate
void gpu_mlp_hidden(float*       rows,
                    int64_t      n_rows,
                    int64_t      stride,
                    int          d_hidden,
                    cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_GPU_MLP_H */

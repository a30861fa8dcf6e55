/** @file
 * The MLP across bands, the same for each channel: x + fc2(SiLU(fc1(norm x))).
 */
#ifndef MAUDIO_BAND_MLP_H
#define MAUDIO_BAND_MLP_H

#include "product.h"

#ifdef __cplusplus
extern "C" {
#endif

/// S bands, D d_model, M d_hidden
typedef struct {
  int          n_bands;
  int          d_model;
  const float* norm; ///< (D)
  float        norm_eps;
  gpu_matrix   fc1;      ///< (M, S)
  gpu_matrix   fc2;      ///< (S, M)
  const float* fc1_bias; ///< (M)
  const float* fc2_bias; ///< (S)

  // Both once more, in the order of kernels for this very size, or NULL
  const float* fc1_tiles;
  const float* fc2_tiles;
} gpu_band_mlp;

/// Return whether there are kernels for this very size
bool gpu_band_mlp_has_tiles(size_t n_bands, size_t d_model, size_t d_hidden);

/// Return the floats of the first matrix as those kernels read it
size_t gpu_band_mlp_fc1_size(size_t n_bands, size_t d_hidden);

/// Put both matrices, row-major, into the order of those kernels
void gpu_band_mlp_pack(size_t       n_bands,
                       size_t       d_hidden,
                       const float* fc1,
                       const float* fc2,
                       float*       fc1_tiles,
                       float*       fc2_tiles);

/// Return the most bytes of shared memory that a block of threads asks for
size_t gpu_band_mlp_shared(int n_bands, int d_model);

/// x (n_frames, S, D) -> y of the same shape, not x
void gpu_band_mlp_run(const gpu_band_mlp*   mlp,
                      int64_t               n_frames,
                      const float*          x,
                      float*                y,
                      maudio_cuda_precision precision,
                      cudaStream_t          stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_BAND_MLP_H */

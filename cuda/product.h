/** @file
 * Products of rows with matrices: c = [x +] bias + norm(a) w. What a norm
 * multiplies its columns with is in the matrix.
 *
 * float32 is computed by the tensor cores, too: each number is the sum of two
 * in tf32, and of the four products the three that matter are taken.
 */
#ifndef MAUDIO_PRODUCT_H
#define MAUDIO_PRODUCT_H

#include "maudio_cuda.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A matrix (n_out, n_in) in the order in which lanes load it.
 *
 * Tiles of 8 outputs and 16 inputs, padded with zeros: lane l of a tile has
 * inputs 4 (l % 4) to 4 (l % 4) + 3 of output l / 4.
 */
typedef struct {
  const float* data; ///< (n_out / 8, n_in / 16, 32, 4), both rounded up
  int          n_out;
  int          n_in;
} gpu_matrix;

/// Return the floats of a matrix (n_out, n_in) in this order
size_t gpu_matrix_size(size_t n_out, size_t n_in);

/// Put a matrix (n_out, n_in), row-major, into this order
void gpu_matrix_pack(size_t n_out, size_t n_in, const float* from, float* to);

/// A product with columns of the rows
typedef struct {
  gpu_matrix   w;
  const float* bias; ///< (w.n_out), or NULL
  int          a_at; ///< First column of a, of w.n_in
  int          c_at; ///< First column of c, of w.n_out
} gpu_product_part;

typedef struct {
  int                     n_parts;
  const gpu_product_part* parts;   ///< On the GPU
  gpu_product_part        first;   ///< The first of them
  int                     most_in; ///< Of any part
} gpu_product;

/// Rows that a product takes and makes
typedef struct {
  const float* a;
  int64_t      a_stride;
  float*       c;
  int64_t      c_stride;
  int64_t      n_rows;
  int          n_norm; ///< Columns of a normed together, 0: it is not normed
  float        norm_eps;
  const float* x; ///< Of the shape of c, added to it, or NULL
} gpu_product_rows;

void gpu_product_run(const gpu_product*      product,
                     const gpu_product_rows* rows,
                     maudio_cuda_precision   precision,
                     cudaStream_t            stream);

#ifdef __cplusplus
}
#endif

#endif /* MAUDIO_PRODUCT_H */

/** @file
 * A projection: a matrix and, where there is one, a bias.
 */
#ifndef MAUDIO_LINEAR_H
#define MAUDIO_LINEAR_H

#include "kernels.h"
#include "tensors.h"

typedef struct {
  maudio_matrix weight; ///< (n_in, n_out padded)
  const float*  bias;   ///< (n_out padded), or NULL
} maudio_linear;

/// Read tensors `name`.weight (n_out, n_in) and, if asked to, `name`.bias
maudio_status maudio_linear_read(maudio_binding* binding,
                                 const char*     name,
                                 bool            has_bias,
                                 size_t          n_out,
                                 size_t          n_in,
                                 maudio_linear*  linear);

/**
 * y (n_rows, n_out padded) = [y +] bias + weight x
 *
 * @param x Rows of n_in floats, `x_stride` from one to the next.
 * @param y Rows of as many floats as the padded outputs.
 */
void maudio_linear_run(const maudio_linear*  linear,
                       const maudio_kernels* kernels,
                       size_t                n_rows,
                       const float*          x,
                       size_t                x_stride,
                       float*                y,
                       bool                  add);

#endif /* MAUDIO_LINEAR_H */

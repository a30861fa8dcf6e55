/** @file
 * Two matrices with an activation between them: a mixer, and each expert of
 * another.
 */
#ifndef MAUDIO_MLP_H
#define MAUDIO_MLP_H

#include "config.h"
#include "kernels.h"
#include "linear.h"
#include "tensors.h"

/// M hidden units
typedef struct {
  maudio_hidden hidden;
  size_t        d_model;
  size_t        d_hidden; ///< M
  maudio_linear gate;     ///< (D, M), if gated
  maudio_linear up;       ///< (D, M)
  maudio_linear down;     ///< (M, D)
} maudio_mlp_weights;

/// Read the weights below binding->prefix
maudio_status maudio_mlp_bind(const maudio_block_config* config,
                              maudio_binding*            binding,
                              maudio_mlp_weights*        mlp);

/// Return the multiply-accumulates of a row
double maudio_mlp_macs(const maudio_mlp_weights* mlp);

/// Return the floats of scratch that a row needs
size_t maudio_mlp_scratch(const maudio_mlp_weights* mlp);

/// y (n_rows, D') = mlp(x) (n_rows, D'), or that added to y
void maudio_mlp_run(const maudio_mlp_weights* mlp,
                    const maudio_kernels*     kernels,
                    size_t                    n_rows,
                    const float*              x,
                    float*                    y,
                    bool                      add,
                    float*                    scratch);

#endif /* MAUDIO_MLP_H */

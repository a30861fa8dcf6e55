/** @file
 * The layers of the network: y = x + mixer(norm(x)), each with its weights.
 */
#ifndef MAUDIO_LAYER_H
#define MAUDIO_LAYER_H

#include "band_mlp.h"
#include "config.h"
#include "device_memory.h"
#include "scan.h"
#include "weights.h"

/// Where weights come from and where they go
typedef struct {
  maudio_weights* weights;
  gpu_arena*      arena;
  const char*     prefix; ///< Put before names
  int             n_bands;
  int             d_model;
  float           norm_eps;
  maudio_error*   error;
} gpu_binding;

/// Sizes in floats of rows, one for each band of a frame
typedef struct {
  maudio_mixer_type type;
  float             norm_eps;
  int               first_band; ///< Of those that it is for
  int               n_bands;
  int               d_model;
  gpu_band_mlp      band_mlp;

  // mlp
  gpu_product gate_up; ///< Both, one after the other
  gpu_product down;
  int         d_hidden;

  // mamba, mamba2
  gpu_scan    scan;
  gpu_product in_proj;
  gpu_product x_proj;  ///< mamba: x to dt, B, C
  gpu_product dt_proj; ///< mamba
  gpu_product out_proj;
  int         n_norm;     ///< mamba2: channels normed together
  int         proj_width; ///< Of what in_proj, mlp: gate_up, makes
  int         x_width;    ///< Of what x_proj makes
  int         dt_rank;
  size_t      n_work; ///< Floats of working memory of a row
} gpu_layer;

/// Read a layer; its state begins at `*state_at`, which moves on
maudio_status gpu_layer_bind(const maudio_block_config* config,
                             gpu_binding*               binding,
                             size_t*                    state_at,
                             gpu_layer*                 layer);

/// Read what is particular to MLPs; `norm` (d_model) is the weight of the norm
/// before them
maudio_status gpu_layer_bind_band_mlp(const maudio_block_config* config,
                                      gpu_binding*               binding,
                                      const float*               norm,
                                      gpu_layer*                 layer);
maudio_status gpu_layer_bind_mlp(const maudio_block_config* config,
                                 gpu_binding*               binding,
                                 const float*               norm,
                                 gpu_layer*                 layer);

/// Whether a layer has a scan, and so a state
static inline bool gpu_layer_has_scan(const gpu_layer* layer)
{
  return layer->type == MAUDIO_MIXER_MAMBA ||
         layer->type == MAUDIO_MIXER_MAMBA2;
}

/// What layers work with
typedef struct {
  const gpu_batch*      batch;
  const float*          x;    ///< (n_frames, S, D)
  float*                y;    ///< The same shape, not x
  float*                work; ///< n_work of every row
  float*                scan; ///< gpu_scan_work() of the cut segments
  maudio_cuda_precision precision;
  cudaStream_t          stream;
} gpu_layer_run;

void gpu_layer_queue(const gpu_layer* layer, const gpu_layer_run* run);

/// Read tensor prefix + name to the GPU
maudio_status gpu_bind_floats(gpu_binding*  binding,
                              const char*   name,
                              unsigned      n_dims,
                              const size_t* shape,
                              const float** floats);

/// A matrix on its way to the GPU
typedef struct {
  const char*  name;
  size_t       n_out;
  size_t       n_in;
  const float* bias; ///< On the GPU, or NULL
  const float* norm; ///< (n_in) weights of a norm before it, or NULL
} gpu_product_source;

/// Read a matrix as a product with whole rows
maudio_status gpu_bind_product(gpu_binding*              binding,
                               const gpu_product_source* source,
                               gpu_product*              product);

/// Put the parts of a product on the GPU
maudio_status gpu_bind_parts(gpu_binding*            binding,
                             size_t                  n_parts,
                             const gpu_product_part* parts,
                             gpu_product*            product);

/// Put a matrix (n_out, n_in) on the GPU as a product with whole rows
maudio_status gpu_bind_whole(gpu_binding* binding,
                             size_t       n_out,
                             size_t       n_in,
                             const float* rows,
                             const float* bias,
                             gpu_product* product);

/// Multiply the columns of a matrix
void gpu_scale_columns(size_t       n_rows,
                       size_t       n_columns,
                       const float* scales,
                       float*       rows);

/// Row-major (n_rows, n_columns) to (n_columns, n_rows)
void gpu_transpose(size_t       n_rows,
                   size_t       n_columns,
                   const float* from,
                   float*       to);

/// Read a tensor as float32, to be freed with free()
maudio_status gpu_bind_read(gpu_binding*  binding,
                            const char*   name,
                            unsigned      n_dims,
                            const size_t* shape,
                            float**       data);

/// Put the rows of a matrix (n_out, n_in) on the GPU
maudio_status gpu_bind_matrix(gpu_binding* binding,
                              size_t       n_out,
                              size_t       n_in,
                              const float* rows,
                              gpu_matrix*  matrix);

#endif /* MAUDIO_LAYER_H */

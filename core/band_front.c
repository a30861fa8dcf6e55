#include "band_front.h"

#include "matrix.h"

#include <stdlib.h>
#include <string.h>

/// Read a tensor (n_rows, D) and pad its rows to D'
static maudio_status
read_rows(maudio_binding* b, const char* name, size_t n_rows, const float** to)
{
  const size_t  d_pad   = maudio_pad(b->d_model);
  const size_t  shape[] = {n_rows, b->d_model};
  float*        rows    = NULL;
  float*        padded  = NULL;
  maudio_status status  = maudio_tensor_read(b, name, 2, shape, &rows);
  if (!status) {
    status = maudio_floats_new(b, name, n_rows * d_pad, &padded);
  }
  for (size_t r = 0; !status && r < n_rows; ++r) {
    memcpy(padded + r * d_pad, rows + r * b->d_model,
           b->d_model * sizeof(float));
  }
  *to = padded;
  free(rows);
  return status;
}

/// Pack the rows of each band to a matrix of its own
static maudio_status bind_out_weight(const maudio_spectral_config* config,
                                     maudio_binding*               b,
                                     const maudio_matrix**         to)
{
  static const char name[] = "band_out.weight";

  maudio_rows    rows;
  maudio_matrix* weights = NULL;
  maudio_status  status =
    maudio_rows_read(b, name, (size_t)2 * config->n_bins, b->d_model, &rows);
  if (!status) {
    weights = maudio_arena_new(b->arena, config->n_bands * sizeof *weights);
    status  = weights ? MAUDIO_SUCCESS : maudio_binding_no_memory(b, name);
  }
  for (size_t s = 0; weights && !status && s < config->n_bands; ++s) {
    const size_t   first = (size_t)2 * config->band_edges[s];
    const size_t   n     = (size_t)2 * config->band_edges[s + 1] - first;
    maudio_packing packing;
    status = maudio_packing_new(b, name, &rows, b->d_model, n, &packing);
    if (!status) {
      maudio_pack(&packing, 0, 0, &rows, first, 0, n, b->d_model);
      weights[s] = packing.matrix;
    }
  }
  maudio_rows_free(&rows);
  *to = weights;
  return status;
}

static maudio_status bind_out_bias(const maudio_spectral_config* config,
                                   maudio_binding*               b,
                                   maudio_band_front*            front)
{
  const size_t  n_out  = (size_t)2 * config->n_bins;
  float*        values = NULL;
  float*        bias   = NULL;
  maudio_status status =
    maudio_tensor_read(b, "band_out.bias", 1, &n_out, &values);
  if (!status) {
    status = maudio_floats_new(b, "band_out.bias", front->n_mask, &bias);
  }
  if (!status) {
    memcpy(bias, values, n_out * sizeof(float));
  }
  free(values);
  front->out_bias = bias;
  return status;
}

maudio_status maudio_band_front_bind(const maudio_spectral_config* config,
                                     bool                          has_mask,
                                     maudio_binding*               binding,
                                     maudio_band_front*            front)
{
  const size_t n_bins = config->n_bins;
  *front              = (maudio_band_front){.kernels    = binding->kernels,
                                            .n_bands    = config->n_bands,
                                            .edges      = config->band_edges,
                                            .d_pad      = maudio_pad(binding->d_model),
                                            .n_features = 3 * n_bins,
                                            .n_mask = maudio_pad(2 * n_bins) + MAUDIO_LANES};
  maudio_status status =
    read_rows(binding, "band_in.weight", front->n_features, &front->in_weight);
  if (!status) {
    status =
      read_rows(binding, "band_in.bias", config->n_bands, &front->in_bias);
  }
  if (status || !has_mask) {
    return status;
  }
  status = bind_out_weight(config, binding, &front->out_weight);
  return status ? status : bind_out_bias(config, binding, front);
}

void maudio_band_front_in(const maudio_band_front* front,
                          size_t                   n_frames,
                          const float*             features,
                          float*                   x)
{
  const size_t d_pad = front->d_pad;
  for (size_t s = 0; s < front->n_bands; ++s) {
    const size_t        first = (size_t)3 * front->edges[s];
    const maudio_matrix w = {.n_in    = (size_t)3 * front->edges[s + 1] - first,
                             .n_out   = d_pad,
                             .in_step = d_pad,
                             .panel_step = MAUDIO_LANES,
                             .data       = front->in_weight + first * d_pad};
    front->kernels->gemm(&(maudio_gemm){.w        = w,
                                        .bias     = front->in_bias + s * d_pad,
                                        .x        = features + first,
                                        .x_stride = front->n_features,
                                        .n_rows   = n_frames,
                                        .y        = x + s * d_pad,
                                        .y_stride = front->n_bands * d_pad});
  }
}

void maudio_band_front_out(const maudio_band_front* front,
                           size_t                   n_frames,
                           const float*             x,
                           float*                   mask)
{
  // The padding of a band spills into the next one, which then overwrites it
  for (size_t s = 0; s < front->n_bands; ++s) {
    const size_t first = (size_t)2 * front->edges[s];
    front->kernels->gemm(
      &(maudio_gemm){.w        = front->out_weight[s],
                     .bias     = front->out_bias + first,
                     .x        = x + s * front->d_pad,
                     .x_stride = front->n_bands * front->d_pad,
                     .n_rows   = n_frames,
                     .y        = mask + first,
                     .y_stride = front->n_mask});
  }
}

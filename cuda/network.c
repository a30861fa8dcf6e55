#include "network.h"

#include "error.h"
#include "stack.h"

#include <stdlib.h>

struct gpu_network {
  gpu_arena             arena;
  maudio_cuda_precision precision;
  float                 norm_eps;
  size_t                n_bins;
  size_t                n_out; ///< Of models that make a mask, with its taps
  gpu_stack             layers;
  gpu_product           band_in;
  gpu_product           band_out; ///< Of models that make a mask
  const gpu_steer*      steer;    ///< Of others, else NULL
};

/// Bands of bins: which columns of features or masks, and which of x
typedef struct {
  const char* weight;
  const char* bias;
  size_t      n_bands; ///< From the lowest one on
  size_t      per_bin; ///< Columns of a bin
  size_t      at;      ///< Column of the first bin
  bool        is_in;   ///< To bands, not from them
} band_ends;

/// The part of band `s`; `rows` are those of all bands, `norm` is the weight of
/// the norm before those that leave the bands
static maudio_status bind_band(const maudio_spectral_config* config,
                               gpu_binding*                  b,
                               const band_ends*              ends,
                               size_t                        s,
                               const float*                  norm,
                               float*                        rows,
                               gpu_product_part*             part)
{
  const size_t d_model = (size_t)b->d_model;
  const size_t first   = ends->per_bin * config->band_edges[s];
  const size_t n_rows  = ends->per_bin * config->band_edges[s + 1] - first;
  float* const own     = rows + first * d_model;
  part->a_at           = (int)(ends->is_in ? first : s * d_model);
  part->c_at           = (int)(ends->is_in ? s * d_model : ends->at + first);
  if (!ends->is_in) {
    gpu_scale_columns(n_rows, d_model, norm, own);
    return gpu_bind_matrix(b, n_rows, d_model, own, &part->w);
  }
  float* const turned = (float*)malloc(n_rows * d_model * sizeof *turned);
  if (!turned) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY, "No memory for %s",
                       ends->weight);
  }
  gpu_transpose(n_rows, d_model, own, turned);
  const maudio_status status =
    gpu_bind_matrix(b, d_model, n_rows, turned, &part->w);
  free(turned);
  return status;
}

static maudio_status bind_bands(const maudio_spectral_config* config,
                                gpu_binding*                  b,
                                const band_ends*              ends,
                                const float*                  norm,
                                gpu_product_part*             parts)
{
  const size_t d_model  = (size_t)b->d_model;
  const size_t n_bins   = config->band_edges[ends->n_bands];
  const size_t weight[] = {ends->per_bin * n_bins, d_model};
  const size_t in[]     = {ends->n_bands, d_model};
  float*       rows     = NULL;
  const float* bias     = NULL;

  maudio_status status = gpu_bind_read(b, ends->weight, 2, weight, &rows);
  if (!status) {
    status = gpu_bind_floats(b, ends->bias, ends->is_in ? 2 : 1,
                             ends->is_in ? in : weight, &bias);
  }
  for (size_t s = 0; !status && s < ends->n_bands; ++s) {
    status        = bind_band(config, b, ends, s, norm, rows, &parts[s]);
    parts[s].bias = bias + ((size_t)parts[s].c_at - ends->at);
  }
  free(rows);
  return status;
}

/// Read a product whose parts are the bands of one end after the other
static maudio_status bind_ends(const maudio_spectral_config* config,
                               gpu_binding*                  b,
                               size_t                        n_ends,
                               const band_ends*              ends,
                               const float*                  norm,
                               gpu_product*                  product)
{
  size_t n_parts = 0;
  for (size_t i = 0; i < n_ends; ++i) {
    n_parts += ends[i].n_bands;
  }
  gpu_product_part* const parts =
    (gpu_product_part*)calloc(n_parts, sizeof *parts);
  if (!parts) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY, "No memory for %s",
                       ends->weight);
  }
  maudio_status     status = MAUDIO_SUCCESS;
  gpu_product_part* own    = parts;
  for (size_t i = 0; !status && i < n_ends; ++i) {
    status = bind_bands(config, b, &ends[i], norm, own);
    own += ends[i].n_bands;
  }
  if (!status) {
    status = gpu_bind_parts(b, n_parts, parts, product);
  }
  free(parts);
  return status;
}

static maudio_status
bind(gpu_network* n, const maudio_config* config, gpu_binding* b)
{
  const maudio_spectral_config* const c      = &config->spectral;
  const maudio_filter_config* const   filter = &c->filter;

  const band_ends in    = {.weight  = "band_in.weight",
                           .bias    = "band_in.bias",
                           .n_bands = c->n_bands,
                           .per_bin = 3,
                           .is_in   = true};
  const band_ends out[] = {{.weight  = "band_out.weight",
                            .bias    = "band_out.bias",
                            .n_bands = c->n_bands,
                            .per_bin = 2},
                           {.weight  = "filter_out.weight",
                            .bias    = "filter_out.bias",
                            .n_bands = filter->n_bands,
                            .per_bin = (size_t)2 * filter->n_delays,
                            .at      = (size_t)2 * c->n_bins}};
  const size_t    n_out = filter->n_bins ? 2 : 1;

  const size_t  d_model = config->d_model;
  float*        norm_f  = NULL;
  maudio_status status  = bind_ends(c, b, 1, &in, NULL, &n->band_in);
  if (!status) {
    status = gpu_stack_bind(config->n_blocks, config->blocks, b, &n->layers);
  }
  if (!status && !n->steer) {
    status = gpu_bind_read(b, config->norm_f, 1, &d_model, &norm_f);
  }
  if (!status && !n->steer) {
    status = bind_ends(c, b, n_out, out, norm_f, &n->band_out);
  }
  free(norm_f);
  return status ? status : maudio_weights_check_all_used(b->weights, b->error);
}

maudio_status gpu_network_new(const maudio_config*  config,
                              maudio_weights*       weights,
                              maudio_cuda_precision precision,
                              const gpu_steer*      steer,
                              gpu_network**         network,
                              maudio_error*         error)
{
  *network             = NULL;
  gpu_network* const n = (gpu_network*)calloc(1, sizeof *n);
  if (!n) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for model '%s'",
                       config->name);
  }
  n->precision = precision;
  n->norm_eps  = config->norm_eps;
  n->n_bins    = config->spectral.n_bins;
  n->n_out     = 2 * (n->n_bins + (size_t)config->spectral.filter.n_bins *
                                config->spectral.filter.n_delays);
  n->steer     = steer;

  gpu_binding         binding = {.weights  = weights,
                                 .arena    = &n->arena,
                                 .prefix   = "",
                                 .n_bands  = (int)config->spectral.n_bands,
                                 .d_model  = (int)config->d_model,
                                 .norm_eps = n->norm_eps,
                                 .error    = error};
  const maudio_status status  = bind(n, config, &binding);
  if (status) {
    gpu_network_free(n);
    return status;
  }
  *network = n;
  return MAUDIO_SUCCESS;
}

void gpu_network_free(gpu_network* n)
{
  if (!n) {
    return;
  }
  gpu_arena_clear(&n->arena);
  gpu_stack_clear(&n->layers);
  free(n);
}

size_t gpu_network_features(const gpu_network* n)
{
  return (3 * n->n_bins + 3) / 4 * 4;
}

size_t gpu_network_out(const gpu_network* n)
{
  return n->steer ? gpu_steer_control(n->steer) : n->n_out;
}

size_t gpu_network_state(const gpu_network* n)
{
  return n->layers.n_state;
}

size_t gpu_network_frame_bytes(const gpu_network* n)
{
  return sizeof(float) * gpu_stack_frame(&n->layers);
}

int gpu_network_blocks(const gpu_network* n)
{
  return n->layers.n_bands * gpu_stack_blocks(&n->layers);
}

/// Queue what makes masks, and taps, of the last layer's output
static void queue_mask(const gpu_network* n,
                       int64_t            n_frames,
                       const float*       x,
                       float*             mask,
                       cudaStream_t       stream)
{
  gpu_product_run(&n->band_out,
                  &(gpu_product_rows){.a        = x,
                                      .a_stride = (int64_t)n->layers.n_bands *
                                                  n->layers.d_model,
                                      .c        = mask,
                                      .c_stride = (int64_t)gpu_network_out(n),
                                      .n_rows   = n_frames,
                                      .n_norm   = n->layers.d_model,
                                      .norm_eps = n->norm_eps},
                  n->precision, stream);
}

maudio_status gpu_network_run(gpu_network*     n,
                              const gpu_batch* batch,
                              const float*     features,
                              float*           out,
                              cudaStream_t     stream,
                              maudio_error*    error)
{
  if (!batch->n_frames) {
    return MAUDIO_SUCCESS;
  }
  const gpu_stack_run run     = {.batch     = batch,
                                 .n_bands   = n->layers.n_bands,
                                 .precision = n->precision,
                                 .stream    = stream};
  const size_t        n_gains = n->steer ? gpu_steer_gains(n->steer) : 0;
  const maudio_status status  = gpu_stack_reserve(
     &n->layers, &run, (size_t)batch->n_frames * n_gains, error);
  if (status) {
    return status;
  }
  float* const x = (float*)n->layers.x.data;
  gpu_product_run(&n->band_in,
                  &(gpu_product_rows){
                    .a        = features,
                    .a_stride = (int64_t)gpu_network_features(n),
                    .c        = x,
                    .c_stride = (int64_t)n->layers.n_bands * n->layers.d_model,
                    .n_rows   = batch->n_frames},
                  n->precision, stream);
  const float* const y =
    gpu_stack_queue(&n->layers, &run, x, (float*)n->layers.y.data);
  if (n->steer) {
    gpu_steer_controls(n->steer, batch->n_frames, y,
                       (float*)n->layers.work.data, out, stream);
  } else {
    queue_mask(n, batch->n_frames, y, out, stream);
  }
  return MAUDIO_SUCCESS;
}

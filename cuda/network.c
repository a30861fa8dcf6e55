#include "network.h"

#include "error.h"
#include "layer.h"

#include <stdlib.h>

struct gpu_network {
  gpu_arena             arena;
  maudio_cuda_precision precision;
  int                   n_bands;
  int                   d_model;
  float                 norm_eps;
  size_t                n_bins;
  size_t                n_layers;
  gpu_layer*            layers;
  gpu_product           band_in;
  gpu_product           band_out;
  size_t                n_state;
  gpu_buffer            x;    ///< (n_frames, S, D)
  gpu_buffer            y;    ///< The same shape
  gpu_buffer            work; ///< Of the layer that needs most
  gpu_buffer            scan;
};

/// Bands of bins: which columns of features or masks, and which of x
typedef struct {
  const char* weight;
  const char* bias;
  size_t      per_bin; ///< Columns of a bin
  bool        is_in;   ///< To bands, not from them
} band_ends;

/// Row-major (n_in, n_out) to (n_out, n_in)
static void transpose(size_t n_in, size_t n_out, const float* from, float* to)
{
  for (size_t i = 0; i < n_in * n_out; ++i) {
    to[i % n_out * n_in + i / n_out] = from[i];
  }
}

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
  part->c_at           = (int)(ends->is_in ? s * d_model : first);
  if (!ends->is_in) {
    gpu_scale_columns(n_rows, d_model, norm, own);
    return gpu_bind_matrix(b, n_rows, d_model, own, &part->w);
  }
  float* const turned = (float*)malloc(n_rows * d_model * sizeof *turned);
  if (!turned) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY, "No memory for %s",
                       ends->weight);
  }
  transpose(n_rows, d_model, own, turned);
  const maudio_status status =
    gpu_bind_matrix(b, d_model, n_rows, turned, &part->w);
  free(turned);
  return status;
}

static maudio_status bind_bands(const maudio_spectral_config* config,
                                gpu_binding*                  b,
                                const band_ends*              ends,
                                const float*                  norm,
                                gpu_product*                  product)
{
  const size_t weight[] = {ends->per_bin * config->n_bins, (size_t)b->d_model};
  const size_t in[]     = {config->n_bands, (size_t)b->d_model};
  float*       rows     = NULL;
  const float* bias     = NULL;
  gpu_product_part* const parts =
    (gpu_product_part*)calloc(config->n_bands, sizeof *parts);
  if (!parts) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY, "No memory for %s",
                       ends->weight);
  }
  maudio_status status = gpu_bind_read(b, ends->weight, 2, weight, &rows);
  if (!status) {
    status = gpu_bind_floats(b, ends->bias, ends->is_in ? 2 : 1,
                             ends->is_in ? in : weight, &bias);
  }
  *product = (gpu_product){.n_parts = (int)config->n_bands};
  for (size_t s = 0; !status && s < config->n_bands; ++s) {
    status           = bind_band(config, b, ends, s, norm, rows, &parts[s]);
    parts[s].bias    = bias + parts[s].c_at;
    const int n_in   = parts[s].w.n_in;
    product->most_in = n_in > product->most_in ? n_in : product->most_in;
  }
  const void* copy = NULL;
  if (!status) {
    status = gpu_arena_copy(b->arena, parts, config->n_bands * sizeof *parts,
                            &copy, b->error);
  }
  product->parts = (const gpu_product_part*)copy;
  product->first = parts[0];
  free(rows);
  free(parts);
  return status;
}

static maudio_status
bind(gpu_network* n, const maudio_config* config, gpu_binding* b)
{
  static const band_ends in  = {"band_in.weight", "band_in.bias", 3, true};
  static const band_ends out = {"band_out.weight", "band_out.bias", 2, false};

  const size_t  d_model = config->d_model;
  float*        norm_f  = NULL;
  maudio_status status =
    bind_bands(&config->spectral, b, &in, NULL, &n->band_in);
  for (size_t i = 0; !status && i < n->n_layers; ++i) {
    status = gpu_layer_bind(&config->blocks[i], b, &n->n_state, &n->layers[i]);
  }
  b->prefix = "";
  if (!status) {
    status = gpu_bind_read(b, config->norm_f, 1, &d_model, &norm_f);
  }
  if (!status) {
    status = bind_bands(&config->spectral, b, &out, norm_f, &n->band_out);
  }
  free(norm_f);
  return status ? status : maudio_weights_check_all_used(b->weights, b->error);
}

maudio_status gpu_network_new(const maudio_config*  config,
                              maudio_weights*       weights,
                              maudio_cuda_precision precision,
                              gpu_network**         network,
                              maudio_error*         error)
{
  *network             = NULL;
  gpu_network* const n = (gpu_network*)calloc(1, sizeof *n);
  if (n) {
    n->layers = (gpu_layer*)calloc(config->n_blocks, sizeof *n->layers);
  }
  if (!n || !n->layers) {
    free(n);
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for model '%s'",
                       config->name);
  }
  n->precision = precision;
  n->n_bands   = (int)config->spectral.n_bands;
  n->d_model   = (int)config->d_model;
  n->norm_eps  = config->norm_eps;
  n->n_bins    = config->spectral.n_bins;
  n->n_layers  = config->n_blocks;

  gpu_binding         binding = {.weights  = weights,
                                 .arena    = &n->arena,
                                 .prefix   = "",
                                 .n_bands  = n->n_bands,
                                 .d_model  = n->d_model,
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
  gpu_buffer_clear(&n->x);
  gpu_buffer_clear(&n->y);
  gpu_buffer_clear(&n->work);
  gpu_buffer_clear(&n->scan);
  free(n->layers);
  free(n);
}

size_t gpu_network_features(const gpu_network* n)
{
  return (3 * n->n_bins + 3) / 4 * 4;
}

size_t gpu_network_mask(const gpu_network* n)
{
  return 2 * n->n_bins;
}

size_t gpu_network_state(const gpu_network* n)
{
  return n->n_state;
}

/// Floats of working memory of a row, in the layer that needs most
static size_t most_work(const gpu_network* n)
{
  size_t most = 0;
  for (size_t i = 0; i < n->n_layers; ++i) {
    most = n->layers[i].n_work > most ? n->layers[i].n_work : most;
  }
  return most;
}

size_t gpu_network_frame_bytes(const gpu_network* n)
{
  return sizeof(float) * (size_t)n->n_bands *
         (2 * (size_t)n->d_model + most_work(n));
}

int gpu_network_blocks(const gpu_network* n)
{
  int least = 0;
  for (size_t i = 0; i < n->n_layers; ++i) {
    if (n->layers[i].type != MAUDIO_MIXER_BAND_MLP) {
      const int blocks = gpu_scan_blocks(&n->layers[i].scan);
      least            = least && least < blocks ? least : blocks;
    }
  }
  return n->n_bands * (least ? least : 1);
}

static maudio_status
reserve(gpu_network* n, const gpu_batch* batch, maudio_error* error)
{
  const size_t n_rows = (size_t)batch->n_frames * (size_t)n->n_bands;
  const size_t size   = sizeof(float) * n_rows * (size_t)n->d_model;
  size_t       n_scan = 0;
  for (size_t i = 0; i < n->n_layers; ++i) {
    const gpu_layer* l = &n->layers[i];
    if (l->type != MAUDIO_MIXER_BAND_MLP) {
      const size_t own = gpu_scan_work(&l->scan, (size_t)batch->n_cut_segments);
      n_scan           = own > n_scan ? own : n_scan;
    }
  }
  maudio_status status = gpu_buffer_reserve(&n->x, size, error);
  if (!status) {
    status = gpu_buffer_reserve(&n->y, size, error);
  }
  if (!status) {
    status = gpu_buffer_reserve(&n->work, sizeof(float) * n_rows * most_work(n),
                                error);
  }
  return status ? status
                : gpu_buffer_reserve(&n->scan, sizeof(float) * n_scan, error);
}

maudio_status gpu_network_run(gpu_network*     n,
                              const gpu_batch* batch,
                              const float*     features,
                              float*           mask,
                              cudaStream_t     stream,
                              maudio_error*    error)
{
  if (!batch->n_frames) {
    return MAUDIO_SUCCESS;
  }
  const maudio_status status = reserve(n, batch, error);
  if (status) {
    return status;
  }
  float*        x     = (float*)n->x.data;
  float*        y     = (float*)n->y.data;
  const int64_t width = (int64_t)n->n_bands * n->d_model; // Of a frame
  gpu_product_run(
    &n->band_in,
    &(gpu_product_rows){.a        = features,
                        .a_stride = (int64_t)gpu_network_features(n),
                        .c        = x,
                        .c_stride = width,
                        .n_rows   = batch->n_frames},
    n->precision, stream);
  for (size_t i = 0; i < n->n_layers; ++i) {
    gpu_layer_queue(&n->layers[i],
                    &(gpu_layer_run){.batch     = batch,
                                     .x         = x,
                                     .y         = y,
                                     .work      = (float*)n->work.data,
                                     .scan      = (float*)n->scan.data,
                                     .precision = n->precision,
                                     .stream    = stream});
    float* const previous = x;
    x                     = y;
    y                     = previous;
  }
  gpu_product_run(&n->band_out,
                  &(gpu_product_rows){.a        = x,
                                      .a_stride = width,
                                      .c        = mask,
                                      .c_stride = (int64_t)gpu_network_mask(n),
                                      .n_rows   = batch->n_frames,
                                      .n_norm   = n->d_model,
                                      .norm_eps = n->norm_eps},
                  n->precision, stream);
  return MAUDIO_SUCCESS;
}

#include "model.h"

#include "error.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Rows (frames x bands) of a run: enough to use weights again, not so many
/// that they leave the cache
#define CHUNK_ROWS 64
#define MAX_CHUNK 16

const maudio_mixer_class* maudio_mixer_find(maudio_mixer_type type)
{
  switch (type) {
  case MAUDIO_MIXER_MAMBA:
    return &maudio_mamba;
  case MAUDIO_MIXER_MAMBA2:
    return &maudio_mamba2;
  case MAUDIO_MIXER_BAND_MLP:
    return &maudio_band_mlp;
  }
  return NULL;
}

/// FNV-1a, 64 bits
static uint64_t hash(const uint8_t* data, size_t size)
{
  uint64_t h = 0xCBF29CE484222325U;
  for (size_t i = 0; i < size; ++i) {
    h = (h ^ data[i]) * 0x100000001B3U;
  }
  return h;
}

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

static maudio_status bind_band_out(maudio_model* model, maudio_binding* b)
{
  const maudio_spectral_config* front   = &model->config.spectral;
  const size_t                  n_out   = (size_t)2 * front->n_bins;
  const size_t                  shape[] = {n_out, b->d_model};

  float*         rows    = NULL;
  float*         bias    = NULL;
  float*         packed  = NULL;
  maudio_matrix* weights = NULL;
  maudio_status  status =
    maudio_tensor_read(b, "band_out.weight", 2, shape, &rows);
  if (!status) {
    weights = maudio_arena_new(b->arena, front->n_bands * sizeof *weights);
    status =
      weights ? MAUDIO_SUCCESS : maudio_binding_no_memory(b, "band_out.weight");
  }
  for (size_t s = 0; !status && s < front->n_bands; ++s) {
    const size_t first = (size_t)2 * front->band_edges[s];
    const size_t n     = (size_t)2 * front->band_edges[s + 1] - first;
    status = maudio_matrix_new(b, "band_out.weight", b->d_model, n, &weights[s],
                               &packed);
    if (!status) {
      maudio_matrix_pack(packed, b->d_model, 0, 0, rows + first * b->d_model,
                         b->d_model, n, b->d_model);
    }
  }
  free(rows);
  rows = NULL;
  if (!status) {
    status = maudio_tensor_read(b, "band_out.bias", 1, shape, &rows);
  }
  if (!status) {
    status = maudio_floats_new(b, "band_out.bias", model->n_mask, &bias);
  }
  if (!status) {
    memcpy(bias, rows, n_out * sizeof(float));
  }
  free(rows);
  model->out_weight = weights;
  model->out_bias   = bias;
  return status;
}

static maudio_status bind_layers(maudio_model* model, maudio_binding* b)
{
  const maudio_config* config = &model->config;
  maudio_layer*        layers =
    maudio_arena_new(b->arena, config->n_blocks * sizeof *layers);
  maudio_status status =
    layers ? MAUDIO_SUCCESS : maudio_binding_no_memory(b, "backbone");
  for (uint32_t i = 0; !status && i < config->n_blocks; ++i) {
    char prefix[48];
    snprintf(prefix, sizeof prefix, "backbone.layers.%u.", i);
    b->prefix = prefix;
    status    = maudio_tensor_read_array(b, "norm.weight", 1, &b->d_model,
                                         &layers[i].norm);
    snprintf(prefix, sizeof prefix, "backbone.layers.%u.mixer.", i);
    if (!status) {
      status = maudio_mixer_find(config->blocks[i].mixer)
                 ->bind(&config->blocks[i], b, &layers[i].mixer);
    }
    b->prefix = "";
  }
  model->layers = layers;
  return status;
}

static maudio_status bind_all(maudio_model* model, maudio_binding* b)
{
  const maudio_spectral_config* front = &model->config.spectral;
  maudio_status                 status =
    read_rows(b, "band_in.weight", model->n_features, &model->in_weight);
  if (!status) {
    status = read_rows(b, "band_in.bias", front->n_bands, &model->in_bias);
  }
  if (!status) {
    status = bind_layers(model, b);
  }
  if (!status) {
    status = maudio_tensor_read_array(b, "backbone.norm_f.weight", 1,
                                      &b->d_model, &model->norm_f);
  }
  if (!status) {
    status = bind_band_out(model, b);
  }
  return status ? status : maudio_weights_check_all_used(b->weights, b->error);
}

/// Sizes that follow from the configuration alone
static void set_sizes(maudio_model* model)
{
  const maudio_config*          config = &model->config;
  const maudio_spectral_config* front  = &config->spectral;

  model->d_pad      = maudio_pad(config->d_model);
  model->n_features = (size_t)3 * front->n_bins;
  model->n_mask     = maudio_pad((size_t)2 * front->n_bins) + MAUDIO_LANES;
  model->n_chunk    = CHUNK_ROWS / front->n_bands;
  if (model->n_chunk < 1) {
    model->n_chunk = 1;
  } else if (model->n_chunk > MAX_CHUNK) {
    model->n_chunk = MAX_CHUNK;
  }
}

/// Sizes and information that follow from the bound layers
static void set_info(maudio_model* model, uint64_t n_parameters)
{
  const maudio_config*          config = &model->config;
  const maudio_spectral_config* front  = &config->spectral;

  size_t n_scratch = 0;
  double macs      = 5.0 * front->n_bins * config->d_model;
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    const maudio_mixer* mixer = model->layers[i].mixer;
    const size_t        n =
      model->n_chunk * mixer->n_frame_scratch + mixer->n_fixed_scratch;
    n_scratch = n > n_scratch ? n : n_scratch;
    macs += mixer->macs;
    model->n_state += mixer->n_state;
  }
  model->n_scratch =
    2 * model->n_chunk * front->n_bands * model->d_pad + n_scratch;

  model->info =
    (maudio_model_info){.name            = config->name,
                        .task            = config->task,
                        .licence         = config->licence,
                        .rate_hz         = front->rate_hz,
                        .latency_ms      = 2 * front->hop_ms,
                        .n_parameters    = n_parameters,
                        .macs_per_second = macs * 1000 / front->hop_ms,
                        .n_layers        = config->n_blocks,
                        .d_model         = config->d_model,
                        .n_bands         = front->n_bands};
}

static maudio_status build(maudio_model*   model,
                           maudio_weights* weights,
                           const char*     label,
                           maudio_error*   error)
{
  const char* json = maudio_weights_metadata(weights, "maudio");
  if (!json) {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: No 'maudio' in its metadata, not a maudio model",
                       maudio_path_tail(label));
  }
  const maudio_status status =
    maudio_config_parse(json, label, &model->config, error);
  if (status) {
    return status;
  }
  set_sizes(model);
  maudio_binding      binding = {.weights  = weights,
                                 .arena    = &model->arena,
                                 .prefix   = "",
                                 .d_model  = model->config.d_model,
                                 .n_bands  = model->config.spectral.n_bands,
                                 .norm_eps = model->config.norm_eps,
                                 .error    = error};
  const maudio_status bound   = bind_all(model, &binding);
  if (!bound) {
    set_info(model, binding.n_parameters);
  }
  return bound;
}

maudio_status maudio_model_open_memory(const void*    data,
                                       size_t         size,
                                       const char*    label,
                                       maudio_model** model,
                                       maudio_error*  error)
{
  *model                  = NULL;
  maudio_weights* weights = NULL;
  maudio_status   status =
    maudio_weights_open(data, size, label, &weights, error);
  if (status) {
    return status;
  }
  maudio_model* made = calloc(1, sizeof *made);
  if (!made) {
    maudio_weights_free(weights);
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "%s: No memory for the model", maudio_path_tail(label));
  }
  made->kernels     = maudio_kernels_choose();
  made->fingerprint = hash(data, size);
  status            = build(made, weights, label, error);
  maudio_weights_free(weights);
  if (status) {
    maudio_model_free(made);
    return status;
  }
  *model = made;
  return MAUDIO_SUCCESS;
}

maudio_status
maudio_model_open(const char* path, maudio_model** model, maudio_error* error)
{
  *model               = NULL;
  void*         data   = NULL;
  size_t        size   = 0;
  maudio_status status = maudio_file_read(path, &data, &size, error);
  if (!status) {
    status = maudio_model_open_memory(data, size, path, model, error);
  }
  free(data);
  return status;
}

void maudio_model_free(maudio_model* model)
{
  if (model) {
    maudio_arena_clear(&model->arena);
    maudio_config_clear(&model->config);
    free(model);
  }
}

void maudio_model_get_info(const maudio_model* model, maudio_model_info* info)
{
  *info = model->info;
}

/// features (n_frames, 3K) -> x (n_frames, S, D')
static void run_band_in(const maudio_model* model,
                        size_t              n_frames,
                        const float*        features,
                        float*              x)
{
  const maudio_spectral_config* front = &model->config.spectral;
  for (size_t s = 0; s < front->n_bands; ++s) {
    const size_t        first = (size_t)3 * front->band_edges[s];
    const maudio_matrix w     = {.n_in =
                                   (size_t)3 * front->band_edges[s + 1] - first,
                                 .n_out      = model->d_pad,
                                 .in_step    = model->d_pad,
                                 .panel_step = MAUDIO_LANES,
                                 .data = model->in_weight + first * model->d_pad};
    model->kernels->gemm(
      &(maudio_gemm){.w        = w,
                     .bias     = model->in_bias + s * model->d_pad,
                     .x        = features + first,
                     .x_stride = model->n_features,
                     .n_rows   = n_frames,
                     .y        = x + s * model->d_pad,
                     .y_stride = front->n_bands * model->d_pad});
  }
}

/// x (n_frames, S, D') -> mask (n_frames, n_mask)
static void run_band_out(const maudio_model* model,
                         size_t              n_frames,
                         const float*        x,
                         float*              mask)
{
  // The padding of a band spills into the next one, which then overwrites it
  const maudio_spectral_config* front = &model->config.spectral;
  for (size_t s = 0; s < front->n_bands; ++s) {
    const size_t first = (size_t)2 * front->band_edges[s];
    model->kernels->gemm(
      &(maudio_gemm){.w        = model->out_weight[s],
                     .bias     = model->out_bias + first,
                     .x        = x + s * model->d_pad,
                     .x_stride = front->n_bands * model->d_pad,
                     .n_rows   = n_frames,
                     .y        = mask + first,
                     .y_stride = model->n_mask});
  }
}

void maudio_model_run(const maudio_model* model,
                      size_t              n_frames,
                      const float*        features,
                      float*              mask,
                      float*              state,
                      float*              scratch)
{
  const maudio_config*  config  = &model->config;
  const maudio_kernels* kernels = model->kernels;
  const size_t          n_rows  = n_frames * config->spectral.n_bands;
  const size_t          d_pad   = model->d_pad;

  float* const x       = scratch;            // (n_frames, S, D')
  float* const normed  = x + n_rows * d_pad; // (n_frames, S, D')
  float* const working = normed + n_rows * d_pad;

  run_band_in(model, n_frames, features, x);
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    const maudio_layer* layer = &model->layers[i];
    for (size_t r = 0; r < n_rows; ++r) {
      kernels->rms_norm(x + r * d_pad, layer->norm, config->d_model,
                        config->norm_eps, normed + r * d_pad);
    }
    layer->mixer->type->step(layer->mixer, kernels, n_frames, normed, x, state,
                             working);
    state += layer->mixer->n_state;
  }
  for (size_t r = 0; r < n_rows; ++r) {
    kernels->rms_norm(x + r * d_pad, model->norm_f, config->d_model,
                      config->norm_eps, normed + r * d_pad);
  }
  run_band_out(model, n_frames, normed, mask);
}

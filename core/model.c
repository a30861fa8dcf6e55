#include "model.h"

#include "checkpoint.h"
#include "error.h"
#include "file.h"

#include <stdlib.h>

/// Rows (frames x bands) of a run: enough to use weights again, not so many
/// that they leave the cache; whole tiles of rows for a third of 24 bands, too
#define CHUNK_ROWS 288
#define MAX_CHUNK 16

/// Most floats of state that nobody has asked for: keys and values of a long
/// context are not in the file
#define MAX_DEFAULT_STATE ((size_t)1 << 28)

/// A denoiser has no attention yet: nothing of it depends on a window
#define NO_WINDOW 1

/// FNV-1a, 64 bits
uint64_t maudio_hash(uint64_t h, const void* data, size_t size)
{
  const uint8_t* const bytes = data;
  for (size_t i = 0; i < size; ++i) {
    h = (h ^ bytes[i]) * 0x100000001B3U;
  }
  return h;
}

static maudio_status
bind_all(maudio_model* model, maudio_binding* b, const char* label)
{
  const maudio_config* config = &model->config;
  if (config->task == MAUDIO_TASK_GENERATE) {
    const maudio_status bound =
      maudio_tiers_bind(&config->sample, b, &model->tiers);
    return bound ? bound : maudio_weights_check_all_used(b->weights, b->error);
  }
  maudio_status status =
    config->task == MAUDIO_TASK_TOKENS
      ? maudio_token_front_bind(&config->tokens, b, label, &model->tokens)
      : maudio_band_front_bind(&config->spectral, config->steer.n_gains == 0, b,
                               &model->bands);
  if (!status) {
    status = maudio_backbone_bind(config->blocks, config->n_blocks,
                                  config->norm_f, b, &model->backbone);
  }
  if (!status && config->steer.n_gains) {
    status = maudio_steer_bind(config, b, &model->steer);
  }
  return status ? status : maudio_weights_check_all_used(b->weights, b->error);
}

static size_t choose_chunk(size_t n_bands)
{
  const size_t n = CHUNK_ROWS / n_bands;
  return n < 1 ? 1 : n > MAX_CHUNK ? MAX_CHUNK : n;
}

/// Of a model that makes a mask
static void set_mask_info(maudio_model* model)
{
  const maudio_spectral_config* front = &model->config.spectral;
  maudio_model_info* const      info  = &model->info;
  info->latency_ms                    = (2 + front->lookahead) * front->hop_ms;
  const double n_taps = (double)front->filter.n_bins * front->filter.n_delays;
  info->macs_per_step += 2.0 * (front->n_bins + n_taps) * model->config.d_model;
}

/// Of a model that steers a fast path
static void set_steer_info(maudio_model* model)
{
  const maudio_spectral_config* front = &model->config.spectral;
  const maudio_steer*           steer = &model->steer;
  maudio_model_info* const      info  = &model->info;
  info->macs_per_step +=
    maudio_steer_hop_macs(steer) +
    maudio_steer_sample_macs(steer) * front->hop_ms * front->rate_hz / 1000;
  info->state_bytes +=
    maudio_backbone_state(&steer->backbone, NO_WINDOW) * sizeof(float);
  info->n_layers += model->config.steer.n_blocks;
}

static void set_denoiser_info(maudio_model* model)
{
  const maudio_config*          config   = &model->config;
  const maudio_spectral_config* front    = &config->spectral;
  const maudio_backbone*        backbone = &model->backbone;
  maudio_model_info* const      info     = &model->info;

  model->n_state = maudio_backbone_state(backbone, NO_WINDOW);
  model->n_scratch =
    2 * model->n_chunk * backbone->n_bands * backbone->d_pad +
    maudio_backbone_scratch(backbone, model->n_chunk, NO_WINDOW);

  info->rate_hz     = front->rate_hz;
  info->state_bytes = model->n_state * sizeof(float);
  info->macs_per_step =
    maudio_backbone_macs(backbone, 0) + 3.0 * front->n_bins * config->d_model;
  if (config->steer.n_gains) {
    set_steer_info(model);
  } else {
    set_mask_info(model);
  }
  info->macs_per_second = info->macs_per_step * 1000 / front->hop_ms;
}

static void set_token_info(maudio_model* model)
{
  const maudio_config*     config   = &model->config;
  const maudio_backbone*   backbone = &model->backbone;
  maudio_model_info* const info     = &model->info;
  const uint32_t           known    = config->tokens.max_context;

  info->n_vocab = config->tokens.n_vocab;
  info->context =
    known && known < MAUDIO_DEFAULT_CONTEXT ? known : MAUDIO_DEFAULT_CONTEXT;
  info->macs_per_step = maudio_backbone_macs(backbone, info->context) +
                        (double)info->n_vocab * config->d_model;
  info->state_bytes =
    maudio_backbone_state(backbone, info->context) * sizeof(float);
}

static void set_generator_info(maudio_model* model)
{
  const maudio_tiers*      tiers = &model->tiers;
  maudio_model_info* const info  = &model->info;

  info->rate_hz         = model->config.sample.rate_hz;
  info->n_tiers         = (uint32_t)tiers->n_tiers;
  info->n_vocab         = MAUDIO_N_CODES;
  info->d_model         = model->config.sample.tiers[0].d_model;
  info->macs_per_step   = tiers->macs;
  info->macs_per_second = tiers->macs * info->rate_hz;
  info->state_bytes     = maudio_tiers_floats(tiers) * sizeof(float);
  for (size_t i = 0; i < tiers->n_tiers; ++i) {
    info->n_layers += (uint32_t)tiers->tiers[i].backbone.n_layers;
  }
}

static void set_info(maudio_model* model, uint64_t n_parameters)
{
  const maudio_config* config       = &model->config;
  const bool           is_generator = config->task == MAUDIO_TASK_GENERATE;
  const size_t         bands = is_generator ? 1 : model->backbone.n_bands;
  model->n_chunk             = choose_chunk(bands);
  model->info                = (maudio_model_info){.name         = config->name,
                                                   .task         = config->task,
                                                   .licence      = config->licence,
                                                   .n_parameters = n_parameters,
                                                   .n_layers     = config->n_blocks,
                                                   .d_model      = config->d_model,
                                                   .n_bands      = (uint32_t)bands};
  if (config->task == MAUDIO_TASK_TOKENS) {
    set_token_info(model);
  } else if (is_generator) {
    set_generator_info(model);
  } else {
    set_denoiser_info(model);
  }
}

maudio_status maudio_model_build(maudio_config*  config,
                                 maudio_weights* weights,
                                 uint64_t        fingerprint,
                                 const char*     label,
                                 maudio_model**  model,
                                 maudio_error*   error)
{
  maudio_model* made = calloc(1, sizeof *made);
  if (!made) {
    maudio_config_clear(config);
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "%s: No memory for the model", maudio_path_tail(label));
  }
  made->config      = *config;
  *config           = (maudio_config){.n_blocks = 0};
  made->kernels     = maudio_kernels_choose();
  made->fingerprint = fingerprint;

  const bool          is_spectral = made->config.task == MAUDIO_TASK_DENOISE;
  maudio_binding      binding     = {.weights = weights,
                                     .arena   = &made->arena,
                                     .kernels = made->kernels,
                                     .prefix  = "",
                                     .d_model = made->config.d_model,
                                     .n_bands =
                              is_spectral ? made->config.spectral.n_bands : 1,
                                     .coarse   = is_spectral,
                                     .norm_eps = made->config.norm_eps,
                                     .error    = error};
  const maudio_status status      = bind_all(made, &binding, label);
  if (status) {
    maudio_model_free(made);
    return status;
  }
  set_info(made, binding.n_parameters);
  *model = made;
  return MAUDIO_SUCCESS;
}

maudio_status maudio_model_open_memory(const void*    data,
                                       size_t         size,
                                       const char*    label,
                                       maudio_model** model,
                                       maudio_error*  error)
{
  *model                  = NULL;
  maudio_weights* weights = NULL;
  maudio_config   config;
  maudio_status   status =
    maudio_weights_open(data, size, label, &weights, error);
  if (status) {
    return status;
  }
  const char* json = maudio_weights_metadata(weights, "maudio");
  status           = json ? maudio_config_parse(json, label, &config, error)
                          : maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                                        "%s: No 'maudio' in its metadata, not a "
                                                  "maudio model; of a Hugging Face model "
                                                  "open the folder",
                                        maudio_path_tail(label));
  if (!status) {
    status =
      maudio_model_build(&config, weights, maudio_hash(MAUDIO_HASH, data, size),
                         label, model, error);
  }
  maudio_weights_free(weights);
  return status;
}

maudio_status
maudio_model_open(const char* path, maudio_model** model, maudio_error* error)
{
  *model = NULL;
  if (maudio_checkpoint_is(path)) {
    return maudio_checkpoint_open(path, model, error);
  }
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

const char* maudio_model_layer(const maudio_model* model, uint32_t index)
{
  enum { N_PARTS = MAUDIO_MAX_TIERS + 2 };
  const maudio_backbone* parts[N_PARTS] = {&model->backbone,
                                           &model->steer.backbone};
  size_t                 at             = index;
  for (size_t i = 0; i < MAUDIO_MAX_TIERS; ++i) {
    parts[2 + i] = &model->tiers.tiers[i].backbone;
  }
  for (size_t i = 0; i < N_PARTS; ++i) {
    if (at < parts[i]->n_layers) {
      return parts[i]->layers[at].mixer->type->name;
    }
    at -= parts[i]->n_layers;
  }
  return NULL;
}

bool maudio_model_tier(const maudio_model* model,
                       uint32_t            index,
                       maudio_tier_info*   info)
{
  if (index >= model->tiers.n_tiers) {
    return false;
  }
  const maudio_tier* const tier = &model->tiers.tiers[index];
  *info = (maudio_tier_info){.n_frames = (uint32_t)tier->period,
                             .d_model  = (uint32_t)tier->backbone.d_model,
                             .n_layers = (uint32_t)tier->backbone.n_layers,
                             .macs     = tier->macs};
  return true;
}

void maudio_model_run(const maudio_model* model,
                      size_t              n_frames,
                      const float*        features,
                      float*              mask,
                      float*              state,
                      float*              scratch)
{
  const maudio_backbone* backbone = &model->backbone;
  const size_t n_floats = n_frames * backbone->n_bands * backbone->d_pad;
  float* const x        = scratch;      // (n_frames, S, D')
  float* const y        = x + n_floats; // (n_frames, S, D')
  maudio_band_front_in(&model->bands, n_frames, features, x);
  if (!mask) {
    maudio_backbone_move(backbone, n_frames, NO_WINDOW, x, y, state,
                         y + n_floats);
    return;
  }
  maudio_backbone_run(backbone, n_frames, NO_WINDOW, x, y, state, y + n_floats);
  maudio_band_front_out(&model->bands, n_frames, y, mask);
}

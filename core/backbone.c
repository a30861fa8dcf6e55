#include "backbone.h"

#include <string.h>

static maudio_status bind_layer(const maudio_block_config* config,
                                maudio_binding*            b,
                                maudio_layer*              layer)
{
  const size_t n_all = b->n_bands;
  layer->first_band  = config->first_band;
  layer->n_bands     = config->n_bands ? config->n_bands : n_all;
  maudio_status status =
    maudio_tensor_read_array(b, config->norm, 1, &b->d_model, &layer->norm);
  if (!status) {
    b->prefix  = config->prefix;
    b->n_bands = layer->n_bands;
    status = maudio_mixer_find(config->mixer)->bind(config, b, &layer->mixer);
    b->n_bands = n_all;
    b->prefix  = "";
  }
  return status;
}

maudio_status maudio_backbone_bind(const maudio_block_config* blocks,
                                   size_t                     n_blocks,
                                   const char*                norm_f,
                                   maudio_binding*            binding,
                                   maudio_backbone*           backbone)
{
  maudio_layer* layers =
    maudio_arena_new(binding->arena, n_blocks * sizeof *layers);
  if (!layers) {
    return maudio_binding_no_memory(binding, "backbone");
  }
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < n_blocks; ++i) {
    status = bind_layer(&blocks[i], binding, &layers[i]);
  }
  *backbone = (maudio_backbone){.kernels  = binding->kernels,
                                .n_bands  = binding->n_bands,
                                .d_model  = binding->d_model,
                                .d_pad    = maudio_pad(binding->d_model),
                                .norm_eps = binding->norm_eps,
                                .n_layers = n_blocks,
                                .layers   = layers};
  return status ? status
                : maudio_tensor_read_array(
                    binding, norm_f, 1, &binding->d_model, &backbone->norm_f);
}

size_t maudio_backbone_state(const maudio_backbone* backbone, size_t window)
{
  size_t n = 0;
  for (size_t i = 0; i < backbone->n_layers; ++i) {
    n += maudio_mixer_state(backbone->layers[i].mixer, window);
  }
  return n;
}

bool maudio_backbone_is_whole(const maudio_backbone* backbone, size_t layer)
{
  return backbone->layers[layer].n_bands == backbone->n_bands;
}

size_t maudio_backbone_scratch(const maudio_backbone* backbone,
                               size_t                 n_frames,
                               size_t                 window)
{
  size_t most = 0;
  for (size_t i = 0; i < backbone->n_layers; ++i) {
    const maudio_layer* const l = &backbone->layers[i];
    const size_t n = maudio_mixer_scratch(l->mixer, n_frames, window) +
                     (maudio_backbone_is_whole(backbone, i)
                        ? 0
                        : n_frames * l->n_bands * backbone->d_pad);
    most = n > most ? n : most;
  }
  return most;
}

double maudio_backbone_macs(const maudio_backbone* backbone, size_t n_seen)
{
  double macs = 0.0;
  for (size_t i = 0; i < backbone->n_layers; ++i) {
    const maudio_mixer* mixer = backbone->layers[i].mixer;
    macs += mixer->macs + mixer->window_macs * (double)n_seen;
  }
  return macs;
}

/// y (n_rows, D') = norm(x)
static void norm_rows(const maudio_backbone* backbone,
                      size_t                 n_rows,
                      const float*           x,
                      const float*           weight,
                      float*                 y)
{
  backbone->kernels->rms_norm(n_rows, backbone->d_pad, x, weight,
                              backbone->d_model, backbone->norm_eps, y);
}

void maudio_backbone_step(const maudio_backbone* backbone,
                          size_t                 layer,
                          size_t                 n_frames,
                          size_t                 n_bands,
                          size_t                 window,
                          float*                 x,
                          float*                 y,
                          float*                 state,
                          float*                 scratch)
{
  const maudio_layer* const l = &backbone->layers[layer];
  norm_rows(backbone, n_frames * n_bands, x, l->norm, y);
  l->mixer->type->step(l->mixer, &(maudio_run){.kernels  = backbone->kernels,
                                               .n_frames = n_frames,
                                               .n_bands  = n_bands,
                                               .window   = window,
                                               .x        = y,
                                               .y        = x,
                                               .state    = state,
                                               .scratch  = scratch});
}

/// Copy `n` floats of each of n_frames frames, which are strides apart
static void copy_frames(const float* from,
                        size_t       from_stride,
                        float*       to,
                        size_t       to_stride,
                        size_t       n,
                        size_t       n_frames)
{
  for (size_t i = 0; i < n_frames; ++i) {
    memcpy(to + i * to_stride, from + i * from_stride, n * sizeof *to);
  }
}

void maudio_backbone_take(const maudio_backbone* backbone,
                          size_t                 layer,
                          size_t                 n_frames,
                          const float*           x,
                          float*                 rows)
{
  const maudio_layer* const l = &backbone->layers[layer];
  const size_t              d = backbone->d_pad;
  const size_t              n = l->n_bands * d;
  copy_frames(x + l->first_band * d, backbone->n_bands * d, rows, n, n,
              n_frames);
}

void maudio_backbone_put(const maudio_backbone* backbone,
                         size_t                 layer,
                         size_t                 n_frames,
                         const float*           rows,
                         float*                 x)
{
  const maudio_layer* const l = &backbone->layers[layer];
  const size_t              d = backbone->d_pad;
  const size_t              n = l->n_bands * d;
  copy_frames(rows, n, x + l->first_band * d, backbone->n_bands * d, n,
              n_frames);
}

void maudio_backbone_layer(const maudio_backbone* backbone,
                           size_t                 layer,
                           size_t                 n_frames,
                           size_t                 window,
                           float*                 x,
                           float*                 y,
                           float*                 state,
                           float*                 scratch)
{
  const maudio_layer* const l = &backbone->layers[layer];
  if (maudio_backbone_is_whole(backbone, layer)) {
    maudio_backbone_step(backbone, layer, n_frames, l->n_bands, window, x, y,
                         state, scratch);
    return;
  }
  float* const rows = scratch; // (n_frames, n_bands, D')
  maudio_backbone_take(backbone, layer, n_frames, x, rows);
  maudio_backbone_step(backbone, layer, n_frames, l->n_bands, window, rows, y,
                       state, rows + n_frames * l->n_bands * backbone->d_pad);
  maudio_backbone_put(backbone, layer, n_frames, rows, x);
}

void maudio_backbone_norm(const maudio_backbone* backbone,
                          size_t                 n_rows,
                          const float*           x,
                          float*                 y)
{
  norm_rows(backbone, n_rows, x, backbone->norm_f, y);
}

static void run_layers(const maudio_backbone* backbone,
                       size_t                 n_layers,
                       size_t                 n_frames,
                       size_t                 window,
                       float*                 x,
                       float*                 y,
                       float*                 state,
                       float*                 scratch)
{
  for (size_t i = 0; i < n_layers; ++i) {
    maudio_backbone_layer(backbone, i, n_frames, window, x, y, state, scratch);
    state += maudio_mixer_state(backbone->layers[i].mixer, window);
  }
}

void maudio_backbone_run(const maudio_backbone* backbone,
                         size_t                 n_frames,
                         size_t                 window,
                         float*                 x,
                         float*                 y,
                         float*                 state,
                         float*                 scratch)
{
  run_layers(backbone, backbone->n_layers, n_frames, window, x, y, state,
             scratch);
  maudio_backbone_norm(backbone, n_frames * backbone->n_bands, x, y);
}

void maudio_backbone_move(const maudio_backbone* backbone,
                          size_t                 n_frames,
                          size_t                 window,
                          float*                 x,
                          float*                 y,
                          float*                 state,
                          float*                 scratch)
{
  size_t n = backbone->n_layers;
  while (n && !maudio_mixer_state(backbone->layers[n - 1].mixer, window)) {
    --n;
  }
  run_layers(backbone, n, n_frames, window, x, y, state, scratch);
}

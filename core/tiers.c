#include "tiers.h"

#include "matrix.h"
#include "maudio.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Read a matrix from each member of a frame's, `down`
static maudio_status
bind_down(maudio_binding* b, size_t e, size_t d, maudio_tier* tier)
{
  const char* const    name = "down.weight";
  maudio_matrix* const down =
    maudio_arena_new(b->arena, tier->pool * sizeof *down);
  maudio_rows rows = {0};
  if (!down) {
    return maudio_binding_no_memory(b, name);
  }
  maudio_status status = maudio_rows_read(b, name, d, tier->pool * e, &rows);
  for (size_t j = 0; !status && j < tier->pool; ++j) {
    maudio_packing packing;
    status = maudio_packing_new(b, name, &rows, e, d, &packing);
    if (!status) {
      maudio_pack(&packing, 0, 0, &rows, 0, j * e, d, e);
      down[j] = packing.matrix;
    }
  }
  maudio_rows_free(&rows);
  tier->down = down;
  return status
           ? status
           : maudio_tensor_read_array(b, "down.bias", 1, &d, &tier->down_bias);
}

/// Read `up`, with the vectors of each frame padded
static maudio_status
bind_up(maudio_binding* b, size_t e, size_t d, maudio_tier* tier)
{
  const size_t   n = tier->pool * e;
  maudio_rows    rows;
  maudio_packing packing;
  float*         bias   = NULL;
  float*         placed = NULL;
  maudio_status  status = maudio_rows_read(b, "up.weight", n, d, &rows);
  if (!status) {
    status = maudio_packing_new(b, "up.weight", &rows, d,
                                tier->pool * tier->e_pad, &packing);
  }
  for (size_t j = 0; !status && j < tier->pool; ++j) {
    maudio_pack(&packing, j * tier->e_pad, 0, &rows, j * e, 0, e, d);
    tier->up.weight = packing.matrix;
  }
  maudio_rows_free(&rows);
  if (!status) {
    status = maudio_tensor_read(b, "up.bias", 1, &n, &bias);
  }
  if (!status) {
    status = maudio_floats_new(b, "up.bias", tier->pool * tier->e_pad, &placed);
  }
  for (size_t i = 0; !status && i < n; ++i) {
    placed[i / e * tier->e_pad + i % e] = bias[i];
  }
  tier->up.bias = placed;
  free(bias);
  return status;
}

static maudio_status bind_tier(const maudio_sample_config* config,
                               size_t                      index,
                               maudio_binding*             b,
                               maudio_tier*                tier)
{
  const maudio_tier_config* const own = &config->tiers[index];
  b->prefix                           = "";
  b->d_model                          = own->d_model;
  maudio_status status = maudio_backbone_bind(own->blocks, own->n_blocks,
                                              own->norm_f, b, &tier->backbone);
  if (status) {
    return status;
  }
  tier->macs = maudio_backbone_macs(&tier->backbone, 0);
  if (!index) {
    return MAUDIO_SUCCESS;
  }

  const size_t e = config->tiers[index - 1].d_model;
  char         prefix[32];
  snprintf(prefix, sizeof prefix, "tiers.%zu.", index);
  b->prefix   = prefix;
  tier->e_pad = maudio_pad(e);
  tier->macs += 2.0 * (double)(tier->pool * e * own->d_model);
  status = bind_down(b, e, own->d_model, tier);
  if (!status) {
    status = bind_up(b, e, own->d_model, tier);
  }
  if (!status) {
    status = maudio_tiers_schedule(b, tier);
  }
  b->prefix = "";
  return status;
}

maudio_status maudio_tiers_bind(const maudio_sample_config* config,
                                maudio_binding*             binding,
                                maudio_tiers*               tiers)
{
  const size_t shape[] = {MAUDIO_N_CODES, config->tiers[0].d_model};
  *tiers               = (maudio_tiers){.kernels = binding->kernels,
                                        .n_tiers = config->n_tiers,
                                        .macs    = (double)(shape[0] * shape[1])};
  maudio_status status = maudio_tensor_read_array(binding, "embedding.weight",
                                                  2, shape, &tiers->embedding);
  if (!status) {
    status = maudio_linear_read(binding, "head", true, shape[0], shape[1],
                                &tiers->head);
  }
  uint64_t period = 1;
  for (size_t i = 0; !status && i < tiers->n_tiers; ++i) {
    maudio_tier* const tier = &tiers->tiers[i];
    period *= config->tiers[i].pool;
    tier->pool   = config->tiers[i].pool;
    tier->period = period;
    status       = bind_tier(config, i, binding, tier);
    tiers->macs += tier->macs / (double)period;
  }
  return status;
}

/// Set where the lines of a tier begin, from `at` on; return where they end.
/// With `floats` NULL they are only counted
static size_t carve(const maudio_tier* tier,
                    float*             floats,
                    size_t             at,
                    maudio_tier_lines* lines)
{
  const maudio_backbone* backbone = &tier->backbone;
  const size_t           d_pad    = backbone->d_pad;
  const size_t           sizes[]  = {d_pad,
                                     d_pad,
                                     d_pad,
                                     2 * tier->pool * tier->e_pad,
                                     maudio_pad(maudio_backbone_state(backbone, 1)),
                                     maudio_pad(maudio_backbone_scratch(backbone, 1, 1))};
  float** const          to[]     = {&lines->next, &lines->h,     &lines->y,
                                     &lines->up,   &lines->state, &lines->scratch};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
    *to[i] = floats ? floats + at : NULL;
    at += sizes[i];
  }
  return at;
}

size_t maudio_tiers_floats(const maudio_tiers* tiers)
{
  maudio_tier_lines lines;
  size_t            n = 0;
  for (size_t i = 0; i < tiers->n_tiers; ++i) {
    n = carve(&tiers->tiers[i], NULL, n, &lines);
  }
  return n;
}

void maudio_tiers_start(const maudio_tiers* tiers,
                        float*              floats,
                        maudio_tiers_run*   run)
{
  size_t at = 0;
  *run      = (maudio_tiers_run){.tiers = tiers};
  for (size_t i = 0; i < tiers->n_tiers; ++i) {
    at = carve(&tiers->tiers[i], floats, at, &run->lines[i]);
  }
}

void maudio_tiers_seek(maudio_tiers_run* run, uint64_t position)
{
  run->position = position;
  for (size_t i = 1; i < run->tiers->n_tiers; ++i) {
    const maudio_tier* const tier = &run->tiers->tiers[i];
    const uint64_t           slot = position % tier->period;
    size_t                   n    = 0;
    while (slot && n < tier->n_shares &&
           (run->bursts || tier->shares[n].slot < slot)) {
      ++n;
    }
    run->n_done[i] = n;
  }
}

/// Do a piece of the work on frame `frame` of a tier
static void do_share(const maudio_tier*       tier,
                     const maudio_kernels*    kernels,
                     const maudio_share*      share,
                     uint64_t                 frame,
                     const maudio_tier_lines* lines)
{
  const maudio_backbone* const backbone = &tier->backbone;
  const size_t                 n_up     = tier->pool * tier->e_pad;
  const bool is_first = share->piece.stage == 0 && share->piece.first == 0;
  if (share->layer == backbone->n_layers) {
    if (is_first) {
      maudio_backbone_norm(backbone, 1, lines->h, lines->y);
    }
    maudio_gemm_panels(kernels,
                       &(maudio_gemm){.w        = tier->up.weight,
                                      .bias     = tier->up.bias,
                                      .x        = lines->y,
                                      .x_stride = backbone->d_pad,
                                      .n_rows   = 1,
                                      .y = lines->up + (frame & 1U) * n_up,
                                      .y_stride = n_up},
                       share->piece.first, share->piece.n);
    return;
  }
  const maudio_layer* const layer = &backbone->layers[share->layer];
  if (is_first) {
    kernels->rms_norm(1, 0, lines->h, layer->norm, backbone->d_model,
                      backbone->norm_eps, lines->y);
  }
  layer->mixer->type->step_piece(
    layer->mixer,
    &(maudio_run){.kernels  = kernels,
                  .n_frames = 1,
                  .n_bands  = 1,
                  .window   = 1,
                  .x        = lines->y,
                  .y        = lines->h,
                  .state    = lines->state + share->state,
                  .scratch  = lines->scratch},
    share->piece);
}

/// Do what a slow tier does at this sample
static void do_shares(maudio_tiers_run* run, size_t index)
{
  const maudio_tier* const tier = &run->tiers->tiers[index];
  const uint64_t           slot = run->position % tier->period;
  if (run->position < tier->period) {
    return; // There is no frame yet
  }
  size_t n = slot ? run->n_done[index] : 0;
  while (n < tier->n_shares && (run->bursts || tier->shares[n].slot <= slot)) {
    do_share(tier, run->tiers->kernels, &tier->shares[n],
             run->position / tier->period - 1, &run->lines[index]);
    ++n;
  }
  run->n_done[index] = n;
}

/// Begin the work on a frame: with what the slower tier has found, if any
static void begin(maudio_tiers_run* run, size_t index, uint64_t frame)
{
  const size_t d_pad = run->tiers->tiers[index].backbone.d_pad;
  const maudio_tier_lines* const lines = &run->lines[index];
  if (index) {
    memcpy(lines->h, lines->next, d_pad * sizeof(float));
  }
  if (index + 1 == run->tiers->n_tiers) {
    return;
  }
  const size_t       pool = run->tiers->tiers[index + 1].pool;
  const float* const up   = run->lines[index + 1].up +
                          ((frame / pool & 1U) * pool + frame % pool) * d_pad;
  for (size_t i = 0; i < d_pad; ++i) {
    lines->h[i] += up[i];
  }
}

/// Pass x, a frame of the first tier, on to the slower ones that it completes
/// frames of
static void gather(maudio_tiers_run* run, const float* x)
{
  const maudio_tiers* const tiers = run->tiers;
  uint64_t                  frame = run->position;
  for (size_t i = 1; i < tiers->n_tiers; ++i) {
    const maudio_tier* const tier   = &tiers->tiers[i];
    const size_t             member = frame % tier->pool;
    float* const             next   = run->lines[i].next;
    tiers->kernels->gemm(&(maudio_gemm){.w    = tier->down[member],
                                        .bias = member ? NULL : tier->down_bias,
                                        .x    = x,
                                        .x_stride = tier->e_pad,
                                        .n_rows   = 1,
                                        .y        = next,
                                        .y_stride = tier->backbone.d_pad,
                                        .add      = member > 0});
    frame /= tier->pool;
    if (member + 1 < tier->pool) {
      return;
    }
    begin(run, i, frame);
    x = next;
  }
}

void maudio_tiers_step(maudio_tiers_run* run, uint32_t code)
{
  const maudio_tier* const       tier  = &run->tiers->tiers[0];
  const maudio_tier_lines* const lines = &run->lines[0];
  const size_t                   d     = tier->backbone.d_model;
  memcpy(lines->h, run->tiers->embedding + code * d, d * sizeof(float));
  memset(lines->h + d, 0, (tier->backbone.d_pad - d) * sizeof(float));

  for (size_t i = 1; i < run->tiers->n_tiers; ++i) {
    do_shares(run, i);
  }
  gather(run, lines->h);
  begin(run, 0, run->position);
  maudio_backbone_run(&tier->backbone, 1, 1, lines->h, lines->y, lines->state,
                      lines->scratch);
  ++run->position;
}

void maudio_tiers_score(const maudio_tiers_run* run, float* logits)
{
  maudio_linear_run(&run->tiers->head, run->tiers->kernels, 1, run->lines[0].y,
                    run->tiers->tiers[0].backbone.d_pad, logits, false);
}

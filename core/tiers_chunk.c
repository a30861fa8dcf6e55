/* Many known codes at once: every tier runs over all of its frames together,
 * from the slowest on, as each hears only what slower ones said before */
#include "tiers.h"

#include <string.h>

/// Codes of a chunk, about
#define CHUNK 64U

/// Where a tier's rows begin, in floats: n frames of a chunk
typedef struct {
  size_t n;
  size_t x;  ///< (1 + n, D'): the frame in work, and those that follow
  size_t y;  ///< (n, D')
  size_t up; ///< (1 + n, k, E'): what was said last, and what is said now
} rows;

size_t maudio_tiers_chunk(const maudio_tiers* tiers)
{
  const uint64_t period = tiers->tiers[tiers->n_tiers - 1].period;
  return period > MAUDIO_MAX_CHUNK ? 0
         : period > CHUNK          ? (size_t)period
                                   : (size_t)(CHUNK / period * period);
}

/// Plan the rows of every tier; return where the scratch begins
static size_t plan(const maudio_tiers* tiers, rows* all)
{
  const size_t n_codes = maudio_tiers_chunk(tiers);
  size_t       at      = 0;
  for (size_t i = 0; i < tiers->n_tiers; ++i) {
    const maudio_tier* const tier  = &tiers->tiers[i];
    const size_t             d_pad = tier->backbone.d_pad;
    all[i].n                       = n_codes / (size_t)tier->period;
    all[i].x                       = at;
    all[i].y                       = all[i].x + (1 + all[i].n) * d_pad;
    all[i].up                      = all[i].y + all[i].n * d_pad;
    at = all[i].up + (1 + all[i].n) * tier->pool * tier->e_pad;
  }
  return at;
}

size_t maudio_tiers_chunk_floats(const maudio_tiers* tiers)
{
  rows         all[MAUDIO_MAX_TIERS];
  const size_t n    = plan(tiers, all);
  size_t       most = 0;
  for (size_t i = 0; i < tiers->n_tiers; ++i) {
    const size_t scratch =
      maudio_backbone_scratch(&tiers->tiers[i].backbone, all[i].n, 1);
    most = scratch > most ? scratch : most;
  }
  return maudio_tiers_chunk(tiers) ? n + most : 0;
}

/// Gather the frames of a tier that the chunk completes
static void gather(const maudio_kernels* kernels,
                   const maudio_tier*    tier,
                   const float*          from,
                   size_t                n,
                   float*                x)
{
  for (size_t j = 0; j < tier->pool; ++j) {
    kernels->gemm(&(maudio_gemm){.w        = tier->down[j],
                                 .bias     = j ? NULL : tier->down_bias,
                                 .x        = from + j * tier->e_pad,
                                 .x_stride = tier->pool * tier->e_pad,
                                 .n_rows   = n,
                                 .y        = x,
                                 .y_stride = tier->backbone.d_pad,
                                 .add      = j > 0});
  }
}

/// Run the frame in work and all that follow but the last, which is then in
/// work: what they say goes to `up`
static void run_slow(maudio_tiers_run* run,
                     size_t            index,
                     const rows*       r,
                     float*            floats,
                     float*            scratch)
{
  const maudio_tier* const       tier  = &run->tiers->tiers[index];
  const maudio_tier_lines* const lines = &run->lines[index];
  const size_t                   d_pad = tier->backbone.d_pad;
  const size_t                   n_up  = tier->pool * tier->e_pad;
  const size_t                   skip  = run->position ? 0 : 1; // None in work
  const size_t                   n     = r->n - skip;
  float* const                   x     = floats + r->x;
  float* const                   y     = floats + r->y;
  float* const                   up    = floats + r->up;
  const uint64_t frame = run->position / tier->period; // Next to complete

  memcpy(x, lines->h, d_pad * sizeof *x);
  memcpy(lines->h, x + r->n * d_pad, d_pad * sizeof *x);
  memcpy(up, lines->up + (frame & 1U) * n_up, n_up * sizeof *up);
  memset(up + n_up, 0, skip * n_up * sizeof *up);
  maudio_backbone_run(&tier->backbone, n, 1, x + skip * d_pad, y, lines->state,
                      scratch);
  run->tiers->kernels->gemm(&(maudio_gemm){.w        = tier->up.weight,
                                           .bias     = tier->up.bias,
                                           .x        = y,
                                           .x_stride = d_pad,
                                           .n_rows   = n,
                                           .y        = up + (1 + skip) * n_up,
                                           .y_stride = n_up});
  memcpy(lines->up + ((frame + r->n) & 1U) * n_up, up + r->n * n_up,
         n_up * sizeof *up);
}

void maudio_tiers_take(maudio_tiers_run* run,
                       const uint8_t*    codes,
                       float*            floats,
                       float*            logits)
{
  const maudio_tiers* const tiers = run->tiers;
  const size_t              d     = tiers->tiers[0].backbone.d_model;
  const size_t              d_pad = tiers->tiers[0].backbone.d_pad;
  rows                      all[MAUDIO_MAX_TIERS] = {{0}};
  float* const              scratch               = floats + plan(tiers, all);

  // Row 0 of every tier is what is in work there: the first tier has nothing
  float* const first = floats + all[0].x + d_pad;
  for (size_t t = 0; t < all[0].n; ++t) {
    float* const x = first + t * d_pad;
    memcpy(x, tiers->embedding + codes[t] * d, d * sizeof *x);
    memset(x + d, 0, (d_pad - d) * sizeof *x);
  }
  for (size_t i = 1; i < tiers->n_tiers; ++i) {
    gather(tiers->kernels, &tiers->tiers[i],
           floats + all[i - 1].x + tiers->tiers[i].e_pad, all[i].n,
           floats + all[i].x + tiers->tiers[i].backbone.d_pad);
  }
  for (size_t i = tiers->n_tiers - 1; i > 0; --i) {
    run_slow(run, i, &all[i], floats, scratch);
    const size_t       e_pad = tiers->tiers[i].e_pad;
    float* const       x     = floats + all[i - 1].x + e_pad;
    const float* const up    = floats + all[i].up;
    for (size_t j = 0; j < all[i - 1].n * e_pad; ++j) {
      x[j] += up[j];
    }
  }
  float* const y = floats + all[0].y;
  maudio_backbone_run(&tiers->tiers[0].backbone, all[0].n, 1, first, y,
                      run->lines[0].state, scratch);
  if (logits) {
    maudio_linear_run(&tiers->head, tiers->kernels, all[0].n, y, d_pad, logits,
                      false);
  }
  maudio_tiers_seek(run, run->position + all[0].n);
}

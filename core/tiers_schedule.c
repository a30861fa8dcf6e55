/* Which sample does which piece of the work of a slow tier */
#include "tiers.h"

/// Multiply-accumulates of a piece, about
#define GRAIN 32768.0

/// A product keeps its speed down to as many panels
#define LEAST_PANELS 4

typedef struct {
  maudio_share* shares; ///< NULL: they are only counted
  size_t        n;
  double        done;  ///< Work of the pieces so far
  double        total; ///< Work of a frame
  double        n_slots;
} divider;

/// Panels of a piece of a stage
static size_t choose_panels(const maudio_stage* stage)
{
  const double each   = stage->macs / (double)stage->n_panels;
  const size_t panels = each > 0.0 ? (size_t)(GRAIN / each) : LEAST_PANELS;
  return panels < LEAST_PANELS      ? LEAST_PANELS
         : panels > stage->n_panels ? stage->n_panels
                                    : panels / LEAST_PANELS * LEAST_PANELS;
}

/// Add the pieces of a stage, each to the slot in which its middle falls
static void divide(divider*            d,
                   const maudio_stage* stage,
                   uint32_t            layer,
                   size_t              index,
                   size_t              state)
{
  const size_t n = choose_panels(stage);
  for (size_t first = 0; first < stage->n_panels; first += n) {
    const size_t left = stage->n_panels - first;
    const size_t here = left < n ? left : n;
    const double macs = stage->macs * (double)here / (double)stage->n_panels;
    if (d->shares) {
      d->shares[d->n] = (maudio_share){
        .slot  = (uint32_t)((d->done + macs / 2) / d->total * d->n_slots),
        .layer = layer,
        .state = state,
        .piece = {.stage = index, .first = first, .n = here}};
    }
    ++d->n;
    d->done += macs;
  }
}

static void divide_all(divider* d, const maudio_tier* tier)
{
  const maudio_backbone* backbone = &tier->backbone;
  const maudio_stage     up       = {
              .n_panels = tier->pool * tier->e_pad / MAUDIO_LANES,
              .macs     = (double)(tier->pool * tier->e_pad * backbone->d_model)};

  size_t state = 0;
  d->n         = 0;
  d->done      = 0.0;
  for (uint32_t i = 0; i < backbone->n_layers; ++i) {
    const maudio_mixer* mixer = backbone->layers[i].mixer;
    for (size_t s = 0; s < mixer->n_stages; ++s) {
      divide(d, &mixer->stages[s], i, s, state);
    }
    state += maudio_mixer_state(mixer, 1);
  }
  divide(d, &up, (uint32_t)backbone->n_layers, 0, state);
}

maudio_status maudio_tiers_schedule(maudio_binding* binding, maudio_tier* tier)
{
  divider d = {.total = 1.0, .n_slots = (double)tier->period};
  divide_all(&d, tier);
  d.total  = d.done;
  d.shares = maudio_arena_new(binding->arena, d.n * sizeof *d.shares);
  if (!d.shares) {
    return maudio_binding_no_memory(binding, "the schedule");
  }
  divide_all(&d, tier);
  tier->shares   = d.shares;
  tier->n_shares = d.n;
  return MAUDIO_SUCCESS;
}

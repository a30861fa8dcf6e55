#include "steer_slow.h"

#include <math.h>
#include <string.h>

/// Bands of a unit: enough rows to use weights again, few enough not to be a
/// burst
#define UNIT_BANDS 4

/// Added to the mean square that levels are made of
#define LEVEL_FLOOR 1e-8f

/// A mixer of one frame has no use for a window
#define NO_WINDOW 1

/// Does a unit of this block run some of the bands?
static bool is_split(const maudio_layer* layer)
{
  return layer->mixer->type != &maudio_band_mlp;
}

static size_t count_layer_units(const maudio_backbone* b, size_t layer)
{
  return is_split(&b->layers[layer])
           ? (b->n_bands + UNIT_BANDS - 1) / UNIT_BANDS
           : 1;
}

static size_t count_units(const maudio_slow* s)
{
  const maudio_backbone* b = &s->model->backbone;
  size_t                 n = s->spectral->n_channels + 2; // Features, band_in
  for (size_t i = 0; i < b->n_layers; ++i) {
    n += count_layer_units(b, i);
  }
  return n + 1 + maudio_steer_tap_parts(&s->model->steer) +
         maudio_steer_context_parts(&s->model->steer);
}

/// Hand out `n` floats of the state, which is only measured where it is NULL
static float* take(const maudio_slow* s, size_t* at, size_t n)
{
  float* const piece = s->state ? s->state + *at : NULL;
  *at += maudio_pad(n);
  return piece;
}

/// Divide the state; return its floats
static size_t divide(maudio_slow* s)
{
  const maudio_backbone* b      = &s->model->backbone;
  const size_t           n_rows = b->n_bands * b->d_pad;
  size_t                 at     = 0;
  s->older                      = take(s, &at, s->n_control);
  s->newer                      = take(s, &at, s->n_control);
  s->building                   = take(s, &at, s->n_control);
  for (size_t c = 0; c < s->spectral->n_channels; ++c) {
    s->spectra[c] = (kiss_fft_cpx*)take(s, &at, 2 * s->spectral->n_bins);
  }
  s->features = take(s, &at, s->model->bands.n_features);
  s->x        = take(s, &at, n_rows);
  s->y        = take(s, &at, n_rows);
  s->gains    = take(s, &at, maudio_steer_gains(&s->model->steer));
  s->network  = take(s, &at, s->model->n_state);
  return at;
}

void maudio_slow_carve(maudio_slow* s, maudio_carver* carver)
{
  s->n_units   = count_units(s);
  s->n_control = maudio_steer_control(&s->model->steer);
  s->state     = NULL;
  s->n_state   = divide(s);
  s->state     = (float*)maudio_carve(carver, s->n_state * sizeof *s->state);
  divide(s);
  s->scratch =
    (float*)maudio_carve(carver, s->model->n_scratch * sizeof *s->scratch);
}

void maudio_slow_reset(maudio_slow* s)
{
  const size_t n_bytes = s->n_control * sizeof(float);
  memset(s->state, 0, s->n_state * sizeof *s->state);
  memcpy(s->older, s->model->steer.absent, n_bytes);
  memcpy(s->newer, s->model->steer.absent, n_bytes);
  memcpy(s->building, s->model->steer.absent, n_bytes);
}

static void run_frame(maudio_slow* s, size_t channel, const float* frame)
{
  float* const level = maudio_steer_level_of(&s->model->steer, s->building);
  maudio_spectral_forward(s->spectral, frame, s->spectra[channel]);
  const float power = maudio_spectral_power(s->spectral, s->model->kernels);
  *level            = channel ? *level + power : power;
}

static void run_features(maudio_slow* s)
{
  float* const level = maudio_steer_level_of(&s->model->steer, s->building);
  *level = sqrtf(*level / (float)s->spectral->n_channels + LEVEL_FLOOR);
  maudio_spectral_features(s->spectral, s->model->kernels,
                           (const kiss_fft_cpx* const*)s->spectra, s->features);
}

/// Run part `part` of a block, whose state begins at `state`
static void run_layer(maudio_slow* s, size_t layer, size_t part, float* state)
{
  const maudio_backbone* b     = &s->model->backbone;
  const maudio_mixer*    mixer = b->layers[layer].mixer;
  const bool             split = is_split(&b->layers[layer]);
  const size_t           first = part * UNIT_BANDS;
  const size_t           left  = b->n_bands - first;
  const size_t           n     = split && left > UNIT_BANDS ? UNIT_BANDS : left;
  maudio_backbone_step(
    b, layer, 1, n, NO_WINDOW, s->x + first * b->d_pad, s->y,
    state + first * (maudio_mixer_state(mixer, NO_WINDOW) / b->n_bands),
    s->scratch);
}

/// Run a unit of the blocks, or count those of the blocks off and return false
static bool run_backbone(maudio_slow* s, size_t* unit)
{
  const maudio_backbone* b     = &s->model->backbone;
  float*                 state = s->network;
  for (size_t i = 0; i < b->n_layers; ++i) {
    const size_t n = count_layer_units(b, i);
    if (*unit < n) {
      run_layer(s, i, *unit, state);
      return true;
    }
    *unit -= n;
    state += maudio_mixer_state(b->layers[i].mixer, NO_WINDOW);
  }
  return false;
}

static void run_unit(maudio_slow* s, const float* const* frames, size_t unit)
{
  const maudio_steer*    steer = &s->model->steer;
  const maudio_backbone* b     = &s->model->backbone;
  if (unit < s->spectral->n_channels) {
    run_frame(s, unit, frames[unit]);
    return;
  }
  unit -= s->spectral->n_channels;
  if (unit == 0) {
    run_features(s);
    return;
  }
  if (unit == 1) {
    maudio_band_front_in(&s->model->bands, 1, s->features, s->x);
    return;
  }
  unit -= 2;
  if (run_backbone(s, &unit)) {
    return;
  }
  if (unit == 0) {
    maudio_backbone_norm(b, b->n_bands, s->x, s->y);
    maudio_steer_run_gains(steer, s->y, s->gains);
    return;
  }
  unit -= 1;
  const size_t n_tap_parts = maudio_steer_tap_parts(steer);
  if (unit < n_tap_parts) {
    maudio_steer_run_taps(steer, s->gains, unit, s->building);
  } else {
    maudio_steer_run_context(steer, s->y, unit - n_tap_parts, s->building);
  }
}

void maudio_slow_run(maudio_slow*        s,
                     const float* const* frames,
                     size_t              begin,
                     size_t              end)
{
  for (size_t unit = begin; unit < end; ++unit) {
    run_unit(s, frames, unit);
  }
}

void maudio_slow_advance(maudio_slow* s)
{
  memcpy(s->older, s->newer, s->n_control * sizeof *s->older);
  memcpy(s->newer, s->building, s->n_control * sizeof *s->newer);
}

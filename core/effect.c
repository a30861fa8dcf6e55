#include "maudio.h"

#include "error.h"
#include "float_mode.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define N_PARAMS (MAUDIO_PARAM_OUTPUT_GAIN_DB + 1)
#define RAMP_SECONDS 0.020
#define SETTLE_SECONDS 0.100
#define MIN_GAIN_DB (-60.0f)
#define MAX_GAIN_DB 24.0f

/// Frames that two streams process in turn during a change
#define SLICE 256

struct maudio_effect {
  double   rate_hz;
  unsigned n_channels;
  size_t   ramp_length; ///< Frames

  // Between threads
  _Atomic(maudio_stream*) waiting;
  _Atomic(maudio_stream*) retired;
  _Atomic(float)          params[N_PARAMS];
  _Atomic(size_t)         latency; ///< Frames
  _Atomic(float)          reduction_db;

  // The audio thread's
  maudio_stream* heard;
  maudio_stream* next;              ///< Settling or being faded in, or NULL
  size_t         n_settle;          ///< Frames until `next` is faded in
  size_t         n_faded;           ///< Frames since then
  bool           is_started;        ///< Since the last reset
  float          applied[N_PARAMS]; ///< What the streams were told
  float          gain_from;         ///< Where the gain's ramp began
  float          gain_to;           ///< Where it goes
  size_t         gain_elapsed;      ///< Frames since then
  float          input[MAUDIO_MAX_CHANNELS][SLICE];
  float          fresh[MAUDIO_MAX_CHANNELS][SLICE]; ///< From `next`
};

/// Tell a stream what the parameters that streams know are now
static void inform(const maudio_effect* effect, maudio_stream* stream)
{
  const float* const values = effect->applied;
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH,
                    values[MAUDIO_PARAM_STRENGTH] * values[MAUDIO_PARAM_MIX]);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB,
                    values[MAUDIO_PARAM_MAX_ATTENUATION_DB]);
  maudio_stream_set(stream, MAUDIO_PARAM_ENABLED, values[MAUDIO_PARAM_ENABLED]);
}

static float gain_at(const maudio_effect* effect, size_t n)
{
  const size_t at = effect->gain_elapsed + n;
  return at >= effect->ramp_length
           ? effect->gain_to
           : effect->gain_from + (effect->gain_to - effect->gain_from) *
                                   (float)at / (float)effect->ramp_length;
}

/// Take over the parameters that were set since the last call
static void update_params(maudio_effect* effect)
{
  bool is_changed = false;
  for (unsigned i = 0; i < N_PARAMS; ++i) {
    const float value =
      atomic_load_explicit(&effect->params[i], memory_order_relaxed);
    is_changed         = is_changed || value != effect->applied[i];
    effect->applied[i] = value;
  }
  if (!is_changed) {
    return;
  }
  inform(effect, effect->heard);
  if (effect->next) {
    inform(effect, effect->next);
  }

  const float gain =
    effect->applied[MAUDIO_PARAM_ENABLED] > 0.5f
      ? powf(10.0f, effect->applied[MAUDIO_PARAM_OUTPUT_GAIN_DB] / 20.0f)
      : 1.0f;
  if (gain != effect->gain_to) {
    effect->gain_from    = effect->is_started ? gain_at(effect, 0) : gain;
    effect->gain_to      = gain;
    effect->gain_elapsed = 0;
  }
}

/// Let `next` be heard; nobody has taken what was retired before: see begin()
static void complete(maudio_effect* effect)
{
  maudio_stream* const old = effect->heard;
  effect->heard            = effect->next;
  effect->next             = NULL;
  atomic_store_explicit(&effect->latency, maudio_stream_latency(effect->heard),
                        memory_order_relaxed);
  atomic_store_explicit(&effect->retired, old, memory_order_release);
}

/// Begin the change that is waiting, if there is one and a place for the old
static void begin(maudio_effect* effect)
{
  if (effect->next ||
      atomic_load_explicit(&effect->retired, memory_order_acquire) ||
      !(effect->next = atomic_exchange_explicit(&effect->waiting, NULL,
                                                memory_order_acq_rel))) {
    return;
  }
  inform(effect, effect->next);
  effect->n_settle = maudio_stream_latency(effect->next) +
                     (size_t)(SETTLE_SECONDS * effect->rate_hz);
  effect->n_faded = 0;
  if (!effect->is_started) {
    complete(effect);
  }
}

/// Process `n_frames` of at most SLICE through both streams
static void process_both(maudio_effect*      effect,
                         const float* const* in,
                         float* const*       out,
                         size_t              n_frames)
{
  const float* input[MAUDIO_MAX_CHANNELS] = {NULL};
  float*       fresh[MAUDIO_MAX_CHANNELS] = {NULL};
  for (unsigned c = 0; c < MAUDIO_MAX_CHANNELS && c < effect->n_channels; ++c) {
    memcpy(effect->input[c], in[c], n_frames * sizeof **in);
    input[c] = effect->input[c];
    fresh[c] = effect->fresh[c];
  }
  maudio_stream_process(effect->heard, input, out, n_frames);
  maudio_stream_process(effect->next, input, fresh, n_frames);

  const size_t settle =
    effect->n_settle < n_frames ? effect->n_settle : n_frames;
  effect->n_settle -= settle;
  for (size_t i = settle; i < n_frames; ++i) {
    const size_t at = effect->n_faded + i - settle;
    const float  share =
      at < effect->ramp_length ? (float)at / (float)effect->ramp_length : 1.0f;
    for (unsigned c = 0; c < effect->n_channels; ++c) {
      // At 1 the sum would not be the fresh one to the last bit
      out[c][i] = share < 1.0f ? out[c][i] + share * (fresh[c][i] - out[c][i])
                               : fresh[c][i];
    }
  }
  effect->n_faded += n_frames - settle;
  if (effect->n_faded >= effect->ramp_length) {
    complete(effect);
  }
}

static void
apply_gain(maudio_effect* effect, float* const* out, size_t n_frames)
{
  const bool is_steady = effect->gain_elapsed >= effect->ramp_length;
  if (!is_steady || effect->gain_to != 1.0f) {
    for (unsigned c = 0; c < effect->n_channels; ++c) {
      for (size_t i = 0; i < n_frames; ++i) {
        out[c][i] *= is_steady ? effect->gain_to : gain_at(effect, i);
      }
    }
  }
  if (!is_steady) {
    effect->gain_elapsed += n_frames;
  }
}

maudio_status maudio_effect_new(double          rate_hz,
                                unsigned        n_channels,
                                maudio_stream*  first,
                                maudio_effect** effect,
                                maudio_error*   error)
{
  *effect = NULL;
  if (n_channels < 1 || n_channels > MAUDIO_MAX_CHANNELS) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "%u channels asked for, an effect has 1 or 2",
                       n_channels);
  }
  maudio_effect* const made = (maudio_effect*)calloc(1, sizeof *made);
  if (!made) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for an effect of %zu bytes", sizeof *made);
  }
  made->rate_hz     = rate_hz;
  made->n_channels  = n_channels;
  made->ramp_length = (size_t)(RAMP_SECONDS * rate_hz);
  made->heard       = first;

  static const float defaults[N_PARAMS] = {1.0f, 100.0f, 1.0f, 1.0f, 0.0f};
  atomic_init(&made->waiting, NULL);
  atomic_init(&made->retired, NULL);
  for (unsigned i = 0; i < N_PARAMS; ++i) {
    atomic_init(&made->params[i], defaults[i]);
    made->applied[i] = defaults[i];
  }
  atomic_init(&made->latency, maudio_stream_latency(first));
  atomic_init(&made->reduction_db, 0.0f);
  made->gain_to      = 1.0f;
  made->gain_elapsed = made->ramp_length;
  maudio_stream_reset(first);
  inform(made, first);
  *effect = made;
  return MAUDIO_SUCCESS;
}

void maudio_effect_free(maudio_effect* effect)
{
  free(effect);
}

maudio_stream* maudio_effect_play(maudio_effect* effect, maudio_stream* stream)
{
  maudio_stream_reset(stream);
  return atomic_exchange_explicit(&effect->waiting, stream,
                                  memory_order_acq_rel);
}

maudio_stream* maudio_effect_retired(maudio_effect* effect)
{
  return atomic_exchange_explicit(&effect->retired, NULL, memory_order_acq_rel);
}

maudio_status
maudio_effect_set(maudio_effect* effect, maudio_param param, float value)
{
  static const struct {
    float low;
    float high;
  } ranges[N_PARAMS] = {{0.0f, 1.0f},
                        {0.0f, 100.0f},
                        {0.0f, 1.0f},
                        {0.0f, 1.0f},
                        {MIN_GAIN_DB, MAX_GAIN_DB}};
  if (isnan(value) || (unsigned)param >= N_PARAMS) {
    return MAUDIO_ERR_BAD_ARG;
  }
  const float clamped = value < ranges[param].low    ? ranges[param].low
                        : value > ranges[param].high ? ranges[param].high
                                                     : value;
  atomic_store_explicit(&effect->params[param], clamped, memory_order_relaxed);
  return MAUDIO_SUCCESS;
}

void maudio_effect_process(maudio_effect*      effect,
                           const float* const* in,
                           float* const*       out,
                           size_t              n_frames)
{
  const uint64_t mode = maudio_float_mode_enter();
  begin(effect);
  update_params(effect);
  if (n_frames) {
    effect->is_started = true;
  }

  for (size_t done = 0; done < n_frames;) {
    const float* from[MAUDIO_MAX_CHANNELS] = {NULL};
    float*       to[MAUDIO_MAX_CHANNELS]   = {NULL};
    for (unsigned c = 0; c < effect->n_channels; ++c) {
      from[c] = in[c] + done;
      to[c]   = out[c] + done;
    }
    size_t n = n_frames - done;
    if (effect->next) {
      n = n < SLICE ? n : SLICE;
      process_both(effect, from, to, n);
    } else {
      maudio_stream_process(effect->heard, from, to, n);
    }
    done += n;
  }

  apply_gain(effect, out, n_frames);
  atomic_store_explicit(&effect->reduction_db,
                        maudio_stream_reduction_db(effect->heard),
                        memory_order_relaxed);
  maudio_float_mode_leave(mode);
}

void maudio_effect_reset(maudio_effect* effect)
{
  if (effect->next) {
    complete(effect);
  }
  maudio_stream_reset(effect->heard);
  effect->gain_elapsed = effect->ramp_length;
  effect->is_started   = false;
  atomic_store_explicit(&effect->reduction_db, 0.0f, memory_order_relaxed);
}

size_t maudio_effect_latency(const maudio_effect* effect)
{
  return atomic_load_explicit(&effect->latency, memory_order_relaxed);
}

float maudio_effect_reduction_db(const maudio_effect* effect)
{
  return atomic_load_explicit(&effect->reduction_db, memory_order_relaxed);
}

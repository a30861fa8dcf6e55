/* Streams of models that steer a fast path: a step per sample, no latency */
#include "stream.h"

#include <math.h>
#include <string.h>

static void plan(maudio_stream* stream)
{
  // The front end hears the nearest multiple of the rate of the training
  const maudio_spectral_config* config = &stream->model->config.spectral;
  const double nearest = round(stream->rate_hz / (double)config->rate_hz);
  const size_t n       = nearest > 1.0 ? (size_t)nearest : 1;
  maudio_spectral_plan(&stream->spectral, config, (double)(n * config->rate_hz),
                       stream->n_channels);

  const maudio_steer_config* steer = &stream->model->config.steer;
  stream->steerer.fast = (maudio_fast){.steer    = &stream->model->steer,
                                       .n_phases = n,
                                       .hop      = stream->spectral.hop,
                                       .delay    = n * steer->delay_frames,
                                       .fade     = n * steer->fade_frames};
}

static void carve(maudio_stream* stream, maudio_carver* carver)
{
  maudio_steerer* const  s        = &stream->steerer;
  const maudio_spectral* spectral = &stream->spectral;
  s->slow.model                   = stream->model;
  s->slow.spectral                = &stream->spectral;
  maudio_slow_carve(&s->slow, carver);
  maudio_fast_carve(&s->fast, carver);
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    maudio_fast_carve_channel(&s->fast, &s->channels[c], carver);
    s->line[c] = (float*)maudio_carve(
      carver, (spectral->window + spectral->hop) * sizeof(float));
    s->wet[c] = (float*)maudio_carve(carver, MAUDIO_FAST_RUN * sizeof(float));
  }
}

static size_t segments(const maudio_stream* stream, maudio_segment* to)
{
  const maudio_steerer*  s        = &stream->steerer;
  const maudio_spectral* spectral = &stream->spectral;
  size_t                 n        = 0;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    to[n++] = (maudio_segment){s->line[c], spectral->window + spectral->hop};
    to[n++] = (maudio_segment){s->channels[c].state, s->channels[c].n_state};
  }
  to[n++] = (maudio_segment){s->slow.state, s->slow.n_state};
  return n;
}

static void reset(maudio_stream* stream)
{
  stream->scalars.rising  = (maudio_spectral_energy){0};
  stream->scalars.has_hop = 0;
  maudio_slow_reset(&stream->steerer.slow);
}

/// Limit the attenuation of `n` frames, and measure it
static void limit(maudio_stream* stream, size_t position, size_t n)
{
  maudio_spectral_energy* const energy = &stream->scalars.rising;
  for (size_t i = 0; i < n; ++i) {
    const float floor =
      maudio_stream_ramp(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, i);
    for (unsigned c = 0; c < stream->n_channels; ++c) {
      float* const wet = &stream->steerer.wet[c][i];
      const float  dry =
        stream->steerer.line[c][stream->spectral.window + position + i];
      *wet = floor >= 1.0f ? dry : *wet + floor * (dry - *wet);
      energy->before += dry * dry;
      energy->after += *wet * *wet;
    }
  }
}

/// Do what the slow network has to do while frames `begin` to `end` of the
/// delay come in
static void run_slow(maudio_stream* stream, size_t begin, size_t end)
{
  maudio_steerer* const s                           = &stream->steerer;
  const size_t          delay                       = s->fast.delay;
  const float*          frames[MAUDIO_MAX_CHANNELS] = {NULL};
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    frames[c] = s->line[c];
  }
  maudio_slow_run(&s->slow, frames, begin * s->slow.n_units / delay,
                  end * s->slow.n_units / delay);
}

static void end_hop(maudio_stream* stream)
{
  maudio_steerer* const        s       = &stream->steerer;
  maudio_stream_scalars* const scalars = &stream->scalars;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    maudio_fast_advance(&s->fast, &s->channels[c]);
    memmove(s->line[c], s->line[c] + stream->spectral.hop,
            stream->spectral.window * sizeof(float));
  }
  scalars->energy   = scalars->rising;
  scalars->rising   = (maudio_spectral_energy){0};
  scalars->position = 0;
  scalars->has_hop  = 1;
}

/// Run `n` frames that are in one hop and have the same controls
static void run(maudio_stream*      stream,
                const float* const* in,
                float* const*       out,
                size_t              done,
                size_t              n)
{
  maudio_steerer* const s        = &stream->steerer;
  const size_t          position = stream->scalars.position;
  const size_t          at       = stream->spectral.window + position;
  const maudio_controls controls = {s->slow.older, s->slow.newer};
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    maudio_stream_take(stream, in[c] + done, s->line[c] + at, n);
    maudio_fast_run(&s->fast, &s->channels[c], &controls, position, n,
                    s->line[c] + at, s->wet[c]);
  }
  limit(stream, position, n);
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    maudio_stream_mix(stream, s->line[c] + at, s->wet[c], out[c] + done, n);
  }
  maudio_stream_advance_ramps(stream, n);
  if (stream->scalars.has_hop && position < s->fast.delay) {
    run_slow(stream, position, position + n);
  }
  stream->scalars.position += n;
  if (stream->scalars.position == s->fast.delay) {
    maudio_slow_advance(&s->slow);
  }
}

static void process(maudio_stream*      stream,
                    const float* const* in,
                    float* const*       out,
                    size_t              n_frames)
{
  for (size_t done = 0; done < n_frames;) {
    const size_t position = stream->scalars.position;
    const size_t hop      = stream->spectral.hop;
    const size_t delay    = stream->steerer.fast.delay;
    const size_t left     = (position < delay ? delay : hop) - position;
    size_t       n        = n_frames - done;
    n                     = n < left ? n : left;
    n                     = n < MAUDIO_FAST_RUN ? n : MAUDIO_FAST_RUN;
    run(stream, in, out, done, n);
    if (stream->scalars.position == hop) {
      end_hop(stream);
    }
    done += n;
  }
}

static size_t latency(const maudio_stream* stream)
{
  (void)stream;
  return 0;
}

const maudio_stream_class maudio_stream_steer = {.plan     = plan,
                                                 .carve    = carve,
                                                 .segments = segments,
                                                 .reset    = reset,
                                                 .process  = process,
                                                 .latency  = latency};

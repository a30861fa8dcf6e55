#include "stream.h"

#include "error.h"
#include "float_mode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define RAMP_SECONDS 0.020
#define MAX_ATTENUATION_DB 100.0f

const maudio_stream_class* maudio_stream_type(const maudio_stream* stream)
{
  return stream->model->config.steer.n_gains ? &maudio_stream_steer
                                             : &maudio_stream_mask;
}

maudio_status maudio_stream_new(const maudio_model* model,
                                double              rate_hz,
                                unsigned            n_channels,
                                maudio_stream**     stream,
                                maudio_error*       error)
{
  *stream = NULL;
  if (model->config.task != MAUDIO_TASK_DENOISE) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG, "Model '%s' %s",
                       model->config.name,
                       model->config.task == MAUDIO_TASK_TOKENS
                         ? "works on tokens and has no streams of audio"
                         : "generates audio and has no streams that change it");
  }
  if (!(rate_hz >= MAUDIO_MIN_RATE_HZ && rate_hz <= MAUDIO_MAX_RATE_HZ)) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Sample rate %g Hz is not in %d to %d Hz", rate_hz,
                       MAUDIO_MIN_RATE_HZ, MAUDIO_MAX_RATE_HZ);
  }
  if (n_channels < 1 || n_channels > MAUDIO_MAX_CHANNELS) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "%u channels asked for, a stream has 1 or 2",
                       n_channels);
  }

  maudio_stream plan = {
    .model = model, .rate_hz = rate_hz, .n_channels = n_channels};
  const maudio_stream_class* const type = maudio_stream_type(&plan);
  type->plan(&plan);
  plan.ramp_length = (size_t)(RAMP_SECONDS * rate_hz);
  for (unsigned i = 0; i < MAUDIO_N_PARAMS; ++i) {
    plan.scalars.ramps[i] = (maudio_ramp){1.0f, 1.0f, 0};
  }
  plan.scalars.ramps[MAUDIO_PARAM_MAX_ATTENUATION_DB] =
    (maudio_ramp){0.0f, 0.0f, 0};

  maudio_carver measure = {.base = NULL};
  maudio_carve(&measure, sizeof plan);
  maudio_spectral_carve(&plan.spectral, &measure);
  type->carve(&plan, &measure);
  plan.n_bytes = measure.size;

  char* const memory = aligned_alloc(ALIGNMENT, plan.n_bytes);
  if (!memory) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for a stream of %zu bytes", plan.n_bytes);
  }
  memset(memory, 0, plan.n_bytes);
  maudio_carver  carver = {.base = memory};
  maudio_stream* made   = maudio_carve(&carver, sizeof *made);
  *made                 = plan;
  maudio_spectral_carve(&made->spectral, &carver);
  type->carve(made, &carver);
  maudio_spectral_init(&made->spectral);
  maudio_stream_reset(made);
  *stream = made;
  return MAUDIO_SUCCESS;
}

void maudio_stream_free(maudio_stream* stream)
{
  free(stream);
}

void maudio_stream_reset(maudio_stream* stream)
{
  maudio_segment segments[MAUDIO_MAX_SEGMENTS];
  const size_t   n = maudio_stream_type(stream)->segments(stream, segments);
  for (size_t i = 0; i < n; ++i) {
    memset(segments[i].data, 0, segments[i].n * sizeof(float));
  }

  maudio_stream_scalars* const scalars = &stream->scalars;
  for (unsigned i = 0; i < MAUDIO_N_PARAMS; ++i) {
    scalars->ramps[i].from    = scalars->ramps[i].to;
    scalars->ramps[i].elapsed = stream->ramp_length;
  }
  scalars->energy     = (maudio_spectral_energy){0};
  scalars->position   = 0;
  scalars->is_started = 0;
  scalars->n_silent   = 0;
  maudio_stream_type(stream)->reset(stream);
}

float maudio_stream_ramp(const maudio_stream* stream,
                         maudio_param         param,
                         size_t               n)
{
  const maudio_ramp* ramp = &stream->scalars.ramps[param];
  const uint64_t     at   = ramp->elapsed + n;
  return at >= stream->ramp_length
           ? ramp->to
           : ramp->from +
               (ramp->to - ramp->from) * (float)at / (float)stream->ramp_length;
}

maudio_status
maudio_stream_set(maudio_stream* stream, maudio_param param, float value)
{
  float target = 0.0f;
  if (isnan(value)) {
    return MAUDIO_ERR_BAD_ARG;
  }
  switch (param) {
  case MAUDIO_PARAM_STRENGTH:
    target = value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
    break;
  case MAUDIO_PARAM_MAX_ATTENUATION_DB:
    target = value <= 0.0f                 ? 1.0f
             : value >= MAX_ATTENUATION_DB ? 0.0f
                                           : powf(10.0f, -value / 20.0f);
    break;
  case MAUDIO_PARAM_ENABLED:
    target = value > 0.5f ? 1.0f : 0.0f;
    break;
  default:
    return MAUDIO_ERR_BAD_ARG;
  }

  maudio_ramp* const ramp = &stream->scalars.ramps[param];
  if (!stream->scalars.is_started) {
    *ramp = (maudio_ramp){target, target, stream->ramp_length};
  } else if (target != ramp->to) {
    *ramp = (maudio_ramp){maudio_stream_ramp(stream, param, 0), target, 0};
  }
  return MAUDIO_SUCCESS;
}

void maudio_stream_advance_ramps(maudio_stream* stream, size_t n_frames)
{
  for (unsigned i = 0; i < MAUDIO_N_PARAMS; ++i) {
    maudio_ramp* const ramp = &stream->scalars.ramps[i];
    const uint64_t     at   = ramp->elapsed + n_frames;
    ramp->elapsed = at < stream->ramp_length ? at : stream->ramp_length;
  }
}

void maudio_stream_take(maudio_stream* stream,
                        const float*   in,
                        float*         line,
                        size_t         n_frames)
{
  for (size_t i = 0; i < n_frames; ++i) {
    uint32_t bits = 0;
    memcpy(&bits, &in[i], sizeof bits);
    if ((bits & 0x7F800000U) == 0x7F800000U) {
      bits = 0;
      ++stream->n_bad;
    }
    memcpy(&line[i], &bits, sizeof bits);
  }
}

/// Frames since strength or bypass was set, at most the ramp's length
static size_t least_elapsed(const maudio_stream* stream)
{
  const maudio_ramp* ramps = stream->scalars.ramps;
  const uint64_t     a     = ramps[MAUDIO_PARAM_STRENGTH].elapsed;
  const uint64_t     b     = ramps[MAUDIO_PARAM_ENABLED].elapsed;
  return a < b ? a : b;
}

void maudio_stream_mix(const maudio_stream* stream,
                       const float*         dry,
                       const float*         wet,
                       float*               out,
                       size_t               n_frames)
{
  const size_t length  = stream->ramp_length;
  const size_t settled = length - least_elapsed(stream);
  const float last = maudio_stream_ramp(stream, MAUDIO_PARAM_STRENGTH, length) *
                     maudio_stream_ramp(stream, MAUDIO_PARAM_ENABLED, length);
  for (size_t i = 0; i < n_frames; ++i) {
    const float strength =
      i < settled ? maudio_stream_ramp(stream, MAUDIO_PARAM_STRENGTH, i) *
                      maudio_stream_ramp(stream, MAUDIO_PARAM_ENABLED, i)
                  : last;
    out[i] = strength >= 1.0f   ? wet[i]
             : strength <= 0.0f ? dry[i]
                                : dry[i] + strength * (wet[i] - dry[i]);
  }
}

void maudio_stream_process(maudio_stream*      stream,
                           const float* const* in,
                           float* const*       out,
                           size_t              n_frames)
{
  const uint64_t mode = maudio_float_mode_enter();
  if (n_frames) {
    stream->scalars.is_started = 1;
  }
  maudio_stream_type(stream)->process(stream, in, out, n_frames);
  maudio_float_mode_leave(mode);
}

size_t maudio_stream_latency(const maudio_stream* stream)
{
  return maudio_stream_type(stream)->latency(stream);
}

uint64_t maudio_stream_bad_samples(const maudio_stream* stream)
{
  return stream->n_bad;
}

float maudio_stream_reduction_db(const maudio_stream* stream)
{
  const maudio_spectral_energy energy = stream->scalars.energy;
  if (!(energy.before > energy.after)) {
    return 0.0f;
  }
  const float ratio = energy.after / energy.before;
  return ratio > 1e-10f ? -10.0f * log10f(ratio) : MAX_ATTENUATION_DB;
}

const maudio_model* maudio_stream_model(const maudio_stream* stream)
{
  return stream->model;
}

size_t maudio_stream_memory(const maudio_stream* stream)
{
  return stream->n_bytes;
}

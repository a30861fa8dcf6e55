#include "stream.h"

#include "error.h"
#include "float_mode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define RAMP_SECONDS 0.020
#define MAX_ATTENUATION_DB 100.0f

static void carve(maudio_stream* stream, maudio_carver* carver)
{
  const maudio_model*    model = stream->model;
  const maudio_spectral* s     = &stream->spectral;
  const size_t           chunk = model->n_chunk;
  maudio_spectral_carve(&stream->spectral, carver);
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    stream->line[c] =
      maudio_carve(carver, (stream->n_past + chunk * s->hop) * sizeof(float));
    stream->wet[c] = maudio_carve(carver, (1 + chunk) * s->hop * sizeof(float));
    stream->overlap[c] = maudio_carve(carver, s->hop * sizeof(float));
    stream->spectra[c] =
      maudio_carve(carver, chunk * s->n_bins * sizeof(kiss_fft_cpx));
  }
  stream->network = maudio_carve(carver, model->n_state * sizeof(float));
  stream->features =
    maudio_carve(carver, chunk * model->bands.n_features * sizeof(float));
  stream->mask =
    maudio_carve(carver, chunk * model->bands.n_mask * sizeof(float));
  stream->tail    = maudio_carve(carver, 2 * s->hop * sizeof(float));
  stream->scratch = maudio_carve(carver, model->n_scratch * sizeof(float));
}

maudio_status maudio_stream_new(const maudio_model* model,
                                double              rate_hz,
                                unsigned            n_channels,
                                maudio_stream**     stream,
                                maudio_error*       error)
{
  *stream = NULL;
  if (model->config.task != MAUDIO_TASK_DENOISE) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Model '%s' works on tokens and has no streams of audio",
                       model->config.name);
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
  maudio_spectral_plan(&plan.spectral, &model->config.spectral, rate_hz,
                       n_channels);
  const size_t hop    = plan.spectral.hop;
  const size_t before = plan.spectral.window - hop;
  plan.n_past         = before > 2 * hop ? before : 2 * hop;
  plan.ramp_length    = (size_t)(RAMP_SECONDS * rate_hz);
  for (unsigned i = 0; i < MAUDIO_N_PARAMS; ++i) {
    plan.scalars.ramps[i] = (maudio_ramp){1.0f, 1.0f, plan.ramp_length};
  }
  plan.scalars.ramps[MAUDIO_PARAM_MAX_ATTENUATION_DB] =
    (maudio_ramp){0.0f, 0.0f, plan.ramp_length};

  maudio_carver measure = {.base = NULL};
  maudio_carve(&measure, sizeof plan);
  carve(&plan, &measure);
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
  carve(made, &carver);
  maudio_spectral_init(&made->spectral);
  *stream = made;
  return MAUDIO_SUCCESS;
}

void maudio_stream_free(maudio_stream* stream)
{
  free(stream);
}

size_t maudio_stream_segments(const maudio_stream* stream,
                              maudio_segment*      segments)
{
  const size_t hop = stream->spectral.hop;
  size_t       n   = 0;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    segments[n++] = (maudio_segment){stream->line[c], stream->n_past + hop};
    segments[n++] = (maudio_segment){stream->wet[c], hop};
    segments[n++] = (maudio_segment){stream->overlap[c], hop};
  }
  segments[n++] = (maudio_segment){stream->network, stream->model->n_state};
  return n;
}

void maudio_stream_reset(maudio_stream* stream)
{
  maudio_segment segments[MAUDIO_MAX_SEGMENTS];
  const size_t   n = maudio_stream_segments(stream, segments);
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
}

/// The value of a ramp `n` frames from now
static float ramp_at(const maudio_stream* stream, maudio_param param, size_t n)
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
    *ramp = (maudio_ramp){ramp_at(stream, param, 0), target, 0};
  }
  return MAUDIO_SUCCESS;
}

/// Copy input to the line; what is not a number becomes 0
static void
take_input(maudio_stream* stream, const float* in, float* line, size_t n_frames)
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

/// Add frame `i`, which is now a masked spectrum, to what is to be played
static void play_frame(maudio_stream* stream, unsigned channel, size_t i)
{
  const size_t hop     = stream->spectral.hop;
  float* const wet     = stream->wet[channel] + (i + 1) * hop;
  float* const overlap = stream->overlap[channel];
  maudio_spectral_inverse(
    &stream->spectral, stream->spectra[channel] + i * stream->spectral.n_bins,
    stream->tail);
  for (size_t j = 0; j < hop; ++j) {
    wet[j]     = overlap[j] + stream->tail[j];
    overlap[j] = stream->tail[hop + j];
  }
}

/// Run the hops that end in the line, the first `n_left` frames from now
static void run_hops(maudio_stream* stream, size_t n_hops, size_t n_left)
{
  const maudio_model*    model = stream->model;
  maudio_spectral* const s     = &stream->spectral;

  for (size_t i = 0; i < n_hops; ++i) {
    const kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS] = {NULL};
    for (unsigned c = 0; c < stream->n_channels; ++c) {
      const float* const end =
        stream->line[c] + stream->n_past + (i + 1) * s->hop;
      kiss_fft_cpx* const spectrum = stream->spectra[c] + i * s->n_bins;
      maudio_spectral_forward(s, end - s->window, spectrum);
      spectra[c] = spectrum;
    }
    maudio_spectral_features(s, model->kernels, spectra,
                             stream->features + i * model->bands.n_features);
  }

  maudio_model_run(model, n_hops, stream->features, stream->mask,
                   stream->network, stream->scratch);

  for (size_t i = 0; i < n_hops; ++i) {
    const float floor =
      ramp_at(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, n_left + i * s->hop);
    kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS] = {NULL};
    for (unsigned c = 0; c < stream->n_channels; ++c) {
      spectra[c] = stream->spectra[c] + i * s->n_bins;
    }
    stream->scalars.energy = maudio_spectral_apply(
      s, stream->mask + i * model->bands.n_mask, floor, spectra);
    for (unsigned c = 0; c < stream->n_channels; ++c) {
      play_frame(stream, c, i);
    }
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

/// Write the next `n_frames` frames: the delayed input where strength is 0,
/// the result of the network where it is 1, both to the last bit
static void
play(const maudio_stream* stream, unsigned c, float* out, size_t n_frames)
{
  const size_t position = stream->scalars.position;
  const float* wet      = stream->wet[c] + position;
  const float* dry =
    stream->line[c] + stream->n_past + position - 2 * stream->spectral.hop;

  const size_t length  = stream->ramp_length;
  const size_t settled = length - least_elapsed(stream);
  const float  last    = ramp_at(stream, MAUDIO_PARAM_STRENGTH, length) *
                     ramp_at(stream, MAUDIO_PARAM_ENABLED, length);
  for (size_t i = 0; i < n_frames; ++i) {
    const float strength = i < settled
                             ? ramp_at(stream, MAUDIO_PARAM_STRENGTH, i) *
                                 ramp_at(stream, MAUDIO_PARAM_ENABLED, i)
                             : last;
    out[i]               = strength >= 1.0f   ? wet[i]
                           : strength <= 0.0f ? dry[i]
                                              : dry[i] + strength * (wet[i] - dry[i]);
  }
}

/// Move on by `n_frames` frames that complete `n_hops` hops
static void advance(maudio_stream* stream, size_t n_frames, size_t n_hops)
{
  maudio_stream_scalars* const scalars = &stream->scalars;
  for (unsigned i = 0; i < MAUDIO_N_PARAMS; ++i) {
    const uint64_t at = scalars->ramps[i].elapsed + n_frames;
    scalars->ramps[i].elapsed =
      at < stream->ramp_length ? at : stream->ramp_length;
  }
  if (!n_hops) {
    scalars->position += n_frames;
    return;
  }
  scalars->position   = 0;
  const size_t hop    = stream->spectral.hop;
  const size_t n_used = n_hops * hop;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    float* const line = stream->line[c];
    float* const wet  = stream->wet[c];
    memmove(line, line + n_used, stream->n_past * sizeof *line);
    memcpy(wet, wet + n_used, hop * sizeof *wet);
  }
}

void maudio_stream_process(maudio_stream*      stream,
                           const float* const* in,
                           float* const*       out,
                           size_t              n_frames)
{
  const uint64_t mode = maudio_float_mode_enter();
  const size_t   hop  = stream->spectral.hop;
  for (size_t done = 0; done < n_frames;) {
    const size_t position = stream->scalars.position;
    const size_t left     = hop - position;
    size_t       n        = n_frames - done;
    size_t       n_hops   = 0;
    if (position == 0 && n >= hop) {
      n_hops =
        n / hop < stream->model->n_chunk ? n / hop : stream->model->n_chunk;
      n = n_hops * hop;
    } else if (n >= left) {
      n_hops = 1;
      n      = left;
    }

    for (unsigned c = 0; c < stream->n_channels; ++c) {
      float* const line = stream->line[c] + stream->n_past + position;
      take_input(stream, in[c] + done, line, n);
    }
    stream->scalars.is_started = 1;
    if (n_hops) {
      run_hops(stream, n_hops, left);
    }
    for (unsigned c = 0; c < stream->n_channels; ++c) {
      play(stream, c, out[c] + done, n);
    }
    advance(stream, n, n_hops);
    done += n;
  }
  maudio_float_mode_leave(mode);
}

size_t maudio_stream_latency(const maudio_stream* stream)
{
  return 2 * stream->spectral.hop;
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

/* Streams of models that make a mask: hops, overlap-add, two hops of latency
   and those that are heard before a frame is masked */
#include "deep_filter.h"
#include "stream.h"

#include <string.h>

static void plan(maudio_stream* stream)
{
  maudio_spectral* const s = &stream->spectral;
  maudio_spectral_plan(s, &stream->model->config.spectral, stream->rate_hz,
                       stream->n_channels);
  maudio_masker* const m      = &stream->masker;
  const size_t         before = s->window - s->hop;
  const size_t         n_late = maudio_spectral_latency(s);
  m->n_past                   = before > n_late ? before : n_late;
  m->n_kept                   = maudio_deep_filter_reach(s);
  m->n_frame                  = maudio_deep_filter_stride(s);
  m->n_heard                  = (s->window + s->hop - 1) / s->hop + m->n_kept;
}

static void carve(maudio_stream* stream, maudio_carver* carver)
{
  const maudio_model*    model = stream->model;
  const maudio_spectral* s     = &stream->spectral;
  maudio_masker* const   m     = &stream->masker;
  const size_t           chunk = model->n_chunk;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    m->line[c] =
      maudio_carve(carver, (m->n_past + chunk * s->hop) * sizeof(float));
    m->wet[c]     = maudio_carve(carver, (1 + chunk) * s->hop * sizeof(float));
    m->overlap[c] = maudio_carve(carver, s->hop * sizeof(float));
    m->spectra[c] = maudio_carve(carver, (s->lookahead + chunk) * s->n_bins *
                                           sizeof(kiss_fft_cpx));
    m->frames[c] =
      maudio_carve(carver, (m->n_kept + chunk) * m->n_frame * sizeof(float));
  }
  m->network = maudio_carve(carver, model->n_state * sizeof(float));
  m->noise   = maudio_carve(carver, MAUDIO_MAX_HIGH_BANDS * sizeof *m->noise);
  m->features =
    maudio_carve(carver, chunk * model->bands.n_features * sizeof(float));
  m->mask = maudio_carve(carver, chunk * model->bands.n_mask * sizeof(float));
  m->tail = maudio_carve(carver, 2 * s->hop * sizeof(float));
  m->is_silent = maudio_carve(carver, chunk * sizeof *m->is_silent);
  m->scratch   = maudio_carve(carver, model->n_scratch * sizeof(float));
}

static size_t segments(const maudio_stream* stream, maudio_segment* to)
{
  const maudio_masker* m   = &stream->masker;
  const size_t         hop = stream->spectral.hop;
  const size_t n_ahead = stream->spectral.lookahead * stream->spectral.n_bins *
                         sizeof(kiss_fft_cpx) / sizeof(float);
  size_t n = 0;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    to[n++] = (maudio_segment){m->line[c], m->n_past + hop};
    to[n++] = (maudio_segment){m->wet[c], hop};
    to[n++] = (maudio_segment){m->overlap[c], hop};
  }
  to[n++] = (maudio_segment){m->network, stream->model->n_state};
  to[n++] = (maudio_segment){
    (float*)m->noise, MAUDIO_MAX_HIGH_BANDS * sizeof *m->noise / sizeof(float)};
  for (unsigned c = 0; m->n_frame && c < stream->n_channels; ++c) {
    to[n++] = (maudio_segment){m->frames[c], m->n_kept * m->n_frame};
  }
  for (unsigned c = 0; n_ahead && c < stream->n_channels; ++c) {
    to[n++] = (maudio_segment){&m->spectra[c]->r, n_ahead};
  }
  return n;
}

static void reset(maudio_stream* stream)
{
  (void)stream; // A past of zeros is the start of a signal
}

/// Add the frame masked with hop `i`, now a masked spectrum, to what is to be
/// played
static void play_frame(maudio_stream* stream, unsigned channel, size_t i)
{
  const maudio_masker* m       = &stream->masker;
  const size_t         hop     = stream->spectral.hop;
  float* const         wet     = m->wet[channel] + (i + 1) * hop;
  float* const         overlap = m->overlap[channel];
  maudio_spectral_inverse(&stream->spectral,
                          m->spectra[channel] + i * stream->spectral.n_bins,
                          m->tail);
  for (size_t j = 0; j < hop; ++j) {
    wet[j]     = overlap[j] + m->tail[j];
    overlap[j] = m->tail[hop + j];
  }
}

/// Count hop `i` if it is silent; return whether frame `i` hears nothing else,
/// whatever the mask
static bool hears_silence(maudio_stream* stream, size_t i)
{
  const maudio_masker* m   = &stream->masker;
  const size_t         hop = stream->spectral.hop;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    const float* const x = m->line[c] + m->n_past + i * hop;
    for (size_t j = 0; j < hop; ++j) {
      if (x[j] != 0.0f) {
        stream->scalars.n_silent = 0;
        return false;
      }
    }
  }
  return ++stream->scalars.n_silent >= m->n_heard;
}

/// Make the features of frame `i`, and keep what will be masked later on
static void analyse_frame(maudio_stream* stream, size_t i)
{
  const maudio_masker* const m = &stream->masker;
  maudio_spectral* const     s = &stream->spectral;

  const kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS] = {NULL};
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    const float* const  end = m->line[c] + m->n_past + (i + 1) * s->hop;
    kiss_fft_cpx* const spectrum =
      m->spectra[c] + (s->lookahead + i) * s->n_bins;
    if (m->is_silent[i]) {
      memset(spectrum, 0, s->n_bins * sizeof *spectrum);
    } else {
      maudio_spectral_forward(s, end - s->window, spectrum);
    }
    maudio_deep_filter_keep(s, spectrum,
                            m->frames[c] + (m->n_kept + i) * m->n_frame);
    spectra[c] = spectrum;
  }
  maudio_spectral_features(s, stream->model->kernels, spectra,
                           m->features + i * stream->model->bands.n_features);
}

/// Play what is left of the frames before the one masked with hop `i`, which is
/// silent
static void play_silence(maudio_stream* stream, size_t i)
{
  const maudio_masker* m   = &stream->masker;
  const size_t         hop = stream->spectral.hop;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    memcpy(m->wet[c] + (i + 1) * hop, m->overlap[c], hop * sizeof(float));
    memset(m->overlap[c], 0, hop * sizeof(float));
  }
  stream->scalars.energy = (maudio_spectral_energy){0};
}

const float*
maudio_masker_frame(const maudio_stream* stream, unsigned channel, size_t i)
{
  const maudio_masker* m = &stream->masker;
  return m->frames[channel] +
         (m->n_kept - stream->spectral.lookahead + i) * m->n_frame;
}

/// Apply the mask that came with hop `i` and play what is masked
static void play_masked(maudio_stream* stream, size_t i, float floor)
{
  const maudio_masker* const m = &stream->masker;
  maudio_spectral* const     s = &stream->spectral;

  kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS] = {NULL};
  const float*  frames[MAUDIO_MAX_CHANNELS]  = {NULL};
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    spectra[c] = m->spectra[c] + i * s->n_bins;
    frames[c]  = maudio_masker_frame(stream, c, i);
  }
  stream->scalars.energy = maudio_spectral_apply(
    s, stream->model->kernels, m->mask + i * stream->model->bands.n_mask, floor,
    m->noise, frames, spectra);
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    play_frame(stream, c, i);
  }
}

/// Run the hops that end in the line, the first `n_left` frames from now
static void run_hops(maudio_stream* stream, size_t n_hops, size_t n_left)
{
  const maudio_masker* const m           = &stream->masker;
  bool                       needs_masks = false;
  for (size_t i = 0; i < n_hops; ++i) {
    m->is_silent[i] = hears_silence(stream, i);
    needs_masks     = needs_masks || !m->is_silent[i];
    analyse_frame(stream, i);
  }

  maudio_model_run(stream->model, n_hops, m->features,
                   needs_masks ? m->mask : NULL, m->network, m->scratch);

  for (size_t i = 0; i < n_hops; ++i) {
    if (m->is_silent[i]) {
      play_silence(stream, i);
    } else {
      play_masked(stream, i,
                  maudio_stream_ramp(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB,
                                     n_left + i * stream->spectral.hop));
    }
  }
}

/// Move on by `n_frames` frames that complete `n_hops` hops
static void advance(maudio_stream* stream, size_t n_frames, size_t n_hops)
{
  const maudio_masker* m = &stream->masker;
  maudio_stream_advance_ramps(stream, n_frames);
  if (!n_hops) {
    stream->scalars.position += n_frames;
    return;
  }
  stream->scalars.position = 0;
  const size_t hop         = stream->spectral.hop;
  const size_t n_used      = n_hops * hop;
  for (unsigned c = 0; c < stream->n_channels; ++c) {
    float* const line = m->line[c];
    float* const wet  = m->wet[c];
    memmove(line, line + n_used, m->n_past * sizeof *line);
    memcpy(wet, wet + n_used, hop * sizeof *wet);
    memmove(m->frames[c], m->frames[c] + n_hops * m->n_frame,
            m->n_kept * m->n_frame * sizeof(float));
    memmove(m->spectra[c], m->spectra[c] + n_hops * stream->spectral.n_bins,
            stream->spectral.lookahead * stream->spectral.n_bins *
              sizeof *m->spectra[c]);
  }
}

static void process(maudio_stream*      stream,
                    const float* const* in,
                    float* const*       out,
                    size_t              n_frames)
{
  const maudio_masker* m      = &stream->masker;
  const size_t         hop    = stream->spectral.hop;
  const size_t         n_late = maudio_spectral_latency(&stream->spectral);
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
      maudio_stream_take(stream, in[c] + done,
                         m->line[c] + m->n_past + position, n);
    }
    if (n_hops) {
      run_hops(stream, n_hops, left);
    }
    for (unsigned c = 0; c < stream->n_channels; ++c) {
      const float* const present = m->line[c] + m->n_past + position;
      maudio_stream_mix(stream, present - n_late, m->wet[c] + position,
                        out[c] + done, n);
    }
    advance(stream, n, n_hops);
    done += n;
  }
}

static size_t latency(const maudio_stream* stream)
{
  return maudio_spectral_latency(&stream->spectral);
}

const maudio_stream_class maudio_stream_mask = {.plan     = plan,
                                                .carve    = carve,
                                                .segments = segments,
                                                .reset    = reset,
                                                .process  = process,
                                                .latency  = latency};

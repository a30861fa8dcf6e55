#include "denoiser.h"

#include "report.h"
#include "residue.h"

#include <stdbool.h>
#include <stdlib.h>

struct denoiser {
  size_t          n_channels;
  size_t          n_streams;
  maudio_stream** streams;  ///< (n_streams,)
  float*          planar;   ///< (n_channels, DENOISE_BLOCK)
  float**         channels; ///< (n_channels,) rows of `planar`
  residue_delay   residues;
  size_t          latency; ///< Of the streams, in frames
  size_t          to_skip; ///< Frames to come that precede the signal
};

void denoiser_free(denoiser* d)
{
  if (!d) {
    return;
  }
  for (size_t i = 0; d->streams && i < d->n_streams; ++i) {
    maudio_stream_free(d->streams[i]);
  }
  free(d->streams);
  free(d->planar);
  free(d->channels);
  residue_delay_free(&d->residues);
  free(d);
}

static bool open_streams(denoiser*               d,
                         const denoise_settings* settings,
                         double                  rate_hz,
                         const char*             label)
{
  const unsigned each = d->n_streams == d->n_channels ? 1 : 2;
  for (size_t i = 0; i < d->n_streams; ++i) {
    maudio_error error = {MAUDIO_SUCCESS, ""};
    if (maudio_stream_new(settings->model, rate_hz, each, &d->streams[i],
                          &error)) {
      return complain(label, "%s", error.message);
    }
    maudio_stream_set(d->streams[i], MAUDIO_PARAM_STRENGTH, settings->strength);
    maudio_stream_set(d->streams[i], MAUDIO_PARAM_MAX_ATTENUATION_DB,
                      settings->max_attenuation_db);
  }
  d->latency = maudio_stream_latency(d->streams[0]);
  d->to_skip = d->latency;
  return true;
}

static bool no_memory(const denoiser* d, const char* label)
{
  return complain(label, "no memory for %zu channels", d->n_channels);
}

static bool fill(denoiser*               d,
                 const denoise_settings* settings,
                 double                  rate_hz,
                 const char*             label)
{
  d->streams  = (maudio_stream**)calloc(d->n_streams, sizeof(maudio_stream*));
  d->planar   = (float*)calloc(d->n_channels * DENOISE_BLOCK, sizeof(float));
  d->channels = (float**)calloc(d->n_channels, sizeof(float*));
  if (!d->streams || !d->planar || !d->channels) {
    return no_memory(d, label);
  }
  for (size_t c = 0; c < d->n_channels; ++c) {
    d->channels[c] = d->planar + c * DENOISE_BLOCK;
  }
  return open_streams(d, settings, rate_hz, label) &&
         (residue_delay_init(&d->residues, d->latency, d->n_channels) ||
          no_memory(d, label));
}

denoiser* denoiser_new(const denoise_settings* settings,
                       double                  rate_hz,
                       size_t                  n_channels,
                       const char*             label)
{
  denoiser* const d = (denoiser*)calloc(1, sizeof(denoiser));
  if (!d) {
    complain(label, "no memory for %zu channels", n_channels);
    return NULL;
  }
  d->n_channels = n_channels;
  d->n_streams  = n_channels == 2 ? 1 : n_channels;
  if (!fill(d, settings, rate_hz, label)) {
    denoiser_free(d);
    return NULL;
  }
  return d;
}

size_t denoiser_latency(const denoiser* d)
{
  return d->latency;
}

void denoiser_process(denoiser* d, double* samples, size_t n_frames)
{
  residue_split(d->planar, DENOISE_BLOCK, samples, n_frames, d->n_channels);
  residue_delay_run(&d->residues, samples, n_frames);

  const size_t each = d->n_channels / d->n_streams;
  for (size_t s = 0; s < d->n_streams; ++s) {
    float* const* const rows = d->channels + s * each;
    maudio_stream_process(d->streams[s], (const float* const*)rows, rows,
                          n_frames);
  }

  residue_join(d->planar, DENOISE_BLOCK, samples, n_frames, d->n_channels);
}

size_t denoiser_skip(denoiser* d, size_t n_frames)
{
  const size_t n = n_frames < d->to_skip ? n_frames : d->to_skip;
  d->to_skip -= n;
  return n;
}

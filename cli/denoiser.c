#include "denoiser.h"

#include "report.h"

#include <stdbool.h>
#include <stdlib.h>

struct denoiser {
  size_t          n_channels;
  size_t          n_streams;
  maudio_stream** streams;  ///< (n_streams,)
  float*          planar;   ///< (n_channels, DENOISE_BLOCK)
  float**         channels; ///< (n_channels,) rows of `planar`
  double*         residues; ///< (latency, n_channels), a ring
  size_t          latency;  ///< Of the streams, in frames
  size_t          ring_at;  ///< Oldest frame of `residues`
  size_t          to_skip;  ///< Frames to come that precede the signal
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
  free(d->residues);
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

static bool fill(denoiser*               d,
                 const denoise_settings* settings,
                 double                  rate_hz,
                 const char*             label)
{
  d->streams  = (maudio_stream**)calloc(d->n_streams, sizeof(maudio_stream*));
  d->planar   = (float*)calloc(d->n_channels * DENOISE_BLOCK, sizeof(float));
  d->channels = (float**)calloc(d->n_channels, sizeof(float*));
  if (d->streams && d->planar && d->channels) {
    for (size_t c = 0; c < d->n_channels; ++c) {
      d->channels[c] = d->planar + c * DENOISE_BLOCK;
    }
    if (!open_streams(d, settings, rate_hz, label)) {
      return false;
    }
    d->residues =
      (double*)calloc(d->latency * d->n_channels + 1, sizeof(double));
  }
  return d->residues ||
         complain(label, "no memory for %zu channels", d->n_channels);
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
  const size_t n_channels = d->n_channels;
  for (size_t i = 0; i < n_frames; ++i) {
    double* const residue = d->residues + d->ring_at * n_channels;
    for (size_t c = 0; c < n_channels; ++c) {
      double* const sample = &samples[i * n_channels + c];
      const float   coarse = (float)*sample;
      const double  fine   = *sample - (double)coarse;
      d->channels[c][i]    = coarse;
      *sample              = d->latency ? residue[c] : fine;
      residue[c]           = fine;
    }
    d->ring_at = d->ring_at + 1 < d->latency ? d->ring_at + 1 : 0;
  }

  const size_t each = n_channels / d->n_streams;
  for (size_t s = 0; s < d->n_streams; ++s) {
    float* const* const rows = d->channels + s * each;
    maudio_stream_process(d->streams[s], (const float* const*)rows, rows,
                          n_frames);
  }

  for (size_t i = 0; i < n_frames; ++i) {
    for (size_t c = 0; c < n_channels; ++c) {
      // Without a residue nothing is added: -0 + 0 would be +0
      double* const sample = &samples[i * n_channels + c];
      const double  wet    = (double)d->channels[c][i];
      *sample              = *sample != 0.0 ? wet + *sample : wet;
    }
  }
}

size_t denoiser_skip(denoiser* d, size_t n_frames)
{
  const size_t n = n_frames < d->to_skip ? n_frames : d->to_skip;
  d->to_skip -= n;
  return n;
}

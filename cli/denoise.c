#include "denoise.h"

#include "interrupt.h"
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/**
 * The streams of one file, and its samples on their way through them.
 *
 * The network computes in 32-bit float. What a sample of 32-bit integer or
 * 64-bit float has beyond that, its residue, goes around the network and is
 * added to the output, so that strength 0 gives back every bit.
 */
typedef struct {
  size_t          n_channels;
  size_t          n_streams;
  maudio_stream** streams;     ///< (n_streams,)
  float*          planar;      ///< (n_channels, DENOISE_BLOCK)
  float**         channels;    ///< (n_channels,) rows of `planar`
  double*         interleaved; ///< (DENOISE_BLOCK, n_channels)
  double*         residues;    ///< (latency, n_channels), a ring
  size_t          latency;     ///< Of the streams, in frames
  size_t          ring_at;     ///< Oldest frame of `residues`
  size_t          to_drop;     ///< Frames that precede the output
} denoiser;

static void denoiser_clear(denoiser* d)
{
  for (size_t i = 0; d->streams && i < d->n_streams; ++i) {
    maudio_stream_free(d->streams[i]);
  }
  free(d->streams);
  free(d->planar);
  free(d->channels);
  free(d->interleaved);
  free(d->residues);
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
  return true;
}

static bool denoiser_init(denoiser*               d,
                          const denoise_settings* settings,
                          const audio_input*      input)
{
  memset(d, 0, sizeof(*d));
  d->n_channels = (size_t)input->info.channels;
  d->n_streams  = d->n_channels == 2 ? 1 : d->n_channels;

  const size_t n_samples = d->n_channels * DENOISE_BLOCK;
  d->streams  = (maudio_stream**)calloc(d->n_streams, sizeof(maudio_stream*));
  d->planar   = (float*)calloc(n_samples, sizeof(float));
  d->channels = (float**)calloc(d->n_channels, sizeof(float*));
  d->interleaved = (double*)calloc(n_samples, sizeof(double));
  if (!d->streams || !d->planar || !d->channels || !d->interleaved) {
    return complain(input->label, "no memory for %zu channels", d->n_channels);
  }
  for (size_t c = 0; c < d->n_channels; ++c) {
    d->channels[c] = d->planar + c * DENOISE_BLOCK;
  }
  if (!open_streams(d, settings, input->info.samplerate, input->label)) {
    return false;
  }

  d->latency  = maudio_stream_latency(d->streams[0]);
  d->to_drop  = d->latency;
  d->residues = (double*)calloc(d->latency * d->n_channels + 1, sizeof(double));
  return d->residues ||
         complain(input->label, "no memory for %zu channels", d->n_channels);
}

/// Complain about the first sample that no network can take, if there is one
static bool check_samples(const denoiser* d,
                          size_t          n_frames,
                          const char*     label,
                          sf_count_t      first_frame)
{
  for (size_t i = 0; i < n_frames * d->n_channels; ++i) {
    const double sample = d->interleaved[i];
    if (!isfinite((float)sample)) {
      return complain(label, "sample %lld of channel %zu is %s",
                      (long long)first_frame + (long long)(i / d->n_channels),
                      i % d->n_channels + 1,
                      isnan(sample)   ? "not a number"
                      : isinf(sample) ? "infinite"
                                      : "out of range");
    }
  }
  return true;
}

/// Process `n_frames` of `interleaved` in place
static void process_block(denoiser* d, size_t n_frames)
{
  const size_t n_channels = d->n_channels;
  for (size_t i = 0; i < n_frames; ++i) {
    double* const residue = d->residues + d->ring_at * n_channels;
    for (size_t c = 0; c < n_channels; ++c) {
      double* const sample = &d->interleaved[i * n_channels + c];
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
      double* const sample = &d->interleaved[i * n_channels + c];
      const double  wet    = (double)d->channels[c][i];
      *sample              = *sample != 0.0 ? wet + *sample : wet;
    }
  }
}

/// Write a processed block, but for what precedes the output
static bool write_block(denoiser* d, audio_writer* writer, size_t n_frames)
{
  const size_t n_dropped = n_frames < d->to_drop ? n_frames : d->to_drop;
  const size_t n_kept    = n_frames - n_dropped;
  d->to_drop -= n_dropped;
  return !n_kept ||
         audio_writer_write(writer, d->interleaved + n_dropped * d->n_channels,
                            n_kept);
}

/// Let out what the latency holds back
static bool flush(denoiser* d, audio_writer* writer)
{
  size_t rest = d->latency;
  while (rest) {
    const size_t n = rest < DENOISE_BLOCK ? rest : DENOISE_BLOCK;
    memset(d->interleaved, 0, n * d->n_channels * sizeof(double));
    process_block(d, n);
    if (!write_block(d, writer, n)) {
      return false;
    }
    rest -= n;
  }
  return true;
}

static bool
run(denoiser* d, audio_input* input, audio_writer* writer, progress* shown)
{
  sf_count_t at = 0;
  sf_count_t n  = 0;
  while ((n = sf_readf_double(input->file, d->interleaved, DENOISE_BLOCK)) >
         0) {
    const size_t n_frames = (size_t)n;
    if (interrupted() || !check_samples(d, n_frames, input->label, at)) {
      return false;
    }
    process_block(d, n_frames);
    if (!write_block(d, writer, n_frames)) {
      return false;
    }
    at += n;
    progress_add(shown, n_frames);
  }
  return audio_input_check_end(input, at) && flush(d, writer);
}

bool denoise(const denoise_settings* settings,
             audio_input*            input,
             audio_writer*           writer,
             progress*               shown)
{
  denoiser   d;
  const bool ok =
    denoiser_init(&d, settings, input) && run(&d, input, writer, shown);
  denoiser_clear(&d);
  return ok;
}

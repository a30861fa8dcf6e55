#include "denoise.h"

#include "interrupt.h"
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// Complain about the first sample that no network can take, if there is one
static bool check_samples(const audio_input* input,
                          const double*      samples,
                          size_t             n_frames,
                          sf_count_t         first_frame)
{
  const size_t n_channels = (size_t)input->info.channels;
  for (size_t i = 0; i < n_frames * n_channels; ++i) {
    const double sample = samples[i];
    if (!isfinite((float)sample)) {
      return complain(input->label, "sample %lld of channel %zu is %s",
                      (long long)first_frame + (long long)(i / n_channels),
                      i % n_channels + 1,
                      isnan(sample)   ? "not a number"
                      : isinf(sample) ? "infinite"
                                      : "out of range");
    }
  }
  return true;
}

/// Process a block and write it, but for what precedes the output
static bool
render(denoiser* d, audio_writer* writer, double* samples, size_t n_frames)
{
  denoiser_process(d, samples, n_frames);
  const size_t n_skipped = denoiser_skip(d, n_frames);
  return n_skipped == n_frames ||
         audio_writer_write(writer,
                            samples + n_skipped * (size_t)writer->n_channels,
                            n_frames - n_skipped);
}

/// Let out what the latency holds back
static bool flush(denoiser* d, audio_writer* writer, double* samples)
{
  const size_t n_channels = (size_t)writer->n_channels;
  size_t       rest       = denoiser_latency(d);
  while (rest) {
    const size_t n = rest < DENOISE_BLOCK ? rest : DENOISE_BLOCK;
    memset(samples, 0, n * n_channels * sizeof(double));
    if (!render(d, writer, samples, n)) {
      return false;
    }
    rest -= n;
  }
  return true;
}

static bool run(denoiser*     d,
                audio_input*  input,
                audio_writer* writer,
                progress*     shown,
                double*       samples)
{
  sf_count_t at = 0;
  sf_count_t n  = 0;
  while ((n = sf_readf_double(input->file, samples, DENOISE_BLOCK)) > 0) {
    const size_t n_frames = (size_t)n;
    if (interrupted() || !check_samples(input, samples, n_frames, at) ||
        !render(d, writer, samples, n_frames)) {
      return false;
    }
    at += n;
    progress_add(shown, n_frames);
  }
  return audio_input_check_end(input, at) && flush(d, writer, samples);
}

bool denoise(const denoise_settings* settings,
             audio_input*            input,
             audio_writer*           writer,
             progress*               shown)
{
  const size_t    n_channels = (size_t)input->info.channels;
  denoiser* const d =
    denoiser_new(settings, input->info.samplerate, n_channels, input->label);
  if (!d) {
    return false;
  }
  double* const samples =
    (double*)calloc(n_channels * DENOISE_BLOCK, sizeof(double));
  const bool ok =
    samples ? run(d, input, writer, shown, samples)
            : complain(input->label, "no memory for %zu channels", n_channels);
  free(samples);
  denoiser_free(d);
  return ok;
}

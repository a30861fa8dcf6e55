#include "denoise.h"

#include "clock.h"
#include "interrupt.h"
#include "report.h"
#include "warm_up.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// A file on its way
typedef struct {
  denoiser*      d;
  audio_input*   input;
  audio_writer*  writer;
  progress*      shown;
  progress_file* shown_file;
  stage_times*   times;
  double         now_s;   ///< When the stage began
  double*        samples; ///< (DENOISE_BLOCK, n_channels)
} passage;

/// Complain about sample `i` from `first_frame` on
static bool refuse(const audio_input* input,
                   double             sample,
                   size_t             i,
                   sf_count_t         first_frame)
{
  const size_t n_channels = (size_t)input->info.channels;
  return complain(input->label, "sample %lld of channel %zu is %s",
                  (long long)first_frame + (long long)(i / n_channels),
                  i % n_channels + 1,
                  isnan(sample)   ? "not a number"
                  : isinf(sample) ? "infinite"
                                  : "out of range");
}

bool denoise_check(const audio_input* input,
                   const double*      samples,
                   size_t             n_frames,
                   sf_count_t         first_frame)
{
  for (size_t i = 0; i < n_frames * (size_t)input->info.channels; ++i) {
    if (!isfinite((float)samples[i])) {
      return refuse(input, samples[i], i, first_frame);
    }
  }
  return true;
}

bool denoise_check_floats(const audio_input* input,
                          const float*       samples,
                          size_t             n_frames,
                          sf_count_t         first_frame)
{
  for (size_t i = 0; i < n_frames * (size_t)input->info.channels; ++i) {
    if (!isfinite(samples[i])) {
      return refuse(input, (double)samples[i], i, first_frame);
    }
  }
  return true;
}

/// Process a block and write it, but for what precedes the output
static bool render(passage* p, size_t n_frames)
{
  denoiser_process(p->d, p->samples, n_frames);
  const size_t n_skipped = denoiser_skip(p->d, n_frames);
  clock_add(&p->times->compute_s, &p->now_s);
  const bool ok =
    n_skipped == n_frames ||
    audio_writer_write(p->writer,
                       p->samples + n_skipped * (size_t)p->writer->n_channels,
                       n_frames - n_skipped);
  clock_add(&p->times->encode_s, &p->now_s);
  return ok;
}

/// Let out what the latency holds back
static bool flush(passage* p)
{
  const size_t n_channels = (size_t)p->writer->n_channels;
  size_t       rest       = denoiser_latency(p->d);
  while (rest) {
    const size_t n = rest < DENOISE_BLOCK ? rest : DENOISE_BLOCK;
    memset(p->samples, 0, n * n_channels * sizeof(double));
    if (!render(p, n)) {
      return false;
    }
    rest -= n;
  }
  return true;
}

/// Let the network hear what comes before the file
static bool prepare(passage* p, double seconds)
{
  const size_t n_channels = (size_t)p->writer->n_channels;
  warm_up      before;
  size_t       n  = 0;
  bool         ok = warm_up_read(&before, p->input, seconds);
  clock_add(&p->times->decode_s, &p->now_s);
  while (ok && (n = warm_up_take(&before, p->samples, DENOISE_BLOCK,
                                 n_channels)) > 0) {
    denoiser_process(p->d, p->samples, n);
    ok = !interrupted();
  }
  warm_up_free(&before);
  clock_add(&p->times->compute_s, &p->now_s);
  return ok;
}

static bool run(passage* p)
{
  sf_count_t at = 0;
  sf_count_t n  = 0;
  while ((n = sf_readf_double(p->input->file, p->samples, DENOISE_BLOCK)) > 0) {
    const size_t n_frames = (size_t)n;
    if (interrupted() || !denoise_check(p->input, p->samples, n_frames, at)) {
      return false;
    }
    clock_add(&p->times->decode_s, &p->now_s);
    if (!render(p, n_frames)) {
      return false;
    }
    at += n;
    progress_add(p->shown, p->shown_file, n_frames);
  }
  return audio_input_check_end(p->input, at) && flush(p);
}

bool denoise(const denoise_settings* settings,
             audio_input*            input,
             audio_writer*           writer,
             progress*               shown,
             progress_file*          shown_file,
             stage_times*            times)
{
  const size_t n_channels = (size_t)input->info.channels;
  passage      p          = {.input      = input,
                             .writer     = writer,
                             .shown      = shown,
                             .shown_file = shown_file,
                             .times      = times,
                             .now_s      = clock_now_s()};
  p.d =
    denoiser_new(settings, input->info.samplerate, n_channels, input->label);
  if (!p.d) {
    return false;
  }
  p.samples = (double*)calloc(n_channels * DENOISE_BLOCK, sizeof(double));
  const bool ok =
    p.samples
      ? prepare(&p, settings->warm_up_s) && run(&p)
      : complain(input->label, "no memory for %zu channels", n_channels);
  free(p.samples);
  denoiser_free(p.d);
  return ok;
}

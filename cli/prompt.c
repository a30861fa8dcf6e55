#include "prompt.h"

#include "interrupt.h"
#include "report.h"

#include <math.h>
#include <samplerate.h>
#include <stdlib.h>

/// A file on its way to a generator
typedef struct {
  audio_input* input;
  SRC_STATE*   resampler; ///< NULL: the rates are equal
  double       ratio;     ///< Samples out for each frame in
  prompt_take  take;
  void*        user;
  double*      frames; ///< (PROMPT_BLOCK, channels)
  // In this order: the resampler takes an empty rest of `mono` that ends where
  // its output begins for an overlap
  float converted[PROMPT_BLOCK]; ///< At the rate of the generator
  float mono[PROMPT_BLOCK];      ///< At that of the file
} reader;

/// Mix the channels of `n` frames, or complain about one that is no number
static bool mix(reader* r, size_t n, sf_count_t at)
{
  const size_t n_channels = (size_t)r->input->info.channels;
  for (size_t i = 0; i < n; ++i) {
    double sum = 0.0;
    for (size_t c = 0; c < n_channels; ++c) {
      sum += r->frames[i * n_channels + c];
    }
    r->mono[i] = (float)(sum / (double)n_channels);
    if (!isfinite(r->mono[i])) {
      return complain(r->input->label, "sample %lld is not a finite number",
                      (long long)at + (long long)i);
    }
  }
  return true;
}

/// Pass on `n` samples of `mono`; 0 at the end, for what is held back
static bool pass(reader* r, size_t n)
{
  if (!r->resampler) {
    return !n || r->take(r->mono, n, r->user);
  }
  SRC_DATA data = {.data_in       = r->mono,
                   .data_out      = r->converted,
                   .input_frames  = (long)n,
                   .output_frames = PROMPT_BLOCK,
                   .end_of_input  = n == 0,
                   .src_ratio     = r->ratio};
  do {
    const int code = src_process(r->resampler, &data);
    if (code) {
      return complain(r->input->label, "%s", src_strerror(code));
    }
    data.data_in += data.input_frames_used;
    data.input_frames -= data.input_frames_used;
    if (data.output_frames_gen &&
        !r->take(r->converted, (size_t)data.output_frames_gen, r->user)) {
      return false;
    }
  } while (data.input_frames || data.output_frames_gen);
  return true;
}

static bool run(reader* r)
{
  sf_count_t at = 0;
  sf_count_t n  = 0;
  while ((n = sf_readf_double(r->input->file, r->frames, PROMPT_BLOCK)) > 0) {
    if (interrupted() || !mix(r, (size_t)n, at) || !pass(r, (size_t)n)) {
      return false;
    }
    at += n;
  }
  return audio_input_check_end(r->input, at) && pass(r, 0);
}

static bool open_resampler(reader* r, double rate_hz)
{
  r->ratio = rate_hz / r->input->info.samplerate;
  if (r->input->info.samplerate == (int)rate_hz) {
    return true;
  }
  if (!src_is_valid_ratio(r->ratio)) {
    return complain(r->input->label,
                    "its sample rate of %d Hz is too far from "
                    "the model's of %g Hz",
                    r->input->info.samplerate, rate_hz);
  }
  int code     = 0;
  r->resampler = src_new(SRC_SINC_BEST_QUALITY, 1, &code);
  return r->resampler || complain(r->input->label, "%s", src_strerror(code));
}

bool prompt_read(audio_input* input,
                 double       rate_hz,
                 prompt_take  take,
                 void*        user)
{
  const size_t  n_channels = (size_t)input->info.channels;
  reader* const r          = (reader*)calloc(1, sizeof(*r));
  double* const frames =
    (double*)calloc(n_channels * PROMPT_BLOCK, sizeof(double));
  bool ok = false;
  if (r && frames) {
    r->input  = input;
    r->take   = take;
    r->user   = user;
    r->frames = frames;
    ok        = open_resampler(r, rate_hz) && run(r);
    src_delete(r->resampler);
  } else {
    complain(input->label, "no memory for %zu channels", n_channels);
  }
  free(frames);
  free(r);
  return ok;
}

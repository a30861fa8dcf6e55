#include "warm_up.h"

#include "denoise.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

/// Frames of so many seconds, or all there are
static size_t frames_of(const audio_input* input, double seconds)
{
  const double n = seconds * input->info.samplerate;
  return n < (double)input->info.frames ? (size_t)n
                                        : (size_t)input->info.frames;
}

static void turn_around(double* samples, size_t n_frames, size_t n_channels)
{
  for (size_t i = 0; i < n_frames / 2; ++i) {
    double* const a = samples + i * n_channels;
    double* const b = samples + (n_frames - 1 - i) * n_channels;
    for (size_t c = 0; c < n_channels; ++c) {
      const double x = a[c];
      a[c]           = b[c];
      b[c]           = x;
    }
  }
}

bool warm_up_read(warm_up* w, const audio_input* input, double seconds)
{
  const size_t n_channels = (size_t)input->info.channels;
  const size_t n_frames   = frames_of(input, seconds);
  *w                      = (warm_up){0};
  if (!n_frames) {
    return true;
  }
  w->samples = (double*)calloc(n_frames, n_channels * sizeof(double));
  if (!w->samples) {
    return complain(input->label, "no memory to warm up on %g s", seconds);
  }
  const sf_count_t n =
    sf_readf_double(input->file, w->samples, (sf_count_t)n_frames);
  w->n_frames = n > 0 ? (size_t)n : 0;
  if (!denoise_check(input, w->samples, w->n_frames, 0)) {
    return false;
  }
  turn_around(w->samples, w->n_frames, n_channels);
  return sf_seek(input->file, 0, SEEK_SET) == 0 ||
         complain(input->label, "cannot be read twice, as --warm-up has to");
}

size_t
warm_up_take(warm_up* w, double* samples, size_t n_frames, size_t n_channels)
{
  const size_t left = w->n_frames - w->n_taken;
  const size_t n    = n_frames < left ? n_frames : left;
  if (n) {
    memcpy(samples, w->samples + w->n_taken * n_channels,
           n * n_channels * sizeof(double));
    w->n_taken += n;
  }
  if (n == left) { // Many files may be open for long
    warm_up_free(w);
  }
  return n;
}

void warm_up_free(warm_up* w)
{
  free(w->samples);
  w->samples = NULL;
}

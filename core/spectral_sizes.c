#include "deep_filter.h"
#include "spectral.h"

#include <kiss_fftr.h>
#include <math.h>
#include <stddef.h>

/// Frames of a duration, never longer than it
static size_t whole_frames(double ms, double rate_hz)
{
  return (size_t)(ms * rate_hz / 1000.0 + 1e-6);
}

/// Samples of the longest window that is transformed as it is, in whole hops,
/// and at most 3 % shorter than configured; 0 if there is none
static size_t whole_window(const maudio_spectral_config* config, double rate_hz)
{
  const double configured = config->window_ms * rate_hz / 1000.0;
  for (size_t n = whole_frames(config->window_ms, rate_hz);
       (double)n >= 0.97 * configured; --n) {
    const double hop = (double)n * config->hop_ms / config->window_ms;
    if (fabs(hop - round(hop)) < 1e-6 && maudio_fft_takes(n)) {
      return n;
    }
  }
  return 0;
}

void maudio_spectral_plan(maudio_spectral*              s,
                          const maudio_spectral_config* config,
                          double                        rate_hz,
                          unsigned                      n_channels)
{
  // A signal heard a little slower is as good as one at the trained rate;
  // bins between those of the model are not
  const size_t whole = whole_window(config, rate_hz);
  if (whole) {
    rate_hz = 1000.0 * (double)whole / config->window_ms;
  }
  s->window = whole_frames(config->window_ms, rate_hz);
  s->hop    = whole_frames(config->hop_ms, rate_hz);
  s->n_fft =
    whole ? whole : (size_t)kiss_fftr_next_fast_size_real((int)s->window);
  s->n_bins       = s->n_fft / 2 + 1;
  s->n_model_bins = config->n_bins;
  s->n_channels   = n_channels;
  s->bin_ratio    = rate_hz * config->window_ms / 1000.0 / (double)s->n_fft;
  s->hop_ms       = config->hop_ms;
  s->compress     = config->compress;
  s->power_floor  = config->power_floor;
  s->lookahead    = config->lookahead;
  maudio_fft_choose(&s->fft, s->n_fft);
  maudio_deep_filter_plan(s, &config->filter);
}

size_t maudio_spectral_latency(const maudio_spectral* s)
{
  return (2 + s->lookahead) * s->hop;
}

#include "deep_filter.h"

#include <math.h>
#include <string.h>

/// Less of the power than this part is nothing, which has no phase
#define NOTHING 1e-12f

/// Floats of a plane of the bins of the model: F and a 0, which is above them
static size_t model_plane(const maudio_spectral* s)
{
  return maudio_pad(s->filter.n_bins + 1);
}

void maudio_deep_filter_plan(maudio_spectral*            s,
                             const maudio_filter_config* config)
{
  s->filter     = *config;
  s->n_filtered = 0;
  while (s->n_filtered < s->n_bins) {
    const double at = (double)s->n_filtered * s->bin_ratio;
    if ((size_t)(at + 1e-6) >= config->n_bins ||
        at > (double)(s->n_model_bins - 1) + 1e-6) {
      break;
    }
    ++s->n_filtered;
  }
}

size_t maudio_deep_filter_stride(const maudio_spectral* s)
{
  return 2 * maudio_pad(s->n_filtered);
}

size_t maudio_deep_filter_reach(const maudio_spectral* s)
{
  const uint32_t n    = s->filter.n_delays;
  const int32_t  last = n ? s->filter.delays[n - 1] : 0;
  return s->lookahead + (last > 0 ? (size_t)last : 0);
}

void maudio_deep_filter_carve(maudio_spectral* s, maudio_carver* carver)
{
  const size_t n_delays = s->filter.n_delays;
  s->turns =
    maudio_carve(carver, s->filter.n_bins * n_delays * sizeof *s->turns);
  s->products =
    maudio_carve(carver, n_delays * 2 * model_plane(s) * sizeof *s->products);
  s->filters = maudio_carve(carver, n_delays * maudio_deep_filter_stride(s) *
                                      sizeof *s->filters);
}

void maudio_deep_filter_init(maudio_spectral* s)
{
  const maudio_filter_config* const filter = &s->filter;

  // Hops in windows, both of them as long as they are at this rate
  const double hop = (double)s->hop / (s->bin_ratio * (double)s->n_fft);
  for (size_t k = 0; k < filter->n_bins; ++k) {
    for (size_t p = 0; p < filter->n_delays; ++p) {
      const double turns = (double)k * filter->delays[p] * hop;
      const double angle = 2.0 * MAUDIO_PI * (turns - floor(turns));
      s->turns[k * filter->n_delays + p] =
        (kiss_fft_cpx){(float)cos(angle), (float)sin(angle)};
    }
  }
  s->is_whole = true;
  for (size_t j = 0; j < s->n_filtered; ++j) {
    s->is_whole &= s->masks[j].lower == j && s->masks[j].fraction == 0.0f;
  }
}

/// taps of the bins below `n_bins` times turns -> planes (P, 2, n_plane)
static void turn(const maudio_spectral* s,
                 const float* restrict taps,
                 size_t n_bins,
                 size_t n_plane,
                 float* restrict planes)
{
  const size_t n_delays = s->filter.n_delays;
  for (size_t p = 0; p < n_delays; ++p) {
    const kiss_fft_cpx* t  = s->turns + p;
    const float*        g  = taps + 2 * p;
    float* const        re = planes + 2 * p * n_plane;
    float* const        im = re + n_plane;
    for (size_t k = 0; k < n_bins; ++k) {
      re[k] = g[0] * t->r - g[1] * t->i;
      im[k] = g[0] * t->i + g[1] * t->r;
      g += 2 * n_delays;
      t += n_delays;
    }
  }
}

void maudio_deep_filter_set(maudio_spectral* s, const float* taps)
{
  const size_t n_plane = maudio_pad(s->n_filtered);
  if (s->is_whole) {
    turn(s, taps, s->n_filtered, n_plane, s->filters);
    return;
  }
  const size_t n_model = model_plane(s);
  turn(s, taps, s->filter.n_bins, n_model, s->products);
  for (size_t p = 0; p < (size_t)2 * s->filter.n_delays; ++p) {
    const float* const from = s->products + p * n_model;
    float* const       to   = s->filters + p * n_plane;
    for (size_t j = 0; j < s->n_filtered; ++j) {
      const maudio_mask_source source = s->masks[j];
      const float              a      = from[source.lower];
      to[j] = a + source.fraction * (from[source.lower + 1] - a);
    }
  }
}

void maudio_deep_filter_keep(const maudio_spectral* s,
                             const kiss_fft_cpx*    spectrum,
                             float*                 frame)
{
  float* const re = frame;
  float* const im = frame + maudio_pad(s->n_filtered);
  for (size_t j = 0; j < s->n_filtered; ++j) {
    re[j] = spectrum[j].r;
    im[j] = spectrum[j].i;
  }
}

/// Sum of the filtered frames, MAUDIO_LANES bins from `at` on
static void sum_frames(const maudio_spectral* s,
                       const float*           frame,
                       size_t                 at,
                       float* restrict re,
                       float* restrict im)
{
  const size_t n_plane = maudio_pad(s->n_filtered);
  const size_t stride  = maudio_deep_filter_stride(s);
  frame += at;
  memset(re, 0, MAUDIO_LANES * sizeof *re);
  memset(im, 0, MAUDIO_LANES * sizeof *im);
  for (size_t p = 0; p < s->filter.n_delays; ++p) {
    const float* const g = s->filters + p * stride + at;
    const float* const x = frame - s->filter.delays[p] * (ptrdiff_t)stride;
    for (size_t i = 0; i < MAUDIO_LANES; ++i) {
      re[i] += g[i] * x[i] - g[n_plane + i] * x[n_plane + i];
      im[i] += g[i] * x[n_plane + i] + g[n_plane + i] * x[i];
    }
  }
}

void maudio_deep_filter_add(const maudio_spectral* s,
                            const float*           frame,
                            kiss_fft_cpx*          spectrum)
{
  for (size_t at = 0; at < s->n_filtered; at += MAUDIO_LANES) {
    const size_t next = at + MAUDIO_LANES;
    const size_t end  = next < s->n_filtered ? next : s->n_filtered;
    float        re[MAUDIO_LANES];
    float        im[MAUDIO_LANES];
    sum_frames(s, frame, at, re, im);
    for (size_t j = at; j < end; ++j) {
      spectrum[j].r += re[j - at];
      spectrum[j].i += im[j - at];
    }
  }
}

void maudio_deep_filter_limit(const maudio_spectral* s,
                              float                  floor,
                              const float* const*    frames,
                              kiss_fft_cpx* const*   spectra)
{
  const size_t n_plane = maudio_pad(s->n_filtered);
  for (size_t j = 0; j < s->n_filtered; ++j) {
    float before = 0.0f;
    float after  = 0.0f;
    for (size_t c = 0; c < s->n_channels; ++c) {
      const float        re = frames[c][j];
      const float        im = frames[c][n_plane + j];
      const kiss_fft_cpx y  = spectra[c][j];
      before += re * re + im * im;
      after += y.r * y.r + y.i * y.i;
    }
    if (after >= floor * floor * before) {
      continue;
    }
    const bool  has_phase = after > NOTHING * before;
    const float scale     = has_phase ? floor * sqrtf(before / after) : floor;
    for (size_t c = 0; c < s->n_channels; ++c) {
      kiss_fft_cpx* const y = &spectra[c][j];
      y->r                  = scale * (has_phase ? y->r : frames[c][j]);
      y->i = scale * (has_phase ? y->i : frames[c][n_plane + j]);
    }
  }
}

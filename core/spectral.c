#include "spectral.h"

#include "deep_filter.h"

#include <math.h>
#include <string.h>

/// Samples beyond +180 dBFS would overflow the squares of features
#define MAX_SAMPLE 1e9f

/// Mid power below this part of the total: the channels cancel
#define CANCELLED 1e-3f

void maudio_spectral_carve(maudio_spectral* s, maudio_carver* carver)
{
  const size_t k = s->n_model_bins;
  const size_t j = s->n_bins;
  s->analysis    = maudio_carve(carver, s->window * sizeof *s->analysis);
  s->synthesis   = maudio_carve(carver, 2 * s->hop * sizeof *s->synthesis);
  s->sources     = maudio_carve(carver, k * sizeof *s->sources);
  s->masks       = maudio_carve(carver, j * sizeof *s->masks);
  maudio_fft_carve(&s->fft, carver);
  s->time   = maudio_carve(carver, s->n_fft * sizeof *s->time);
  s->merged = maudio_carve(carver, j * sizeof *s->merged);
  s->gains  = maudio_carve(carver, j * sizeof *s->gains);
  s->planes = maudio_carve(carver, 3 * maudio_pad(k) * sizeof *s->planes);
  maudio_deep_filter_carve(s, carver);
}

/// The asymmetric analysis window at `i`, before it is scaled
static double window_at(const maudio_spectral* s, size_t i)
{
  const size_t rise = s->window - s->hop;
  return i < rise ? sin(MAUDIO_PI * ((double)i + 0.5) / (2.0 * (double)rise))
                  : cos(MAUDIO_PI * ((double)(i - rise) + 0.5) /
                        (2.0 * (double)s->hop));
}

/// Fill the windows; their product over the last two hops is a Hann window.
/// Return the centre of the energy of the analysis window, in frames
static double init_windows(maudio_spectral* s)
{
  double sum    = 0.0;
  double energy = 0.0;
  double moment = 0.0;
  for (size_t i = 0; i < s->window; ++i) {
    const double w = window_at(s, i);
    sum += w;
    energy += w * w;
    moment += w * w * (double)i;
  }
  for (size_t i = 0; i < s->window; ++i) {
    s->analysis[i] = (float)(window_at(s, i) / sum);
  }
  s->window_sum      = (float)sum;
  const size_t start = s->window - 2 * s->hop;
  for (size_t i = 0; i < 2 * s->hop; ++i) {
    const double half =
      sin(MAUDIO_PI * ((double)i + 0.5) / (2.0 * (double)s->hop));
    s->synthesis[i] =
      (float)(half * half / window_at(s, start + i) * sum / (double)s->n_fft);
  }
  return moment / energy;
}

/// Bins of the model from two neighbours, turned to the phase they have about
/// `centre`, where the energy of the window is: there it runs slowly. A tone
/// midway between bins loses 2 dB at most, its phase holds
static void init_sources(maudio_spectral* s, double centre)
{
  memset(s->sources, 0, s->n_model_bins * sizeof *s->sources);
  s->n_sources = 0;
  for (size_t k = 0; k < s->n_model_bins; ++k) {
    const double at = (double)k / s->bin_ratio;
    if (at > (double)(s->n_bins - 1) + 1e-6) {
      break; // Beyond the Nyquist frequency of this rate
    }
    const double lower    = floor(at + 1e-6);
    const double fraction = fmax(0.0, at - lower);
    const double angle    = 2.0 * MAUDIO_PI * centre / (double)s->n_fft;
    const double turn0    = -angle * fraction;
    const double turn1    = angle * (1.0 - fraction);

    maudio_bin_source* source = &s->sources[k];
    source->lower             = (uint32_t)lower;
    if (fraction < 1e-6) {
      source->weights[0].r = 1.0f;
    } else {
      source->weights[0].r = (float)((1.0 - fraction) * cos(turn0));
      source->weights[0].i = (float)((1.0 - fraction) * sin(turn0));
      source->weights[1].r = (float)(fraction * cos(turn1));
      source->weights[1].i = (float)(fraction * sin(turn1));
    }
    ++s->n_sources;
  }
}

/// Bins of the model whose mask is used: without the top of the trained band,
/// where training data ends, at rates that go beyond it
static size_t n_used(const maudio_spectral* s)
{
  const size_t n       = s->n_model_bins;
  const size_t trained = MAUDIO_HIGH_LAST(n);
  const size_t least   = s->filter.n_bins > 1 ? s->filter.n_bins : 1;
  if ((double)(s->n_bins - 1) * s->bin_ratio <= (double)(n - 1) + 1e-6) {
    return n;
  }
  return trained > least ? trained : least;
}

static void init_masks(maudio_spectral* s)
{
  const uint32_t top  = (uint32_t)s->n_model_bins - 1;
  const double   last = (double)n_used(s) - 1.0;
  s->n_inside         = 0;
  for (size_t j = 0; j < s->n_bins; ++j) {
    const double at = (double)j * s->bin_ratio;
    if (at > last + 1e-6) {
      break;
    }
    const uint32_t lower = (uint32_t)(at + 1e-6);
    s->masks[j].lower    = lower;
    s->masks[j].upper    = lower < top ? lower + 1 : top;
    s->masks[j].fraction = at - lower < 1e-6 ? 0.0f : (float)(at - lower);
    ++s->n_inside;
  }
}

static void init_high_band(maudio_spectral* s)
{
  maudio_high_band_init(&s->high, s->n_inside, s->n_bins, s->hop_ms);
  for (size_t j = s->n_inside; j < s->n_bins; ++j) {
    maudio_mask_source* const source = &s->masks[j];
    source->lower = maudio_high_band_place(&s->high, j, &source->fraction);
    source->upper = source->lower + (source->fraction > 0.0f);
  }
}

void maudio_spectral_init(maudio_spectral* s)
{
  const double centre = init_windows(s);
  init_sources(s, centre);
  init_masks(s);
  init_high_band(s);
  maudio_deep_filter_init(s);
  maudio_fft_init(&s->fft);
}

void maudio_spectral_forward(maudio_spectral* s,
                             const float*     frame,
                             kiss_fft_cpx*    spectrum)
{
  for (size_t i = 0; i < s->window; ++i) {
    float x    = frame[i];
    x          = x < MAX_SAMPLE ? x : MAX_SAMPLE;
    x          = x > -MAX_SAMPLE ? x : -MAX_SAMPLE;
    s->time[i] = x * s->analysis[i];
  }
  memset(s->time + s->window, 0, (s->n_fft - s->window) * sizeof *s->time);
  maudio_fft_forward(&s->fft, s->time, spectrum);
}

float maudio_spectral_power(const maudio_spectral* s,
                            const maudio_kernels*  kernels)
{
  return kernels->dot(s->window, s->time, s->time) *
         (s->window_sum * s->window_sum / (float)s->window);
}

static float power(kiss_fft_cpx x)
{
  return x.r * x.r + x.i * x.i;
}

/// Two spectra (J) -> one of their common phase and mean power
static void merge(const maudio_spectral* s,
                  const kiss_fft_cpx*    left,
                  const kiss_fft_cpx*    right)
{
  for (size_t j = 0; j < s->n_bins; ++j) {
    const float  left_power  = power(left[j]);
    const float  right_power = power(right[j]);
    const float  total       = left_power + right_power;
    kiss_fft_cpx mid         = {left[j].r + right[j].r, left[j].i + right[j].i};
    if (power(mid) < CANCELLED * total) {
      mid = left_power < right_power ? right[j] : left[j];
    }
    const float mid_power = power(mid);
    const float scale = mid_power > 0.0f ? sqrtf(0.5f * total / mid_power) : 0;
    s->merged[j].r    = mid.r * scale;
    s->merged[j].i    = mid.i * scale;
  }
}

void maudio_spectral_features(maudio_spectral*           s,
                              const maudio_kernels*      kernels,
                              const kiss_fft_cpx* const* spectra,
                              float*                     features)
{
  const kiss_fft_cpx* x = spectra[0];
  if (s->n_channels == 2) {
    merge(s, spectra[0], spectra[1]);
    x = s->merged;
  }

  const size_t n_padded = maudio_pad(s->n_model_bins);
  float* const re       = s->planes;
  float* const im       = re + n_padded;
  float* const level    = im + n_padded;
  memset(s->planes, 0, 2 * n_padded * sizeof *s->planes);
  for (size_t k = 0; k < s->n_sources; ++k) {
    const maudio_bin_source* source = &s->sources[k];
    const kiss_fft_cpx       w0     = source->weights[0];
    const kiss_fft_cpx       w1     = source->weights[1];
    const kiss_fft_cpx       x0     = x[source->lower];
    const kiss_fft_cpx       x1 =
      x[source->lower + 1 < s->n_bins ? source->lower + 1 : source->lower];
    re[k] = (w0.r * x0.r - w0.i * x0.i) + (w1.r * x1.r - w1.i * x1.i);
    im[k] = (w0.r * x0.i + w0.i * x0.r) + (w1.r * x1.i + w1.i * x1.r);
  }
  kernels->features(s->compress, s->power_floor, n_padded, re, im, level);
  for (size_t k = 0; k < s->n_model_bins; ++k) {
    features[3 * k]     = re[k];
    features[3 * k + 1] = im[k];
    features[3 * k + 2] = level[k];
  }
}

static float magnitude(kiss_fft_cpx x)
{
  return sqrtf(power(x));
}

/// Bin k of the model's mask, 1 added
static kiss_fft_cpx mask_bin(const float* mask, size_t k)
{
  return (kiss_fft_cpx){1.0f + mask[2 * k], mask[2 * k + 1]};
}

/// mask (K) -> gains within the trained band
static void expand_mask(const maudio_spectral* s, const float* mask)
{
  for (size_t j = 0; j < s->n_inside; ++j) {
    const maudio_mask_source source = s->masks[j];
    const kiss_fft_cpx       a      = mask_bin(mask, source.lower);
    const kiss_fft_cpx       b      = mask_bin(mask, source.upper);
    s->gains[j].r                   = a.r + source.fraction * (b.r - a.r);
    s->gains[j].i                   = a.i + source.fraction * (b.i - a.i);
  }
}

/// Mean magnitude of the bins `first` to `last` of a mask
static float mean_magnitude(const float* mask, size_t first, size_t last)
{
  float total = 0.0f;
  for (size_t k = first; k <= last; ++k) {
    total += magnitude(mask_bin(mask, k));
  }
  return total / (float)(last - first + 1);
}

/// The gains above the trained band
static void extend_mask(const maudio_spectral* s,
                        const maudio_kernels*  kernels,
                        const float*           mask,
                        kiss_fft_cpx* const*   spectra,
                        maudio_high_noise*     noise)
{
  if (!s->high.n_bands) {
    return;
  }
  const size_t           k     = s->n_model_bins;
  const size_t           last  = MAUDIO_HIGH_LAST(k);
  const maudio_high_mask upper = {
    mean_magnitude(mask, MAUDIO_HIGH_GAIN_FIRST(k), last),
    mean_magnitude(mask, MAUDIO_HIGH_OPENED_FIRST(k), last)};
  float gains[MAUDIO_MAX_HIGH_BANDS] = {0};
  for (size_t b = 0; b < s->high.n_bands; ++b) {
    const size_t at  = s->high.edges[b];
    const size_t n   = s->high.edges[b + 1] - at;
    float        sum = 0.0f;
    for (size_t c = 0; c < s->n_channels; ++c) {
      const float* const x = &spectra[c][at].r;
      sum += kernels->dot(2 * n, x, x);
    }
    const float mean  = sum / (float)(n * s->n_channels);
    const float rate  = maudio_high_band_rate(s->high.step, upper.opened, mean);
    const float level = maudio_high_band_learn(&noise[b], rate, mean);
    gains[b]          = maudio_high_band_gain(upper, mean, level);
  }
  for (size_t j = s->n_inside; j < s->n_bins; ++j) {
    const maudio_mask_source source = s->masks[j];
    const float              a      = gains[source.lower];
    s->gains[j].r = a + source.fraction * (gains[source.upper] - a);
    s->gains[j].i = 0.0f;
  }
}

/// The least gain, where the mask is all there is
static void limit_attenuation(const maudio_spectral* s, float floor)
{
  for (size_t j = s->n_filtered; j < s->n_bins; ++j) {
    const float m = magnitude(s->gains[j]);
    if (m < floor) {
      const bool has_phase = m > 1e-6f;
      s->gains[j].r        = has_phase ? s->gains[j].r * (floor / m) : floor;
      s->gains[j].i        = has_phase ? s->gains[j].i * (floor / m) : 0.0f;
    }
  }
}

/// x (n) *= gains
static void
multiply(size_t n, const kiss_fft_cpx* restrict gains, kiss_fft_cpx* restrict x)
{
  for (size_t j = 0; j < n; ++j) {
    const kiss_fft_cpx g = gains[j];
    const kiss_fft_cpx y = {x[j].r * g.r - x[j].i * g.i,
                            x[j].r * g.i + x[j].i * g.r};
    x[j]                 = y;
  }
}

maudio_spectral_energy maudio_spectral_apply(maudio_spectral*      s,
                                             const maudio_kernels* kernels,
                                             const float*          mask,
                                             float                 floor,
                                             maudio_high_noise*    noise,
                                             const float* const*   frames,
                                             kiss_fft_cpx* const*  spectra)
{
  const bool   has_filter = s->n_filtered > 0;
  const size_t n          = 2 * s->n_bins;
  expand_mask(s, mask);
  extend_mask(s, kernels, mask, spectra, noise);
  if (floor > 0.0f) {
    limit_attenuation(s, floor);
  }

  if (has_filter) {
    maudio_deep_filter_set(s, mask + 2 * s->n_model_bins);
  }

  maudio_spectral_energy energy = {0};
  for (size_t c = 0; c < s->n_channels; ++c) {
    kiss_fft_cpx* const x = spectra[c];
    energy.before += kernels->dot(n, &x->r, &x->r);
    multiply(s->n_bins, s->gains, x);
    if (has_filter) {
      maudio_deep_filter_add(s, frames[c], x);
    }
  }
  if (has_filter && floor > 0.0f) {
    maudio_deep_filter_limit(s, floor, frames, spectra);
  }
  for (size_t c = 0; c < s->n_channels; ++c) {
    energy.after += kernels->dot(n, &spectra[c]->r, &spectra[c]->r);
  }
  return energy;
}

void maudio_spectral_inverse(maudio_spectral*    s,
                             const kiss_fft_cpx* spectrum,
                             float*              tail)
{
  maudio_fft_inverse(&s->fft, spectrum, s->time);
  const float* const last = s->time + s->window - 2 * s->hop;
  for (size_t i = 0; i < 2 * s->hop; ++i) {
    tail[i] = last[i] * s->synthesis[i];
  }
}

/** @file
 * Gains above the trained band, where the network hears nothing.
 *
 * They follow the upper part of the mask. In bands a quarter of their
 * frequency wide a level of the noise is learnt while the mask is low; what is
 * above it while the mask is not low is speech, and is kept.
 */
#ifndef MAUDIO_HIGH_BAND_H
#define MAUDIO_HIGH_BAND_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define MAUDIO_MAX_HIGH_BANDS 16

/// The bands
typedef struct {
  size_t   n_bands;                          ///< B, 0 without bins above
  uint32_t edges[MAUDIO_MAX_HIGH_BANDS + 1]; ///< First bin of each, and the end
  float    step; ///< Weight of a hop, of which half a second is remembered
} maudio_high_band;

/// Bins that say something, of a mask of k: the first ones and the last
#define MAUDIO_HIGH_GAIN_FIRST(k) ((k)*3 / 4)
#define MAUDIO_HIGH_OPENED_FIRST(k) ((k) / 2)
#define MAUDIO_HIGH_LAST(k) ((k)*19 / 20)

/// What a frame's mask says
typedef struct {
  float gain;   ///< Mean magnitude from 75 % to 95 % of the trained band
  float opened; ///< The same from 50 %: how much of it is speech
} maudio_high_mask;

/// A level of the noise, all 0 at the start
typedef struct {
  float sum;    ///< Of weighted powers
  float weight; ///< Of all of them, less than 1
} maudio_high_noise;

/// Divide bins `n_inside` to n_bins - 1
void maudio_high_band_init(maudio_high_band* high,
                           size_t            n_inside,
                           size_t            n_bins,
                           double            hop_ms);

/// Bin `j` between the centres of two bands: return the lower one, and the
/// weight of that after it, which is 0 where there is none
uint32_t
maudio_high_band_place(const maudio_high_band* high, size_t j, float* fraction);

#ifdef __CUDACC__
#  define MAUDIO_HIGH_RULE static __device__ __forceinline__
#else
#  define MAUDIO_HIGH_RULE static inline
#endif

/// Below the rounding of 16 bits: not a noise to learn from
#define MAUDIO_HIGH_LEAST_POWER 1e-13f

/// How fast the noise of a band is learnt: its power `power` at this mask
MAUDIO_HIGH_RULE float
maudio_high_band_rate(float step, float opened, float power)
{
  const float closed = opened < 1.0f ? 1.0f - opened : 0.0f;
  const float square = closed * closed;
  const float fourth = square * square;
  return step * fourth * fourth * (power / (power + MAUDIO_HIGH_LEAST_POWER));
}

/// Learn from a hop; return the noise, low as long as little of it was heard.
/// Speech in a mask that is low all the same is not noise twice as loud
MAUDIO_HIGH_RULE float
maudio_high_band_learn(maudio_high_noise* noise, float rate, float power)
{
  const float little = 0.001f; // Of all weight
  if (noise->weight > 1e-6f) {
    const float most =
      2.0f * (noise->sum / noise->weight) + MAUDIO_HIGH_LEAST_POWER;
    power = power < most ? power : most;
  }
  noise->sum += rate * (power - noise->sum);
  noise->weight += rate * (1.0f - noise->weight);
  return noise->sum / (noise->weight + little);
}

/// The gain of a band
MAUDIO_HIGH_RULE float
maudio_high_band_gain(maudio_high_mask mask, float power, float noise)
{
  const float low  = 0.69077553f; // 3 dB above the noise
  const float high = 2.30258509f; // 10 dB
  const float half = 0.00390625f; // 0.25 to the fourth
  const float ratio =
    (power + MAUDIO_HIGH_LEAST_POWER) / (noise + MAUDIO_HIGH_LEAST_POWER);
  const float above  = (logf(ratio) - low) / (high - low);
  const float square = mask.opened * mask.opened;
  const float open   = square * square / (square * square + half);
  float       speech = 0.0f; // Also where a state was made up: not a number
  if (above > 0.0f) {
    speech = (above < 1.0f ? above : 1.0f) * open;
  }
  return expf(1.4f * (1.0f - speech) * logf(mask.gain + 1e-6f));
}

#endif /* MAUDIO_HIGH_BAND_H */

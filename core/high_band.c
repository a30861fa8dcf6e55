#include "high_band.h"

#define MEMORY_MS 500.0

void maudio_high_band_init(maudio_high_band* high,
                           size_t            n_inside,
                           size_t            n_bins,
                           double            hop_ms)
{
  uint32_t       at  = (uint32_t)n_inside;
  const uint32_t end = (uint32_t)n_bins;
  high->step         = (float)(1.0 - exp(-hop_ms / MEMORY_MS));
  high->n_bands      = 0;
  high->edges[0]     = at;
  while (at < end) {
    uint32_t next = at + at / 4 + 1;
    if (next + next / 8 > end || high->n_bands + 1 == MAUDIO_MAX_HIGH_BANDS) {
      next = end; // The rest would be narrow, or has to be the last
    }
    high->edges[++high->n_bands] = next;
    at                           = next;
  }
}

static float centre(const maudio_high_band* high, size_t band)
{
  return 0.5f * (float)(high->edges[band] + high->edges[band + 1] - 1);
}

uint32_t
maudio_high_band_place(const maudio_high_band* high, size_t j, float* fraction)
{
  const float at   = (float)j;
  size_t      band = 0;
  while (band + 1 < high->n_bands && centre(high, band + 1) <= at) {
    ++band;
  }
  const float lower = centre(high, band);
  *fraction         = band + 1 < high->n_bands && at > lower
                        ? (at - lower) / (centre(high, band + 1) - lower)
                        : 0.0f;
  return (uint32_t)band;
}

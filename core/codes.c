/* Mu-law of 8 bits on a fixed scale, as docs/model-format.md has it */
#include "maudio.h"

#include <math.h>

#define LAST_CODE 255.0

void maudio_codes_from_samples(const float* samples, size_t n, uint8_t* codes)
{
  for (size_t i = 0; i < n; ++i) {
    const double x    = isnan(samples[i]) ? 0.0 : (double)samples[i];
    const double size = fabs(x) < 1.0 ? fabs(x) : 1.0;
    const double u    = copysign(log2(1.0 + LAST_CODE * size) / 8.0, x);
    codes[i]          = (uint8_t)((u + 1.0) / 2.0 * LAST_CODE + 0.5);
  }
}

void maudio_samples_from_codes(const uint8_t* codes, size_t n, float* samples)
{
  for (size_t i = 0; i < n; ++i) {
    const double u = 2.0 * codes[i] / LAST_CODE - 1.0;
    samples[i] = (float)copysign((exp2(8.0 * fabs(u)) - 1.0) / LAST_CODE, u);
  }
}

#include "residue.h"

#include <stdlib.h>

bool residue_delay_init(residue_delay* delay, size_t latency, size_t n_channels)
{
  delay->frames     = (double*)calloc(latency * n_channels + 1, sizeof(double));
  delay->latency    = latency;
  delay->n_channels = n_channels;
  delay->at         = 0;
  return delay->frames != NULL;
}

void residue_delay_free(residue_delay* delay)
{
  free(delay->frames);
  delay->frames = NULL;
}

void residue_split(float*  planar,
                   size_t  stride,
                   double* samples,
                   size_t  n_frames,
                   size_t  n_channels)
{
  for (size_t c = 0; c < n_channels; ++c) {
    float* const channel = planar + c * stride;
    double*      sample  = samples + c;
    for (size_t i = 0; i < n_frames; ++i, sample += n_channels) {
      channel[i] = (float)*sample;
      *sample -= (double)channel[i];
    }
  }
}

/// Swap n numbers
static void swap(double* a, double* b, size_t n)
{
  for (size_t i = 0; i < n; ++i) {
    const double kept = a[i];
    a[i]              = b[i];
    b[i]              = kept;
  }
}

void residue_delay_run(residue_delay* delay, double* residues, size_t n_frames)
{
  const size_t n_channels = delay->n_channels;
  for (size_t done = 0; delay->latency && done < n_frames;) {
    const size_t  left   = delay->latency - delay->at;
    const size_t  n      = n_frames - done < left ? n_frames - done : left;
    double* const oldest = delay->frames + delay->at * n_channels;
    swap(residues + done * n_channels, oldest, n * n_channels);
    delay->at = n < left ? delay->at + n : 0;
    done += n;
  }
}

void residue_join(const float* planar,
                  size_t       stride,
                  double*      residues,
                  size_t       n_frames,
                  size_t       n_channels)
{
  for (size_t c = 0; c < n_channels; ++c) {
    const float* const channel = planar + c * stride;
    double*            sample  = residues + c;
    for (size_t i = 0; i < n_frames; ++i, sample += n_channels) {
      // Without a residue nothing is added: -0 + 0 would be +0
      const double wet = (double)channel[i];
      *sample          = *sample != 0.0 ? wet + *sample : wet;
    }
  }
}

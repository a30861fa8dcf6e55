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
  for (size_t i = 0; i < n_frames; ++i) {
    for (size_t c = 0; c < n_channels; ++c) {
      double* const sample   = &samples[i * n_channels + c];
      const float   coarse   = (float)*sample;
      planar[c * stride + i] = coarse;
      *sample -= (double)coarse;
    }
  }
}

void residue_delay_run(residue_delay* delay, double* residues, size_t n_frames)
{
  if (!delay->latency) {
    return;
  }
  const size_t n_channels = delay->n_channels;
  for (size_t i = 0; i < n_frames; ++i) {
    double* const oldest = delay->frames + delay->at * n_channels;
    for (size_t c = 0; c < n_channels; ++c) {
      double* const residue = &residues[i * n_channels + c];
      const double  newest  = *residue;
      *residue              = oldest[c];
      oldest[c]             = newest;
    }
    delay->at = delay->at + 1 < delay->latency ? delay->at + 1 : 0;
  }
}

void residue_join(const float* planar,
                  size_t       stride,
                  double*      residues,
                  size_t       n_frames,
                  size_t       n_channels)
{
  for (size_t i = 0; i < n_frames; ++i) {
    for (size_t c = 0; c < n_channels; ++c) {
      // Without a residue nothing is added: -0 + 0 would be +0
      double* const sample = &residues[i * n_channels + c];
      const double  wet    = (double)planar[c * stride + i];
      *sample              = *sample != 0.0 ? wet + *sample : wet;
    }
  }
}

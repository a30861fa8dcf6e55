/** @file
 * What samples have beyond 32-bit float, on its way around a network.
 *
 * A sample of 32-bit integer or 64-bit float is split into the nearest 32-bit
 * float, which the network takes, and its residue, which is added to the output
 * as much later as the network is, so that strength 0 gives back every bit.
 */
#ifndef CLI_RESIDUE_H
#define CLI_RESIDUE_H

#include <stdbool.h>
#include <stddef.h>

/// Residues that wait for their output
typedef struct {
  double* frames; ///< (latency, n_channels), a ring
  size_t  latency;
  size_t  n_channels;
  size_t  at; ///< Oldest frame
} residue_delay;

/// Make a delay; false without memory. One of zeros is fine to free
bool residue_delay_init(residue_delay* delay,
                        size_t         latency,
                        size_t         n_channels);

void residue_delay_free(residue_delay* delay);

/**
 * Split samples into `planar` and, in their place, residues.
 *
 * @param planar A row for each channel, `stride` samples after the one before.
 * @param samples (n_frames, n_channels), finite as 32-bit float.
 */
void residue_split(float*  planar,
                   size_t  stride,
                   double* samples,
                   size_t  n_frames,
                   size_t  n_channels);

/// Replace residues (n_frames, n_channels) by those from `latency` frames ago
void residue_delay_run(residue_delay* delay, double* residues, size_t n_frames);

/// Add the samples of `planar` to residues (n_frames, n_channels)
void residue_join(const float* planar,
                  size_t       stride,
                  double*      residues,
                  size_t       n_frames,
                  size_t       n_channels);

#endif /* CLI_RESIDUE_H */

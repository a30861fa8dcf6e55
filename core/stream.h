/** @file
 * The mutable half: everything that the audio thread touches, in one
 * allocation.
 */
#ifndef MAUDIO_STREAM_H
#define MAUDIO_STREAM_H

#include "model.h"
#include "saved_state.h"
#include "spectral.h"

/// Number of parameters
#define MAUDIO_N_PARAMS 3

/// A parameter on its way to a new value, in gains from 0 to 1
typedef struct {
  float    from;
  float    to;
  uint64_t elapsed; ///< Frames since it was set, at most the ramp's length
} maudio_ramp;

/// State besides the signals
typedef struct {
  maudio_ramp            ramps[MAUDIO_N_PARAMS]; ///< By maudio_param
  maudio_spectral_energy energy;                 ///< Of the last frame
  uint64_t               position; ///< Frames since the last full hop
  uint64_t               is_started;
} maudio_stream_scalars;

struct maudio_stream {
  const maudio_model*   model;
  double                rate_hz;
  unsigned              n_channels;
  size_t                n_bytes;     ///< Of this allocation
  size_t                n_past;      ///< Frames kept before the present hop
  size_t                ramp_length; ///< Frames
  uint64_t              n_bad;
  maudio_spectral       spectral;
  maudio_stream_scalars scalars;

  // State
  float* line[MAUDIO_MAX_CHANNELS];    ///< (n_past + chunk * hop) of the input
  float* wet[MAUDIO_MAX_CHANNELS];     ///< (hop + chunk * hop) yet to be played
  float* overlap[MAUDIO_MAX_CHANNELS]; ///< (hop)
  float* network;                      ///< (model->n_state)

  // Working memory
  kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS]; ///< (chunk, J)
  float*        features;                     ///< (chunk, 3K)
  float*        mask;                         ///< (chunk, n_mask)
  float*        tail;                         ///< (2 * hop)
  float*        scratch;                      ///< (model->n_scratch)
};

/// Most pieces of a stream's state
#define MAUDIO_MAX_SEGMENTS (3 * MAUDIO_MAX_CHANNELS + 1)

/// List the signals that are state; return how many pieces they are
size_t maudio_stream_segments(const maudio_stream* stream,
                              maudio_segment*      segments);

#endif /* MAUDIO_STREAM_H */

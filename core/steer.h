/** @file
 * A denoiser without latency: weights of its fast path, which makes one step
 * per sample, and of what steers it (docs/model-format.md).
 *
 * A slow spectral network hands over a control every hop: the taps of a
 * filter, a context for a small network beside it, and the level of the input.
 */
#ifndef MAUDIO_STEER_H
#define MAUDIO_STEER_H

#include "backbone.h"
#include "config.h"
#include "kernels.h"
#include "linear.h"
#include "tensors.h"

/// S bands, D width of the slow network; C gains, K taps, T samples of the
/// past, E width of the fast network; a dash is padded
typedef struct {
  const maudio_kernels* kernels;
  size_t                n_bands;   ///< S
  size_t                d_pad;     ///< D'
  size_t                n_gains;   ///< C
  size_t                n_taps;    ///< K' of a control
  size_t                n_past;    ///< T
  size_t                d_model;   ///< E
  size_t                e_pad;     ///< E'
  const maudio_matrix*  gain;      ///< (S) of (D', C / S)
  const float*          gain_bias; ///< (C), and room for padding
  const float*          filters;   ///< (C, K'), the newest sample's tap last
  maudio_linear         context;   ///< (S * D', E)
  maudio_matrix         in_x;      ///< (T, E): input, oldest sample first
  maudio_matrix         in_z;      ///< (T, E): filtered input
  maudio_backbone       backbone;  ///< Of one band
  const float*          out;       ///< (E')
  const float*          absent;    ///< Control of the time before a signal
} maudio_steer;

/// Read everything; `binding` is that of the slow network
maudio_status maudio_steer_bind(const maudio_config* config,
                                maudio_binding*      binding,
                                maudio_steer*        steer);

/// Return the floats of a control: taps (K'), context (E'), level
size_t maudio_steer_control(const maudio_steer* steer);

/// The context of a control
static inline float* maudio_steer_context_of(const maudio_steer* steer,
                                             float*              control)
{
  return control + steer->n_taps;
}

/// The level of a control
static inline float* maudio_steer_level_of(const maudio_steer* steer,
                                           float*              control)
{
  return control + steer->n_taps + steer->e_pad;
}

/// Return the floats that gains take: C and room for padding
size_t maudio_steer_gains(const maudio_steer* steer);

/// Multiply-accumulates of a hop, without the slow network
double maudio_steer_hop_macs(const maudio_steer* steer);

/// Multiply-accumulates of a sample
double maudio_steer_sample_macs(const maudio_steer* steer);

/// y (S, D') of the slow network -> gains (C)
void maudio_steer_run_gains(const maudio_steer* steer,
                            const float*        y,
                            float*              gains);

/// Return in how many parts taps are computed
size_t maudio_steer_tap_parts(const maudio_steer* steer);

/// gains (C) -> one part of the taps of a control
void maudio_steer_run_taps(const maudio_steer* steer,
                           const float*        gains,
                           size_t              part,
                           float*              control);

/// Return in how many parts a context is computed
size_t maudio_steer_context_parts(const maudio_steer* steer);

/// y (S, D') of the slow network -> one part of the context of a control
void maudio_steer_run_context(const maudio_steer* steer,
                              const float*        y,
                              size_t              part,
                              float*              control);

#endif /* MAUDIO_STEER_H */

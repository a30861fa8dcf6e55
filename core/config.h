/** @file
 * The JSON that describes a network (docs/model-format.md), checked.
 */
#ifndef MAUDIO_CONFIG_H
#define MAUDIO_CONFIG_H

#include "maudio.h"

typedef enum {
  MAUDIO_MIXER_MAMBA,
  MAUDIO_MIXER_MAMBA2,
  MAUDIO_MIXER_BAND_MLP
} maudio_mixer_type;

/// One block; lengths that its mixer does not have are 0
typedef struct {
  maudio_mixer_type mixer;
  uint32_t          d_inner;  ///< Channels of the state space (mamba, mamba2)
  uint32_t          d_state;  ///< State per channel (mamba, mamba2)
  uint32_t          d_conv;   ///< Taps of the convolution (mamba, mamba2)
  uint32_t          headdim;  ///< Channels of a head, divides d_inner (mamba2)
  uint32_t          n_groups; ///< Groups of B and C, divides heads (mamba2)
  uint32_t          dt_rank;  ///< Inner width of dt's projection (mamba)
  uint32_t          d_hidden; ///< Hidden units (band_mlp)
  float             dt_min;   ///< Lower clamp of dt, 0 for none (mamba2)
  float             dt_max;   ///< Upper clamp of dt, INFINITY for none (mamba2)
} maudio_block_config;

typedef struct {
  uint32_t  rate_hz;     ///< Sample rate of the training data
  double    window_ms;   ///< Analysis window
  double    hop_ms;      ///< Hop; the window is at least two hops
  float     compress;    ///< Exponent of magnitudes in the features
  float     power_floor; ///< Added to the power of a bin, greater than 0
  uint32_t  n_bins;      ///< Bins of a spectrum at rate_hz
  uint32_t  n_bands;     ///< Bands the bins are split into
  uint32_t* band_edges;  ///< n_bands + 1 bins, increasing from 0 to n_bins
} maudio_spectral_config;

typedef struct {
  char                   name[64];     ///< Short name
  char                   licence[128]; ///< SPDX expression of the weights or ""
  maudio_task            task;
  uint32_t               d_model;  ///< Width of the residual stream
  float                  norm_eps; ///< Added to a mean square, greater than 0
  uint32_t               n_blocks;
  maudio_block_config*   blocks; ///< n_blocks
  maudio_spectral_config spectral;
} maudio_config;

/**
 * Parse and check `json`; keys it does not know are ignored.
 *
 * Python's bare `Infinity` is understood where a number may be infinite.
 *
 * @param label Stands for the path in error messages.
 * @param[out] config Filled on success, cleared on failure; free what it holds
 * with maudio_config_clear().
 */
maudio_status maudio_config_parse(const char*    json,
                                  const char*    label,
                                  maudio_config* config,
                                  maudio_error*  error);

/// Free what a config holds and zero it; fine to call twice
void maudio_config_clear(maudio_config* config);

#endif /* MAUDIO_CONFIG_H */

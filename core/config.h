/** @file
 * The JSON that describes a network (docs/model-format.md), checked.
 */
#ifndef MAUDIO_CONFIG_H
#define MAUDIO_CONFIG_H

#include "maudio.h"

typedef enum {
  MAUDIO_MIXER_MAMBA,
  MAUDIO_MIXER_MAMBA2,
  MAUDIO_MIXER_BAND_MLP,
  MAUDIO_MIXER_ATTENTION,
  MAUDIO_MIXER_MLP,
  MAUDIO_MIXER_MOE
} maudio_mixer_type;

/// What stands between the two matrices of an MLP
typedef enum {
  MAUDIO_HIDDEN_GATED_SILU, ///< SiLU of one projection times another
  MAUDIO_HIDDEN_SILU,
  MAUDIO_HIDDEN_RELU2 ///< Square of the positive part
} maudio_hidden;

/// Room for the first part of a tensor's name
#define MAUDIO_MAX_PREFIX 64

/// One block; what its mixer does not have is 0
typedef struct {
  maudio_mixer_type mixer;
  char norm[MAUDIO_MAX_PREFIX];   ///< Name of the weight of the norm before it
  char prefix[MAUDIO_MAX_PREFIX]; ///< Put before the names of its tensors
  uint32_t first_band;            ///< Of those that it is for
  uint32_t n_bands;               ///< 0: all there are

  // mamba, mamba2
  uint32_t d_inner;  ///< Channels of the state space
  uint32_t d_state;  ///< State per channel
  uint32_t d_conv;   ///< Taps of the convolution
  uint32_t headdim;  ///< mamba2: channels of a head, divides d_inner
  uint32_t n_groups; ///< mamba2: groups of B and C, divides the heads
  uint32_t dt_rank;  ///< mamba: inner width of dt's projection
  float    dt_min;   ///< mamba2: lower clamp of dt, 0 for none
  float    dt_max;   ///< mamba2: upper clamp of dt, INFINITY for none
  bool     has_no_conv_bias;
  bool     has_inner_norms; ///< mamba: RMSNorm of dt, B and C
  bool     norms_all;       ///< mamba2: one norm for all groups

  // attention
  uint32_t n_heads;    ///< Of queries
  uint32_t n_kv_heads; ///< Of keys and values, divides n_heads
  uint32_t headwidth;  ///< Width of a head
  uint32_t n_rotary;   ///< Even number of a head's elements that are rotated
  double   rope_theta; ///< Base of the angles
  double   rope_scale; ///< Positions are divided by it

  // band_mlp, mlp, moe
  uint32_t      d_hidden; ///< Hidden units, moe: of an expert
  maudio_hidden hidden;   ///< mlp, moe
  uint32_t      n_experts;
  uint32_t      n_chosen;        ///< Experts of a token
  bool          normalises;      ///< moe: weights of the chosen ones sum to 1
  bool          is_shared;       ///< moe: as of Nemotron-H, with what follows
  uint32_t      d_shared;        ///< Hidden units of the expert of all tokens
  uint32_t      d_latent;        ///< Width of the other experts, 0: d_model
  uint32_t      n_expert_groups; ///< Equal groups of experts
  uint32_t      n_chosen_groups; ///< Groups that a token chooses from
  float         route_scale;     ///< Factor of the weights

  bool has_bias; ///< mamba, mamba2, attention, mlp: of the projections
} maudio_block_config;

/// Most taps of a bin, and most hops that one of them reaches back
#define MAUDIO_MAX_DELAYS 8
#define MAUDIO_MAX_DELAY 16

/// Most hops that are heard before a frame is masked
#define MAUDIO_MAX_LOOKAHEAD 16

/// Taps on other frames, beside the mask (deep filtering, arXiv:1904.08369)
typedef struct {
  uint32_t n_bins;   ///< F, those from 0 on have a filter, 0: none
  uint32_t n_bands;  ///< Bands that these bins are
  uint32_t n_delays; ///< P, taps of a bin
  int32_t  delays[MAUDIO_MAX_DELAYS]; ///< Hops, increasing, none of them 0;
                                      ///< below 0 for frames to come
} maudio_filter_config;

typedef struct {
  uint32_t  rate_hz;     ///< Sample rate of the training data
  double    window_ms;   ///< Analysis window
  double    hop_ms;      ///< Hop; the window is at least two hops
  float     compress;    ///< Exponent of magnitudes in the features
  float     power_floor; ///< Added to the power of a bin, greater than 0
  uint32_t  n_bins;      ///< Bins of a spectrum at rate_hz
  uint32_t  n_bands;     ///< Bands the bins are split into
  uint32_t* band_edges;  ///< n_bands + 1 bins, increasing from 0 to n_bins
  float     mask_power;  ///< Power that magnitudes of the mask are raised to
  uint32_t  lookahead;   ///< Hops after a frame that its mask is made of, too
  maudio_filter_config filter; ///< Of frames before and after
} maudio_spectral_config;

/// A fast path that a slow spectral network steers, sample by sample
typedef struct {
  uint32_t n_gains;      ///< Filters that are summed, 0: no fast path
  uint32_t n_taps;       ///< Of a filter
  uint32_t n_past;       ///< Samples in and out that its network sees
  uint32_t delay_frames; ///< After a hop, until what came of it is used
  uint32_t fade_frames;  ///< In which it is faded in
  uint32_t d_model;      ///< Width of its network
  uint32_t n_blocks;
  maudio_block_config* blocks; ///< n_blocks
} maudio_steer_config;

/// One tier of a generator
typedef struct {
  uint32_t pool; ///< Frames of the tier before in one of this, first tier: 1
  uint32_t d_model;
  uint32_t n_blocks;
  maudio_block_config* blocks;                    ///< n_blocks
  char                 norm_f[MAUDIO_MAX_PREFIX]; ///< Name of the last norm
} maudio_tier_config;

#define MAUDIO_MAX_TIERS 4

/// Samples in codes of mu-law, scores of the next one out
typedef struct {
  uint32_t           rate_hz;
  uint32_t           n_tiers;
  maudio_tier_config tiers[MAUDIO_MAX_TIERS]; ///< From the fastest on
} maudio_sample_config;

/// Tokens in, scores of the next one out
typedef struct {
  uint32_t n_vocab;
  uint32_t max_context; ///< Positions of the training, 0 if that is unknown
  bool     is_tied;     ///< The head is the embedding
  char     embedding[MAUDIO_MAX_PREFIX]; ///< Name of the tensor
} maudio_token_config;

typedef struct {
  char                   name[64];     ///< Short name
  char                   licence[128]; ///< SPDX expression of the weights or ""
  maudio_task            task;
  uint32_t               d_model;  ///< Width of the residual stream
  float                  norm_eps; ///< Added to a mean square, greater than 0
  uint32_t               n_blocks;
  maudio_block_config*   blocks;                    ///< n_blocks
  char                   norm_f[MAUDIO_MAX_PREFIX]; ///< Name of the last norm
  maudio_spectral_config spectral;                  ///< Of a denoiser
  maudio_steer_config    steer;                     ///< Of one without latency
  maudio_sample_config   sample;                    ///< Of a generator
  maudio_token_config    tokens;                    ///< Of a model of tokens
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

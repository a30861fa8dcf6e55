/* Models of Mamba or Mamba-2 blocks alone */
#include "hf_config.h"

#include <stdio.h>
#include <string.h>

/// Names, norms and number of layers of both types of transformers
static void
read_common(maudio_reader* r, const json_t* root, maudio_config* config)
{
  maudio_hf_check_silu(r, root, "hidden_act");
  config->norm_eps =
    (float)maudio_reader_number(r, root, "layer_norm_epsilon", 1e-5, 1e-12, 1);
  snprintf(config->norm_f, sizeof config->norm_f, "backbone.norm_f.weight");
  snprintf(config->tokens.embedding, sizeof config->tokens.embedding,
           "backbone.embeddings.weight");
  maudio_hf_blocks_new(r, config,
                       maudio_reader_integer(r, root, "num_hidden_layers",
                                             MAUDIO_REQUIRED, 1,
                                             MAUDIO_HF_MAX_LAYERS));
}

/// Channels: `key` times the width, rounded down
static uint32_t read_expanded(maudio_reader*       r,
                              const json_t*        root,
                              const char*          key,
                              const maudio_config* config)
{
  const double expand  = maudio_reader_number(r, root, key, 2, 1e-3, 64);
  const double d_inner = expand * config->d_model;
  if (d_inner < 1) {
    maudio_reader_fail(r, key, "leaves no channel");
  }
  return (uint32_t)d_inner;
}

/// Every layer is as `block`
static void repeat_block(const maudio_block_config* block,
                         maudio_config*             config)
{
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    config->blocks[i] = *block;
    maudio_hf_name_block(&config->blocks[i], "backbone.layers", i, "norm",
                         "mixer");
  }
}

void maudio_hf_read_mamba(maudio_reader* r,
                          const json_t*  root,
                          maudio_config* config)
{
  read_common(r, root, config);
  config->tokens.is_tied =
    maudio_reader_bool(r, root, "tie_word_embeddings", true);
  const maudio_block_config block = {
    .mixer   = MAUDIO_MIXER_MAMBA,
    .d_inner = read_expanded(r, root, "expand", config),
    .d_state = maudio_reader_integer(r, root, "state_size", 16, 1, 1024),
    .d_conv  = maudio_reader_integer(r, root, "conv_kernel", 4, 1, 16),
    .dt_rank = maudio_hf_read_rank(r, root, "time_step_rank", config->d_model),
    .has_no_conv_bias = !maudio_reader_bool(r, root, "use_conv_bias", true),
    .has_bias         = maudio_reader_bool(r, root, "use_bias", false)};
  repeat_block(&block, config);
}

void maudio_hf_read_mamba2(maudio_reader* r,
                           const json_t*  root,
                           maudio_config* config)
{
  read_common(r, root, config);
  config->tokens.is_tied =
    maudio_reader_bool(r, root, "tie_word_embeddings", false);
  maudio_block_config block = {
    .mixer    = MAUDIO_MIXER_MAMBA2,
    .d_inner  = read_expanded(r, root, "expand", config),
    .d_state  = maudio_reader_integer(r, root, "state_size", 128, 1, 1024),
    .d_conv   = maudio_reader_integer(r, root, "conv_kernel", 4, 1, 16),
    .headdim  = maudio_reader_integer(r, root, "head_dim", 64, 1, 65536),
    .n_groups = maudio_reader_integer(r, root, "n_groups", 8, 1, 65536),
    .has_no_conv_bias = !maudio_reader_bool(r, root, "use_conv_bias", true),
    .has_bias         = maudio_reader_bool(r, root, "use_bias", false),
    .norms_all        = true};
  maudio_reader_limit(r, root, "time_step_limit", &block);
  maudio_hf_check_heads(
    r, &block, maudio_reader_integer(r, root, "num_heads", 128, 1, 65536),
    "num_heads", "n_groups");
  repeat_block(&block, config);
}

/// Refuse a key that is there and asks for something
static void refuse_key(maudio_reader* r, const json_t* object, const char* key)
{
  const json_t* const item = json_object_get(object, key);
  const bool          is_empty =
    !item || json_is_null(item) || json_is_false(item) ||
    (json_is_array(item) && !json_array_size(item)) ||
    (json_is_integer(item) && json_integer_value(item) == 0);
  if (!is_empty) {
    maudio_reader_unknown(r, key, "(it asks for more than Mamba blocks)");
  }
}

/// The ssm_cfg of state-spaces: its defaults are those of their classes
static maudio_block_config
read_ssm(maudio_reader* r, const json_t* ssm, const maudio_config* config)
{
  const char* const layer   = json_object_get(ssm, "layer")
                                ? maudio_reader_string(r, ssm, "layer")
                                : "Mamba1";
  const bool        is_two  = !strcmp(layer, "Mamba2");
  const double      d_state = is_two ? 128 : 16;
  if (!is_two && strcmp(layer, "Mamba1") != 0) {
    maudio_reader_unknown(r, "layer", layer);
  }
  maudio_block_config block = {
    .mixer   = is_two ? MAUDIO_MIXER_MAMBA2 : MAUDIO_MIXER_MAMBA,
    .d_inner = read_expanded(r, ssm, "expand", config),
    .d_state = maudio_reader_integer(r, ssm, "d_state", d_state, 1, 1024),
    .d_conv  = maudio_reader_integer(r, ssm, "d_conv", 4, 1, 16),
    .has_no_conv_bias = !maudio_reader_bool(r, ssm, "conv_bias", true),
    .has_bias         = maudio_reader_bool(r, ssm, "bias", false)};
  if (!is_two) {
    block.dt_rank = maudio_hf_read_rank(r, ssm, "dt_rank", config->d_model);
    return block;
  }
  refuse_key(r, ssm, "d_ssm");
  refuse_key(r, ssm, "D_has_hdim");
  refuse_key(r, ssm, "norm_before_gate");
  if (!maudio_reader_bool(r, ssm, "rmsnorm", true)) {
    maudio_reader_unknown(r, "rmsnorm", "false");
  }
  block.headdim  = maudio_reader_integer(r, ssm, "headdim", 64, 1, 65536);
  block.n_groups = maudio_reader_integer(r, ssm, "ngroups", 1, 1, 65536);
  maudio_reader_limit(r, ssm, "dt_limit", &block);
  maudio_hf_check_heads(r, &block, block.d_inner / block.headdim, "headdim",
                        "ngroups");
  return block;
}

void maudio_hf_read_state_spaces(maudio_reader* r,
                                 const json_t*  root,
                                 maudio_config* config)
{
  const json_t* const ssm = json_object_get(root, "ssm_cfg");
  refuse_key(r, root, "attn_layer_idx");
  refuse_key(r, root, "d_intermediate");
  if (!maudio_reader_bool(r, root, "rms_norm", true)) {
    maudio_reader_unknown(r, "rms_norm", "false");
  }

  // The vocabulary is rounded up to whole multiples
  const uint32_t multiple =
    maudio_reader_integer(r, root, "pad_vocab_size_multiple", 8, 1, 1U << 16);
  uint32_t* const n_vocab = &config->tokens.n_vocab;
  *n_vocab += (multiple - *n_vocab % multiple) % multiple;

  config->norm_eps       = 1e-5f;
  config->tokens.is_tied = maudio_reader_bool(r, root, "tie_embeddings", true);
  snprintf(config->norm_f, sizeof config->norm_f, "backbone.norm_f.weight");
  snprintf(config->tokens.embedding, sizeof config->tokens.embedding,
           "backbone.embedding.weight");
  maudio_hf_blocks_new(r, config,
                       maudio_reader_integer(r, root, "n_layer",
                                             MAUDIO_REQUIRED, 1,
                                             MAUDIO_HF_MAX_LAYERS));

  maudio_reader_enter(r, "ssm_cfg.");
  const maudio_block_config block = read_ssm(r, ssm, config);
  maudio_reader_enter(r, "");
  repeat_block(&block, config);
}

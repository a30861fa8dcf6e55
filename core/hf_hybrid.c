/* Models that put attention and MLPs between Mamba blocks */
#include "hf_config.h"

#include <stdio.h>
#include <string.h>

#define LAYERS "model.layers"

static uint32_t read_layers(maudio_reader* r, const json_t* root)
{
  return maudio_reader_integer(r, root, "num_hidden_layers", MAUDIO_REQUIRED, 1,
                               MAUDIO_HF_MAX_LAYERS);
}

static void
name_ends(maudio_config* config, const char* embedding, const char* norm_f)
{
  snprintf(config->tokens.embedding, sizeof config->tokens.embedding, "%s",
           embedding);
  snprintf(config->norm_f, sizeof config->norm_f, "%s", norm_f);
}

/// Heads of queries, and of keys and values; `width` 0: they share d_model
static maudio_block_config read_attention(maudio_reader*       r,
                                          const json_t*        root,
                                          const maudio_config* config,
                                          uint32_t             n_heads,
                                          uint32_t             n_kv_heads,
                                          uint32_t             width)
{
  maudio_block_config b = {.mixer = MAUDIO_MIXER_ATTENTION};
  b.n_heads =
    maudio_reader_integer(r, root, "num_attention_heads", n_heads, 1, 4096);
  b.n_kv_heads =
    maudio_reader_integer(r, root, "num_key_value_heads", n_kv_heads, 1, 4096);
  b.headwidth = maudio_reader_integer(
    r, root, "head_dim", width ? width : config->d_model / b.n_heads, 0, 4096);
  if (!b.headwidth) {
    maudio_reader_fail(r, "num_attention_heads", "leaves heads no width");
  } else if (b.n_heads % b.n_kv_heads) {
    maudio_reader_fail(r, "num_key_value_heads",
                       "does not divide num_attention_heads");
  }
  return b;
}

/// Rotary positions: angles position / scale * theta^(-2 i / n_rotary)
static void read_rope(maudio_reader*       r,
                      const json_t*        root,
                      double               default_part,
                      maudio_block_config* b)
{
  const json_t* rope = json_object_get(root, "rope_parameters");
  if (!rope) {
    rope = json_object_get(root, "rope_scaling");
  }
  const double top_theta =
    maudio_reader_number(r, root, "rope_theta", 10000, 1, 1e12);
  maudio_reader_enter(r, "rope_parameters.");
  const char* type_key =
    json_object_get(rope, "rope_type") ? "rope_type" : "type";
  const char* const type = json_object_get(rope, type_key)
                             ? maudio_reader_string(r, rope, type_key)
                             : "default";
  b->rope_scale          = 1.0;
  if (!strcmp(type, "linear")) {
    b->rope_scale =
      maudio_reader_number(r, rope, "factor", MAUDIO_REQUIRED, 1e-3, 1e6);
  } else if (strcmp(type, "default") != 0) {
    maudio_reader_unknown(r, type_key, type);
  }
  b->rope_theta =
    maudio_reader_number(r, rope, "rope_theta", top_theta, 1, 1e12);
  const double part =
    maudio_reader_number(r, rope, "partial_rotary_factor", default_part, 0, 1);
  b->n_rotary = (uint32_t)(b->headwidth * part);
  if (b->n_rotary % 2) {
    maudio_reader_fail(r, "partial_rotary_factor",
                       "rotates an odd number of a head's elements");
  }
  maudio_reader_enter(r, "");
}

static maudio_block_config read_jamba_mamba(maudio_reader*       r,
                                            const json_t*        root,
                                            const maudio_config* config)
{
  const uint32_t expand =
    maudio_reader_integer(r, root, "mamba_expand", 2, 1, 64);
  return (maudio_block_config){
    .mixer   = MAUDIO_MIXER_MAMBA,
    .d_inner = expand * config->d_model,
    .d_state = maudio_reader_integer(r, root, "mamba_d_state", 16, 1, 1024),
    .d_conv  = maudio_reader_integer(r, root, "mamba_d_conv", 4, 1, 16),
    .dt_rank = maudio_hf_read_rank(r, root, "mamba_dt_rank", config->d_model),
    .has_no_conv_bias = !maudio_reader_bool(r, root, "mamba_conv_bias", true),
    .has_inner_norms  = true,
    .has_bias         = maudio_reader_bool(r, root, "mamba_proj_bias", false)};
}

static uint32_t
read_hidden(maudio_reader* r, const json_t* root, double fallback)
{
  return maudio_reader_integer(r, root, "intermediate_size", fallback, 1,
                               1U << 20);
}

/// One in `period` layers, from `offset` on
typedef struct {
  uint32_t period;
  uint32_t offset;
} rhythm;

static rhythm read_rhythm(maudio_reader* r,
                          const json_t*  root,
                          const char*    period_key,
                          double         period,
                          const char*    offset_key,
                          double         offset)
{
  const rhythm result = {
    maudio_reader_integer(r, root, period_key, period, 1, 1U << 16),
    maudio_reader_integer(r, root, offset_key, offset, 0, 1U << 16)};
  if (result.offset >= result.period) {
    maudio_reader_fail(r, offset_key, "is not less than its period");
  }
  return result;
}

static bool falls_on(rhythm beat, uint32_t layer)
{
  return layer % beat.period == beat.offset;
}

void maudio_hf_read_jamba(maudio_reader* r,
                          const json_t*  root,
                          maudio_config* config)
{
  maudio_hf_check_silu(r, root, "hidden_act");
  config->norm_eps =
    (float)maudio_reader_number(r, root, "rms_norm_eps", 1e-6, 1e-12, 1);
  config->tokens.is_tied =
    maudio_reader_bool(r, root, "tie_word_embeddings", false);
  name_ends(config, "model.embed_tokens.weight",
            "model.final_layernorm.weight");

  const uint32_t            n_layers = read_layers(r, root);
  const maudio_block_config mamba    = read_jamba_mamba(r, root, config);
  const maudio_block_config attention =
    read_attention(r, root, config, 32, 8, 0);
  const maudio_block_config mlp = {.mixer    = MAUDIO_MIXER_MLP,
                                   .d_hidden = read_hidden(r, root, 14336)};
  maudio_block_config       moe = {
          .mixer    = MAUDIO_MIXER_MOE,
          .d_hidden = mlp.d_hidden,
          .n_experts = maudio_reader_integer(r, root, "num_experts", 16, 1, 4096),
          .n_chosen =
            maudio_reader_integer(r, root, "num_experts_per_tok", 2, 1, 4096)};
  const rhythm attends =
    read_rhythm(r, root, "attn_layer_period", 8, "attn_layer_offset", 4);
  const rhythm routes =
    read_rhythm(r, root, "expert_layer_period", 2, "expert_layer_offset", 1);
  if (moe.n_experts > 1 && moe.n_chosen > moe.n_experts) {
    maudio_reader_fail(r, "num_experts_per_tok", "is more than num_experts");
  }
  maudio_hf_blocks_new(r, config, 2 * n_layers);
  for (uint32_t i = 0; i < config->n_blocks / 2; ++i) {
    maudio_block_config* const pair       = config->blocks + (size_t)2 * i;
    const bool                 is_attends = falls_on(attends, i);
    pair[0]                               = is_attends ? attention : mamba;
    pair[1] = moe.n_experts > 1 && falls_on(routes, i) ? moe : mlp;
    maudio_hf_name_block(&pair[0], LAYERS, i, "input_layernorm",
                         is_attends ? "self_attn" : "mamba");
    maudio_hf_name_block(&pair[1], LAYERS, i, "pre_ff_layernorm",
                         "feed_forward");
  }
}

static maudio_block_config read_bamba_mamba2(maudio_reader*       r,
                                             const json_t*        root,
                                             const maudio_config* config)
{
  const uint32_t expand =
    maudio_reader_integer(r, root, "mamba_expand", 2, 1, 64);
  const uint32_t n_heads =
    maudio_reader_integer(r, root, "mamba_n_heads", 128, 1, 65536);
  maudio_block_config b = {
    .mixer    = MAUDIO_MIXER_MAMBA2,
    .d_inner  = expand * config->d_model,
    .d_state  = maudio_reader_integer(r, root, "mamba_d_state", 256, 1, 1024),
    .d_conv   = maudio_reader_integer(r, root, "mamba_d_conv", 4, 1, 16),
    .n_groups = maudio_reader_integer(r, root, "mamba_n_groups", 1, 1, 65536),
    .has_no_conv_bias = !maudio_reader_bool(r, root, "mamba_conv_bias", true),
    .has_bias         = maudio_reader_bool(r, root, "mamba_proj_bias", false),
    .norms_all        = true};
  const uint32_t    even = b.d_inner / n_heads;
  const char* const text =
    json_string_value(json_object_get(root, "mamba_d_head"));
  b.headdim =
    text && !strcmp(text, "auto")
      ? even
      : maudio_reader_integer(r, root, "mamba_d_head", even, 1, 65536);
  maudio_reader_limit(r, root, "time_step_limit", &b);
  maudio_hf_check_heads(r, &b, n_heads, "mamba_n_heads", "mamba_n_groups");
  return b;
}

/// Give the layers of a list of indices the block `attention`
static void place_attention(maudio_reader*             r,
                            const json_t*              indices,
                            const maudio_block_config* attention,
                            maudio_config*             config)
{
  size_t  at   = 0;
  json_t* item = NULL;
  if (indices && !json_is_array(indices)) {
    maudio_reader_fail(r, "attn_layer_indices", "is not a list");
  }
  json_array_foreach(indices, at, item)
  {
    const json_int_t i = json_integer_value(item);
    if (!json_is_integer(item) || i < 0 || i >= config->n_blocks / 2) {
      maudio_reader_fail(r, "attn_layer_indices",
                         "is not a list of layers from 0 on");
      return;
    }
    config->blocks[2 * i] = *attention;
    maudio_hf_name_block(&config->blocks[2 * i], LAYERS, (uint32_t)i,
                         "input_layernorm", "self_attn");
  }
}

void maudio_hf_read_bamba(maudio_reader* r,
                          const json_t*  root,
                          maudio_config* config)
{
  maudio_hf_check_silu(r, root, "hidden_act");
  config->norm_eps =
    (float)maudio_reader_number(r, root, "rms_norm_eps", 1e-5, 1e-12, 1);
  config->tokens.is_tied =
    maudio_reader_bool(r, root, "tie_word_embeddings", false);
  name_ends(config, "model.embed_tokens.weight",
            "model.final_layernorm.weight");

  const uint32_t            n_layers = read_layers(r, root);
  const maudio_block_config mamba2   = read_bamba_mamba2(r, root, config);
  maudio_block_config attention = read_attention(r, root, config, 32, 8, 0);
  attention.has_bias = maudio_reader_bool(r, root, "attention_bias", false);
  read_rope(r, root, 0.5, &attention);
  const maudio_block_config mlp = {
    .mixer    = MAUDIO_MIXER_MLP,
    .d_hidden = read_hidden(r, root, 14336),
    .has_bias = maudio_reader_bool(r, root, "mlp_bias", false)};

  maudio_hf_blocks_new(r, config, 2 * n_layers);
  for (uint32_t i = 0; i < config->n_blocks / 2; ++i) {
    maudio_block_config* const pair = config->blocks + (size_t)2 * i;
    pair[0]                         = mamba2;
    pair[1]                         = mlp;
    maudio_hf_name_block(&pair[0], LAYERS, i, "input_layernorm", "mamba");
    maudio_hf_name_block(&pair[1], LAYERS, i, "pre_ff_layernorm",
                         "feed_forward");
  }
  place_attention(r, json_object_get(root, "attn_layer_indices"), &attention,
                  config);
}

static maudio_block_config read_nemotron_mamba2(maudio_reader* r,
                                                const json_t*  root)
{
  const uint32_t n_heads =
    maudio_reader_integer(r, root, "mamba_num_heads", 128, 1, 65536);
  maudio_block_config b = {
    .mixer    = MAUDIO_MIXER_MAMBA2,
    .headdim  = maudio_reader_integer(r, root, "mamba_head_dim", 64, 1, 4096),
    .d_state  = maudio_reader_integer(r, root, "ssm_state_size", 128, 1, 1024),
    .d_conv   = maudio_reader_integer(r, root, "conv_kernel", 4, 1, 16),
    .n_groups = maudio_reader_integer(r, root, "n_groups", 8, 1, 65536),
    .has_no_conv_bias = !maudio_reader_bool(r, root, "use_conv_bias", true),
    .has_bias         = maudio_reader_bool(r, root, "use_bias", false)};
  b.d_inner = n_heads * b.headdim;
  maudio_hf_check_silu(r, root, "mamba_hidden_act");
  // What the reference clamps with; it does not read time_step_limit
  maudio_reader_limit(r, NULL, "time_step_limit", &b);
  b.dt_min =
    (float)maudio_reader_number(r, root, "time_step_min", 1e-3, 0, 1e6);
  maudio_hf_check_heads(r, &b, n_heads, "mamba_num_heads", "n_groups");
  return b;
}

static maudio_block_config read_nemotron_mlp(maudio_reader* r,
                                             const json_t*  root)
{
  maudio_block_config b = {.mixer    = MAUDIO_MIXER_MLP,
                           .hidden   = MAUDIO_HIDDEN_RELU2,
                           .d_hidden = read_hidden(r, root, 21504),
                           .has_bias =
                             maudio_reader_bool(r, root, "mlp_bias", false)};
  if (json_object_get(root, "mlp_hidden_act")) {
    const char* const act = maudio_reader_string(r, root, "mlp_hidden_act");
    if (!strcmp(act, "silu")) {
      b.hidden = MAUDIO_HIDDEN_SILU;
    } else if (strcmp(act, "relu2") != 0) {
      maudio_reader_unknown(r, "mlp_hidden_act", act);
    }
  }
  return b;
}

/// Experts: their keys are only read where a layer asks for them
static maudio_block_config
read_nemotron_moe(maudio_reader* r, const json_t* root, maudio_block_config b)
{
  b.mixer     = MAUDIO_MIXER_MOE;
  b.is_shared = true;
  b.d_hidden =
    maudio_reader_integer(r, root, "moe_intermediate_size", 7688, 1, 1U << 20);
  b.d_shared = maudio_reader_integer(
    r, root, "moe_shared_expert_intermediate_size", 7688, 1, 1U << 20);
  b.d_latent  = maudio_reader_integer(r, root, "moe_latent_size", 0, 1, 32768);
  b.n_experts = maudio_reader_integer(r, root, "n_routed_experts", 8, 1, 4096);
  b.n_chosen =
    maudio_reader_integer(r, root, "num_experts_per_tok", 2, 1, 4096);
  b.n_expert_groups = maudio_reader_integer(r, root, "n_group", 1, 1, 4096);
  b.n_chosen_groups = maudio_reader_integer(r, root, "topk_group", 1, 1, 4096);
  b.normalises      = maudio_reader_bool(r, root, "norm_topk_prob", true);
  b.route_scale =
    (float)maudio_reader_number(r, root, "routed_scaling_factor", 1, 1e-6, 1e6);
  const uint32_t n_group = b.n_experts / b.n_expert_groups;
  if (b.n_experts % b.n_expert_groups || n_group < 2) {
    maudio_reader_fail(r, "n_group",
                       "does not make equal groups of two or more experts");
  } else if (b.n_chosen_groups > b.n_expert_groups) {
    maudio_reader_fail(r, "topk_group", "is more than n_group");
  } else if (b.n_chosen > b.n_chosen_groups * n_group) {
    maudio_reader_fail(r, "num_experts_per_tok",
                       "is more than the chosen groups have");
  }
  return b;
}

/// The kind of layer `i`: 'M' Mamba-2, '*' attention, '-' MLP, 'E' experts
static char nemotron_layer(maudio_reader* r,
                           const json_t*  layers,
                           const char*    pattern,
                           size_t         i)
{
  static const struct {
    const char* name;
    char        kind;
  } kinds[] = {
    {"linear_attention", 'M'}, {"mamba", 'M'}, {"full_attention", '*'},
    {"attention", '*'},        {"mlp", '-'},   {"moe", 'E'}};

  if (!layers) {
    if (!strchr("M*-E", pattern[i])) {
      maudio_reader_unknown(r, "hybrid_override_pattern",
                            (const char[]){pattern[i], '\0'});
    }
    return pattern[i];
  }
  const char* const name = json_string_value(json_array_get(layers, i));
  for (size_t k = 0; name && k < sizeof kinds / sizeof *kinds; ++k) {
    if (!strcmp(name, kinds[k].name)) {
      return kinds[k].kind;
    }
  }
  maudio_reader_unknown(r, "layers_block_type", name ? name : "(no string)");
  return '-';
}

void maudio_hf_read_nemotron_h(maudio_reader* r,
                               const json_t*  root,
                               maudio_config* config)
{
  config->norm_eps =
    (float)maudio_reader_number(r, root, "layer_norm_epsilon", 1e-5, 1e-12, 1);
  // The reference gives it a head of its own, whatever tie_word_embeddings says
  name_ends(config, "backbone.embeddings.weight", "backbone.norm_f.weight");

  const maudio_block_config mamba2 = read_nemotron_mamba2(r, root);
  const maudio_block_config mlp    = read_nemotron_mlp(r, root);
  const maudio_block_config attention =
    read_attention(r, root, config, 32, 8, 128);

  const json_t* const layers = json_object_get(root, "layers_block_type");
  const char* const   pattern =
    layers ? "" : maudio_reader_string(r, root, "hybrid_override_pattern");
  const size_t n = layers ? json_array_size(layers) : strlen(pattern);
  if (n < 1 || n > MAUDIO_HF_MAX_LAYERS) {
    maudio_reader_fail(r,
                       layers ? "layers_block_type" : "hybrid_override_pattern",
                       "does not have 1 to 256 layers");
    return;
  }
  maudio_hf_blocks_new(r, config, (uint32_t)n);
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    const char kind   = nemotron_layer(r, layers, pattern, i);
    config->blocks[i] = kind == 'M'   ? mamba2
                        : kind == '*' ? attention
                        : kind == 'E' ? read_nemotron_moe(r, root, mlp)
                                      : mlp;
    maudio_hf_name_block(&config->blocks[i], "backbone.layers", i, "norm",
                         "mixer");
  }
}

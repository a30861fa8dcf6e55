#include "hf_config.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static maudio_status
parse(const char* json, maudio_config* config, maudio_error* error)
{
  return maudio_hf_config_parse(json, strlen(json), "name", "dir/config.json",
                                config, error);
}

static maudio_config parse_good(const char* json)
{
  maudio_config config;
  maudio_error  error = {.message = ""};
  if (parse(json, &config, &error)) {
    fail_msg("%s", error.message);
  }
  assert_int_equal(config.task, MAUDIO_TASK_TOKENS);
  assert_string_equal(config.name, "name");
  return config;
}

/// A config has to be refused with a sentence that holds `expected`
static void
check_refused(const char* json, maudio_status status, const char* expected)
{
  maudio_config config;
  maudio_error  error = {.message = ""};
  assert_int_equal(parse(json, &config, &error), status);
  assert_int_equal(error.status, status);
  assert_null(config.blocks);
  if (!strstr(error.message, expected) ||
      !strstr(error.message, "dir/config.json")) {
    fail_msg("'%s' does not say '%s'", error.message, expected);
  }
  assert_int_equal(parse(json, &config, NULL), status);
}

#define MAMBA                                                           \
  "\"model_type\": \"mamba\", \"hidden_size\": 40, \"vocab_size\": 9, " \
  "\"num_hidden_layers\": 2"
#define MAMBA2                                                           \
  "\"model_type\": \"mamba2\", \"hidden_size\": 32, \"vocab_size\": 9, " \
  "\"num_hidden_layers\": 1, \"num_heads\": 4, \"head_dim\": 16"
#define JAMBA                                                           \
  "\"model_type\": \"jamba\", \"hidden_size\": 32, \"vocab_size\": 9, " \
  "\"num_hidden_layers\": 10, \"num_attention_heads\": 4, "             \
  "\"num_key_value_heads\": 2"
#define JAMBA_HEADS(n, n_kv)                          \
  "{\"model_type\": \"jamba\", \"hidden_size\": 32, " \
  "\"vocab_size\": 9, \"num_hidden_layers\": 1, "     \
  "\"num_attention_heads\": " #n ", \"num_key_value_heads\": " #n_kv "}"
#define BAMBA                                                           \
  "\"model_type\": \"bamba\", \"hidden_size\": 32, \"vocab_size\": 9, " \
  "\"num_hidden_layers\": 3, \"num_attention_heads\": 4, "              \
  "\"num_key_value_heads\": 2, \"mamba_n_heads\": 4, "                  \
  "\"mamba_d_head\": \"auto\""
#define NEMOTRON                                                             \
  "\"model_type\": \"nemotron_h\", \"hidden_size\": 32, \"vocab_size\": 9, " \
  "\"mamba_num_heads\": 8, \"mamba_head_dim\": 5"
#define STATE_SPACES \
  "\"d_model\": 32, \"n_layer\": 2, \"vocab_size\": 50277, \"ssm_cfg\": {"

static void defaults_are_those_of_the_references(void** state)
{
  (void)state;
  maudio_config c = parse_good("{" MAMBA "}");
  assert_int_equal(c.n_blocks, 2);
  assert_int_equal(c.blocks[1].mixer, MAUDIO_MIXER_MAMBA);
  assert_int_equal(c.blocks[1].d_inner, 80);
  assert_int_equal(c.blocks[1].d_state, 16);
  assert_int_equal(c.blocks[1].d_conv, 4);
  assert_int_equal(c.blocks[1].dt_rank, 3); // ceil(40 / 16)
  assert_false(c.blocks[1].has_bias || c.blocks[1].has_no_conv_bias);
  assert_string_equal(c.blocks[1].prefix, "backbone.layers.1.mixer.");
  assert_string_equal(c.blocks[1].norm, "backbone.layers.1.norm.weight");
  assert_true(c.tokens.is_tied);
  maudio_config_clear(&c);

  c = parse_good("{" MAMBA2 ", \"n_groups\": 2}");
  assert_int_equal(c.blocks[0].d_state, 128);
  assert_true(c.blocks[0].dt_min == 0.0f && isinf(c.blocks[0].dt_max));
  assert_true(c.blocks[0].norms_all);
  assert_false(c.tokens.is_tied);
  maudio_config_clear(&c);

  c = parse_good("{" JAMBA "}");
  assert_int_equal(c.n_blocks, 20);
  assert_int_equal(c.blocks[0].mixer, MAUDIO_MIXER_MAMBA);
  assert_true(c.blocks[0].has_inner_norms);
  assert_int_equal(c.blocks[1].mixer, MAUDIO_MIXER_MLP);
  assert_int_equal(c.blocks[3].mixer, MAUDIO_MIXER_MOE);
  assert_int_equal(c.blocks[3].n_experts, 16);
  assert_int_equal(c.blocks[8].mixer, MAUDIO_MIXER_ATTENTION);
  assert_int_equal(c.blocks[8].headwidth, 8);
  assert_int_equal(c.blocks[8].n_rotary, 0);
  assert_string_equal(c.blocks[8].prefix, "model.layers.4.self_attn.");
  assert_string_equal(c.blocks[9].norm,
                      "model.layers.4.pre_ff_layernorm.weight");
  maudio_config_clear(&c);
}

static void ranges_may_be_open(void** state)
{
  (void)state;
  static const char* const limits[] = {
    "[0.5, Infinity]", "[0.5, {\"__float__\": \"Infinity\"}]", "[0.5, null]"};
  for (size_t i = 0; i < 3; ++i) {
    char json[512];
    snprintf(json, sizeof json,
             "{" MAMBA2 ", \"n_groups\": 2, \"time_step_limit\": %s}",
             limits[i]);
    maudio_config c = parse_good(json);
    assert_true(c.blocks[0].dt_min == 0.5f && isinf(c.blocks[0].dt_max));
    maudio_config_clear(&c);
  }
}

static void positions_are_rotated_as_the_config_says(void** state)
{
  (void)state;
  maudio_config c =
    parse_good("{" BAMBA ", \"attn_layer_indices\": [1], \"rope_theta\": 7}");
  assert_int_equal(c.n_blocks, 6);
  assert_int_equal(c.blocks[0].mixer, MAUDIO_MIXER_MAMBA2);
  assert_int_equal(c.blocks[0].headdim, 16);
  assert_int_equal(c.blocks[2].mixer, MAUDIO_MIXER_ATTENTION);
  assert_int_equal(c.blocks[2].n_rotary, 4);
  assert_true(c.blocks[2].rope_theta == 7 && c.blocks[2].rope_scale == 1);
  maudio_config_clear(&c);

  c = parse_good("{" BAMBA ", \"attn_layer_indices\": [0, 2], "
                 "\"rope_parameters\": {\"rope_type\": \"linear\", "
                 "\"factor\": 2, \"rope_theta\": 5, "
                 "\"partial_rotary_factor\": 1.0}}");
  assert_int_equal(c.blocks[4].n_rotary, 8);
  assert_true(c.blocks[4].rope_theta == 5 && c.blocks[4].rope_scale == 2);
  maudio_config_clear(&c);
}

static void layers_may_be_a_pattern(void** state)
{
  (void)state;
  static const char* const layers[] = {
    "\"hybrid_override_pattern\": \"M-*\"",
    "\"layers_block_type\": [\"mamba\", \"mlp\", \"attention\"]",
    ("\"layers_block_type\": [\"linear_attention\", \"mlp\", "
     "\"full_attention\"]")};
  for (size_t i = 0; i < 3; ++i) {
    char json[512];
    snprintf(json, sizeof json, "{" NEMOTRON ", %s}", layers[i]);
    maudio_config c = parse_good(json);
    assert_int_equal(c.n_blocks, 3);
    assert_int_equal(c.blocks[0].mixer, MAUDIO_MIXER_MAMBA2);
    assert_int_equal(c.blocks[0].d_inner, 40);
    assert_false(c.blocks[0].norms_all);
    assert_true(c.blocks[0].dt_min == 0.001f);
    assert_int_equal(c.blocks[1].mixer, MAUDIO_MIXER_MLP);
    assert_int_equal(c.blocks[1].hidden, MAUDIO_HIDDEN_RELU2);
    assert_int_equal(c.blocks[2].mixer, MAUDIO_MIXER_ATTENTION);
    assert_int_equal(c.blocks[2].headwidth, 128);
    maudio_config_clear(&c);
  }
}

static void state_spaces_names_are_read(void** state)
{
  (void)state;
  maudio_config c = parse_good("{" STATE_SPACES "}}");
  assert_int_equal(c.blocks[0].mixer, MAUDIO_MIXER_MAMBA);
  assert_int_equal(c.blocks[0].d_state, 16);
  assert_int_equal(c.tokens.n_vocab, 50280);
  assert_string_equal(c.tokens.embedding, "backbone.embedding.weight");
  assert_true(c.tokens.is_tied);
  maudio_config_clear(&c);

  c = parse_good("{" STATE_SPACES "\"layer\": \"Mamba2\", \"headdim\": 32}, "
                 "\"pad_vocab_size_multiple\": 16, \"tie_embeddings\": false, "
                 "\"attn_layer_idx\": [], \"attn_cfg\": {}, "
                 "\"d_intermediate\": 0, \"rms_norm\": true}");
  assert_int_equal(c.blocks[1].mixer, MAUDIO_MIXER_MAMBA2);
  assert_int_equal(c.blocks[1].d_state, 128);
  assert_int_equal(c.blocks[1].n_groups, 1);
  assert_false(c.blocks[1].norms_all);
  assert_int_equal(c.tokens.n_vocab, 50288);
  maudio_config_clear(&c);
}

static void what_is_not_done_is_refused_by_name(void** state)
{
  (void)state;
  static const struct {
    const char* json;
    const char* says;
  } cases[] = {
    {"{\"model_type\": \"falcon_mamba\"}", "falcon_mamba"},
    {"{" MAMBA ", \"hidden_act\": \"gelu\"}", "hidden_act 'gelu'"},
    {"{" MAMBA ", \"quantization_config\": {\"bits\": 4}}",
     "quantization_config"},
    {"{" JAMBA ", \"hidden_act\": \"relu\"}", "hidden_act 'relu'"},
    {"{" BAMBA ", \"rope_parameters\": {\"rope_type\": \"yarn\"}}",
     "rope_parameters.rope_type 'yarn'"},
    {"{" BAMBA ", \"rope_scaling\": {\"type\": \"dynamic\"}}", "dynamic"},
    {"{" NEMOTRON ", \"layers_block_type\": [\"conv\"]}",
     "layers_block_type 'conv'"},
    {"{" NEMOTRON ", \"hybrid_override_pattern\": \"MX\"}",
     "hybrid_override_pattern 'X'"},
    {"{" NEMOTRON ", \"mlp_hidden_act\": \"gelu\", "
     "\"layers_block_type\": [\"mlp\"]}",
     "mlp_hidden_act 'gelu'"},
    {"{" NEMOTRON ", \"mamba_hidden_act\": \"gelu\", "
     "\"layers_block_type\": [\"mlp\"]}",
     "mamba_hidden_act 'gelu'"},
    {"{" STATE_SPACES "\"layer\": \"Mamba3\"}}", "ssm_cfg.layer 'Mamba3'"},
    {"{" STATE_SPACES "}, \"attn_layer_idx\": [3]}", "attn_layer_idx"},
    {"{" STATE_SPACES "}, \"d_intermediate\": 64}", "d_intermediate"},
    {"{" STATE_SPACES "}, \"rms_norm\": false}", "rms_norm"},
    {"{" STATE_SPACES "\"layer\": \"Mamba2\", \"norm_before_gate\": true}}",
     "norm_before_gate"},
    {"{" STATE_SPACES "\"layer\": \"Mamba2\", \"rmsnorm\": false}}",
     "ssm_cfg.rmsnorm"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    check_refused(cases[i].json, MAUDIO_ERR_UNSUPPORTED, cases[i].says);
  }
}

static void what_makes_no_sense_is_refused_by_name(void** state)
{
  (void)state;
  static const struct {
    const char* json;
    const char* says;
  } cases[] = {
    {"", "JSON"},
    {"[]", "not an object"},
    {"{}", "model_type is missing"},
    {"{\"model_type\": 1}", "model_type is not a string"},
    {"{\"model_type\": \"mamba\"}", "hidden_size is missing"},
    {"{\"model_type\": \"mamba\", \"hidden_size\": 1e99}", "hidden_size"},
    {"{\"model_type\": \"mamba\", \"hidden_size\": 8}",
     "vocab_size is missing"},
    {"{\"model_type\": \"mamba\", \"hidden_size\": 8, "
     "\"vocab_size\": 99999999999}",
     "vocab_size is 99999999999"},
    {"{\"model_type\": \"mamba\", \"hidden_size\": 8, \"vocab_size\": 8}",
     "num_hidden_layers is missing"},
    {"{\"model_type\": \"mamba\", \"hidden_size\": 8, \"vocab_size\": 8, "
     "\"num_hidden_layers\": 4000000000}",
     "num_hidden_layers is 4000000000"},
    {"{" MAMBA ", \"state_size\": 0}", "state_size is 0"},
    {"{" MAMBA ", \"expand\": 0.01}", "expand leaves no channel"},
    {"{" MAMBA ", \"conv_kernel\": \"4\"}", "conv_kernel is not a whole"},
    {"{" MAMBA ", \"time_step_rank\": \"many\"}", "time_step_rank"},
    {"{" MAMBA ", \"use_bias\": 1}", "use_bias is not true or false"},
    {"{" MAMBA ", \"layer_norm_epsilon\": 0}", "layer_norm_epsilon is 0"},
    {"{" MAMBA2 ", \"n_groups\": 3}", "n_groups does not divide"},
    {"{" MAMBA2 ", \"expand\": 3}", "num_heads is 4"},
    {"{" MAMBA2 ", \"n_groups\": 2, \"time_step_limit\": [3, 1]}",
     "time_step_limit"},
    {JAMBA_HEADS(4, 3), "num_key_value_heads does not divide"},
    {JAMBA_HEADS(64, 1), "num_attention_heads leaves heads no width"},
    {"{" JAMBA ", \"attn_layer_offset\": 8}", "attn_layer_offset"},
    {"{" JAMBA ", \"expert_layer_period\": 0}", "expert_layer_period is 0"},
    {"{" JAMBA ", \"num_experts_per_tok\": 17}", "num_experts_per_tok"},
    {"{" BAMBA ", \"attn_layer_indices\": [3]}", "attn_layer_indices"},
    {"{" BAMBA ", \"attn_layer_indices\": 1}", "attn_layer_indices"},
    {"{" BAMBA ", \"rope_parameters\": {\"partial_rotary_factor\": 0.4}}",
     "partial_rotary_factor"},
    {"{" BAMBA ", \"rope_parameters\": {\"rope_type\": \"linear\"}}",
     "rope_parameters.factor is missing"},
    {"{" NEMOTRON "}", "hybrid_override_pattern is missing"},
    {"{" NEMOTRON ", \"hybrid_override_pattern\": \"E\", \"n_group\": 3}",
     "n_group does not make equal groups"},
    {"{" NEMOTRON ", \"hybrid_override_pattern\": \"E\", \"n_group\": 8}",
     "n_group does not make equal groups"},
    {"{" NEMOTRON ", \"hybrid_override_pattern\": \"E\", "
     "\"topk_group\": 2}",
     "topk_group is more than n_group"},
    {"{" NEMOTRON ", \"hybrid_override_pattern\": \"E\", \"n_group\": 4, "
     "\"num_experts_per_tok\": 3}",
     "num_experts_per_tok is more than"},
    {"{" NEMOTRON ", \"layers_block_type\": []}", "layers_block_type"},
    {"{" STATE_SPACES "\"layer\": \"Mamba2\", \"headdim\": 48}}", "headdim"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    check_refused(cases[i].json, MAUDIO_ERR_BAD_MODEL, cases[i].says);
  }
}

static void absurd_states_are_refused(void** state)
{
  (void)state;
  check_refused("{\"model_type\": \"mamba\", \"hidden_size\": 32768, "
                "\"vocab_size\": 8, \"num_hidden_layers\": 256, "
                "\"expand\": 64, \"state_size\": 1024}",
                MAUDIO_ERR_BAD_MODEL, "The state would be beyond 1 GiB");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(defaults_are_those_of_the_references),
    cmocka_unit_test(ranges_may_be_open),
    cmocka_unit_test(positions_are_rotated_as_the_config_says),
    cmocka_unit_test(layers_may_be_a_pattern),
    cmocka_unit_test(state_spaces_names_are_read),
    cmocka_unit_test(what_is_not_done_is_refused_by_name),
    cmocka_unit_test(what_makes_no_sense_is_refused_by_name),
    cmocka_unit_test(absurd_states_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

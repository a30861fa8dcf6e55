#include "config.h"

#include "model_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/// The JSON of a generator with one part of it changed
typedef struct {
  const char*   part;
  const char*   replacement;
  const char*   message; ///< What the error has to say
  maudio_status status;
} edit;

/// Return the edited JSON, to be freed with free()
static char* apply(const edit* e)
{
  const char* const json = model_builder_tiers_json;
  const char* const at   = strstr(json, e->part);
  if (!at) {
    fail_msg("No '%s'", e->part);
  }
  const size_t size   = strlen(json) + strlen(e->replacement) + 1;
  char* const  result = (char*)malloc(size);
  assert_non_null(result);
  snprintf(result, size, "%.*s%s%s", (int)(at - json), json, e->replacement,
           at + strlen(e->part));
  return result;
}

static void test_reads_everything(void** state)
{
  (void)state;
  maudio_config c;
  maudio_error  error;
  if (maudio_config_parse(model_builder_tiers_json, "f.st", &c, &error)) {
    fail_msg("%s", error.message);
  }
  assert_int_equal(c.task, MAUDIO_TASK_GENERATE);
  assert_int_equal(c.sample.rate_hz, 16000);
  assert_int_equal(c.sample.n_tiers, 4);
  static const unsigned pools[]  = {1, 2, 3, 5};
  static const unsigned widths[] = {8, 12, 20, 17};
  static const unsigned layers[] = {2, 1, 2, 1};
  for (size_t i = 0; i < 4; ++i) {
    assert_int_equal(c.sample.tiers[i].pool, pools[i]);
    assert_int_equal(c.sample.tiers[i].d_model, widths[i]);
    assert_int_equal(c.sample.tiers[i].n_blocks, layers[i]);
  }
  const maudio_tier_config* const tier = &c.sample.tiers[2];
  assert_string_equal(tier->norm_f, "tiers.2.norm_f.weight");
  assert_string_equal(tier->blocks[1].norm, "tiers.2.layers.1.norm.weight");
  assert_string_equal(tier->blocks[1].prefix, "tiers.2.layers.1.mixer.");
  assert_int_equal(tier->blocks[0].mixer, MAUDIO_MIXER_MLP);
  assert_int_equal(tier->blocks[0].hidden, MAUDIO_HIDDEN_GATED_SILU);
  assert_int_equal(tier->blocks[0].d_hidden, 150);
  assert_int_equal(tier->blocks[1].n_groups, 2);
  maudio_config_clear(&c);
}

static void test_refusals(void** state)
{
  (void)state;
  static const edit edits[] = {
    {"\"sample\"", "\"spectral\"", "Unknown front_end.type 'spectral'",
     MAUDIO_ERR_UNSUPPORTED},
    {"\"mu-law\"", "\"linear\"", "Unknown front_end.encoding 'linear'",
     MAUDIO_ERR_UNSUPPORTED},
    {"\"mu-law\"", "8", "front_end.encoding is not", MAUDIO_ERR_BAD_MODEL},
    {"16000", "7999", "front_end.rate_hz is 7999", MAUDIO_ERR_BAD_MODEL},
    {"1e-5", "0", "norm_eps is 0", MAUDIO_ERR_BAD_MODEL},
    {"\"tiers\": [", "\"tiers\": 3, \"x\": [",
     "tiers is not a list of 1 to 4 tiers", MAUDIO_ERR_BAD_MODEL},
    {"\"tiers\": [", "\"tiers\": [], \"x\": [",
     "tiers is not a list of 1 to 4 tiers", MAUDIO_ERR_BAD_MODEL},
    {"\"tiers\": [", "\"tiers\": [{}, ", "tiers is not a list of 1 to 4 tiers",
     MAUDIO_ERR_BAD_MODEL},
    {"\"d_model\": 8", "\"d_model\": 0", "tiers[0].d_model is 0",
     MAUDIO_ERR_BAD_MODEL},
    {"\"d_model\": 8", "\"d_model\": 4097", "tiers[0].d_model is 4097",
     MAUDIO_ERR_BAD_MODEL},
    {"{\"d_model\": 8", "{\"pool\": 2, \"d_model\": 8",
     "tiers[0].pool is not for the first tier", MAUDIO_ERR_BAD_MODEL},
    {"\"pool\": 3", "\"pool\": 1", "tiers[2].pool is 1", MAUDIO_ERR_BAD_MODEL},
    {"\"pool\": 3", "\"pool\": 65", "tiers[2].pool is 65",
     MAUDIO_ERR_BAD_MODEL},
    {"\"pool\": 3, ", "", "tiers[2].pool is missing", MAUDIO_ERR_BAD_MODEL},
    {"\"mamba\"", "\"band_mlp\"", "Unknown tiers[1].blocks[0].mixer 'band_mlp'",
     MAUDIO_ERR_UNSUPPORTED},
    {"\"mamba\"", "\"attention\"",
     "Unknown tiers[1].blocks[0].mixer 'attention'", MAUDIO_ERR_UNSUPPORTED},
    {"\"dt_rank\": 2", "\"dt_rank\": 0", "tiers[1].blocks[0].dt_rank is 0",
     MAUDIO_ERR_BAD_MODEL},
    {"\"headdim\": 12", "\"headdim\": 13",
     "tiers[2].blocks[1].headdim does not divide d_inner",
     MAUDIO_ERR_BAD_MODEL},
    {"\"d_hidden\": 9", "\"d_hidden\": 16385",
     "tiers[0].blocks[1].d_hidden is 16385", MAUDIO_ERR_BAD_MODEL},
    {"\"blocks\": [{\"mixer\": \"mlp\"",
     "\"blocks\": [], \"x\": [{\"mixer\": \"mlp\"",
     "tiers[2].blocks is not a list of 1 to 256 blocks", MAUDIO_ERR_BAD_MODEL},
    {"\"d_inner\": 10, \"d_state\": 3", "\"d_inner\": 16384, \"d_state\": 1024",
     "", MAUDIO_SUCCESS},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    char* const   json = apply(&edits[i]);
    maudio_config config;
    maudio_error  error = {MAUDIO_SUCCESS, ""};
    assert_int_equal(maudio_config_parse(json, "f.st", &config, &error),
                     edits[i].status);
    if (!strstr(error.message, edits[i].message)) {
      fail_msg("'%s' lacks '%s'", error.message, edits[i].message);
    }
    maudio_config_clear(&config);
    free(json);
  }
}

static void test_states_add_up_over_the_tiers(void** state)
{
  (void)state;
  char         json[4096];
  maudio_error error = {MAUDIO_SUCCESS, ""};
  size_t       n     = (size_t)snprintf(
              json, sizeof json,
              "{\"format_version\": \"1.1\", \"name\": \"x\", \"task\": \"generate\","
                        " \"front_end\": {\"type\": \"sample\", \"rate_hz\": 16000,"
                        " \"encoding\": \"mu-law\"}, \"norm_eps\": 1e-5, \"tiers\": [");
  for (int i = 0; i < 4; ++i) {
    n += (size_t)snprintf(
      json + n, sizeof json - n,
      "%s{%s\"d_model\": 64, \"blocks\": [{\"mixer\": \"mamba\","
      " \"d_inner\": 16384, \"d_state\": 1020, \"dt_rank\": 1}]}",
      i ? ", " : "", i ? "\"pool\": 2, " : "");
  }
  snprintf(json + n, sizeof json - n, "]}");
  maudio_config config;
  assert_int_equal(maudio_config_parse(json, "f.st", &config, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(error.message, "tiers[3].blocks[0].mixer takes the "
                                        "state beyond 256 MiB"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reads_everything), cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_states_add_up_over_the_tiers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

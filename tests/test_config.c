#include "config.h"

#include "model_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/// The valid JSON of model_builder.h with one part of it changed
typedef struct {
  const char* part;
  const char* replacement;
  const char* message; ///< What the error has to say
} edit;

/// Return the edited JSON, to be freed with free()
static char* apply(const edit* e)
{
  const char* const json = model_builder_small_json;
  const char* const at   = strstr(json, e->part);
  assert_non_null(at);
  const size_t size   = strlen(json) + strlen(e->replacement) + 1;
  char* const  result = (char*)malloc(size);
  assert_non_null(result);
  snprintf(result, size, "%.*s%s%s", (int)(at - json), json, e->replacement,
           at + strlen(e->part));
  return result;
}

static void check_refused(const edit* e, maudio_status status)
{
  char* const   json = apply(e);
  maudio_config config;
  maudio_error  error = {MAUDIO_SUCCESS, ""};
  assert_int_equal(maudio_config_parse(json, "f.st", &config, &error), status);
  assert_int_equal(error.status, status);
  if (strncmp(error.message, "f.st: ", 6) != 0 ||
      !strstr(error.message, e->message)) {
    fail_msg("'%s' lacks '%s'", error.message, e->message);
  }
  assert_null(config.blocks);
  assert_null(config.spectral.band_edges);
  maudio_config_clear(&config);
  free(json);
}

/// Parse an edited JSON that has to be valid
static maudio_config parse(const char* part, const char* replacement)
{
  const edit    e    = {part, replacement, ""};
  char* const   json = apply(&e);
  maudio_config config;
  maudio_error  error;
  if (maudio_config_parse(json, "f.st", &config, &error)) {
    fail_msg("%s", error.message);
  }
  free(json);
  return config;
}

static void test_reads_everything(void** state)
{
  (void)state;
  maudio_config c = parse("", "");
  assert_string_equal(c.name, "small");
  assert_string_equal(c.licence, "MIT");
  assert_int_equal(c.task, MAUDIO_TASK_DENOISE);
  assert_int_equal(c.d_model, 8);
  assert_true(c.norm_eps == 1e-5f);

  assert_int_equal(c.spectral.rate_hz, 16000);
  assert_true(c.spectral.window_ms == 32.0 && c.spectral.hop_ms == 8.0);
  assert_true(c.spectral.compress == 0.3f);
  assert_true(c.spectral.power_floor == 1e-10f);
  assert_int_equal(c.spectral.n_bins, 257);
  assert_int_equal(c.spectral.n_bands, 3);
  static const uint32_t edges[] = {0, 8, 32, 257};
  assert_memory_equal(c.spectral.band_edges, edges, sizeof edges);

  assert_int_equal(c.n_blocks, 3);
  assert_int_equal(c.blocks[0].mixer, MAUDIO_MIXER_MAMBA2);
  assert_int_equal(c.blocks[0].d_inner, 16);
  assert_int_equal(c.blocks[0].d_state, 4);
  assert_int_equal(c.blocks[0].d_conv, 4);
  assert_int_equal(c.blocks[0].headdim, 4);
  assert_int_equal(c.blocks[0].n_groups, 2);
  assert_true(c.blocks[0].dt_min == 0.0f && isinf(c.blocks[0].dt_max));
  assert_int_equal(c.blocks[1].mixer, MAUDIO_MIXER_BAND_MLP);
  assert_int_equal(c.blocks[1].d_hidden, 5);
  assert_int_equal(c.blocks[1].d_inner, 0);
  assert_int_equal(c.blocks[2].mixer, MAUDIO_MIXER_MAMBA);
  assert_int_equal(c.blocks[2].d_inner, 12);
  assert_int_equal(c.blocks[2].dt_rank, 2);
  maudio_config_clear(&c);
  assert_null(c.blocks);
}

static void test_optional_keys(void** state)
{
  (void)state;
  maudio_config c = parse("\"d_conv\": 4, \"headdim\": 4, \"n_groups\": 2,"
                          " \"dt_limit\"",
                          "\"headdim\": 4, \"later\"");
  // 16 / 4 heads in one group; anything may follow a key that is not known
  assert_int_equal(c.blocks[0].d_conv, 4);
  assert_int_equal(c.blocks[0].n_groups, 1);
  assert_true(c.blocks[0].dt_min == 0.0f && isinf(c.blocks[0].dt_max));
  maudio_config_clear(&c);

  c = parse("\"licence\": \"MIT\",", "");
  assert_string_equal(c.licence, "");
  maudio_config_clear(&c);

  c = parse("\"d_conv\": 4", "\"d_conv\": 3");
  assert_int_equal(c.blocks[0].d_conv, 3);
  maudio_config_clear(&c);
}

static void test_dt_limit(void** state)
{
  (void)state;
  maudio_config c = parse("[0.0, Infinity]", "[0.001, 0.1]");
  assert_true(c.blocks[0].dt_min == 0.001f && c.blocks[0].dt_max == 0.1f);
  maudio_config_clear(&c);

  c = parse("[0.0, Infinity]", "[1, null]");
  assert_true(c.blocks[0].dt_min == 1.0f && isinf(c.blocks[0].dt_max));
  maudio_config_clear(&c);

  static const char* const bad[] = {
    "[0]",        "[0, 1, 2]", "[1, 0.5]", "[-1, 1]", "[Infinity, Infinity]",
    "[0, \"1\"]", "[0, 1e31]", "0.1",      "null"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    const edit e = {"[0.0, Infinity]", bad[i], "blocks[0].dt_limit"};
    check_refused(&e, MAUDIO_ERR_BAD_MODEL);
  }
}

static void test_versions(void** state)
{
  (void)state;
  maudio_config c = parse("\"1.0\"", "\"1.7\"");
  maudio_config_clear(&c);

  const edit major = {"\"1.0\"", "\"2.0\"",
                      "format version 2.0, this maudio reads 1.x"};
  check_refused(&major, MAUDIO_ERR_VERSION);
  const edit zero = {"\"1.0\"", "\"0.9\"",
                     "format version 0.9, this maudio reads 1.x"};
  check_refused(&zero, MAUDIO_ERR_VERSION);

  // A later version may have other rules for all the rest
  const edit first = {"\"1.0\", \"name\": \"small\"", "\"3.1\", \"name\": 7",
                      "format version 3.1"};
  check_refused(&first, MAUDIO_ERR_VERSION);

  static const char* const bad[] = {"\"1\"",  "\"1.0.0\"", "\"\"",     "\"a\"",
                                    "1.0",    "\"1.0 \"",  "\"-1.0\"", "\".0\"",
                                    "\"1.\"", "null"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    const edit e = {"\"1.0\"", bad[i], "format_version"};
    check_refused(&e, MAUDIO_ERR_BAD_MODEL);
  }
}

static void test_unknown_types(void** state)
{
  (void)state;
  static const edit edits[] = {
    {"\"denoise\"", "\"sing\"", "Unknown task 'sing'"},
    {"\"spectral\"", "\"sample\"", "Unknown front_end.type 'sample'"},
    {"\"band_mlp\"", "\"attention\"", "Unknown blocks[1].mixer 'attention'"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    check_refused(&edits[i], MAUDIO_ERR_UNSUPPORTED);
  }
}

static void test_ranges(void** state)
{
  (void)state;
  static const edit edits[] = {
    {"\"d_model\": 8", "\"d_model\": 0", "d_model is 0, expected 1 to 4096"},
    {"\"d_model\": 8", "\"d_model\": 4097", "d_model is 4097"},
    {"\"d_model\": 8", "\"d_model\": -8", "d_model is -8"},
    {"\"d_model\": 8", "\"d_model\": 8.5", "d_model is not a whole number"},
    {"\"d_model\": 8", "\"d_model\": \"8\"", "d_model is not a whole number"},
    {"\"d_model\": 8", "\"d_model\": 4294967304", "d_model is 4294967304"},
    {"1e-5", "0", "norm_eps is 0"},
    {"1e-5", "2", "norm_eps is 2"},
    {"1e-5", "Infinity", "norm_eps is not a number"},
    {"16000", "7999", "front_end.rate_hz is 7999"},
    {"16000", "192001", "front_end.rate_hz is 192001"},
    {"_ms\": 32", "_ms\": 0.5", "front_end.window_ms is 0.5"},
    {"_ms\": 32", "_ms\": 201", "front_end.window_ms is 201"},
    {"_ms\": 8", "_ms\": 0", "front_end.hop_ms is 0"},
    {"0.3", "-0.1", "front_end.compress is -0.1"},
    {"0.3", "1.5", "front_end.compress is 1.5"},
    {"1e-10", "0", "front_end.power_floor is 0"},
    {"1e-10", "2", "front_end.power_floor is 2"},
    {"r\": 16", "r\": 16385", "blocks[0].d_inner is 16385"},
    {"r\": 16", "r\": 0", "blocks[0].d_inner is 0"},
    {"state\": 4", "state\": 1025", "blocks[0].d_state is 1025"},
    {"conv\": 4", "conv\": 17", "blocks[0].d_conv is 17"},
    {"conv\": 4", "conv\": 0", "blocks[0].d_conv is 0"},
    {"headdim\": 4", "headdim\": 0", "blocks[0].headdim is 0"},
    {"n_groups\": 2", "n_groups\": 0", "blocks[0].n_groups is 0"},
    {"n_groups\": 2", "n_groups\": null", "n_groups is not a whole number"},
    {"hidden\": 5", "hidden\": 16385", "blocks[1].d_hidden is 16385"},
    {"rank\": 2", "rank\": 4097", "blocks[2].dt_rank is 4097"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    check_refused(&edits[i], MAUDIO_ERR_BAD_MODEL);
  }
}

static void test_bands_of_a_block(void** state)
{
  (void)state;
  maudio_config c = parse("hidden\": 5", "hidden\": 5, \"bands\": [1, 3]");
  assert_int_equal(c.blocks[0].n_bands, 0);
  assert_int_equal(c.blocks[1].first_band, 1);
  assert_int_equal(c.blocks[1].n_bands, 2);
  maudio_config_clear(&c);

  static const char* const bad[] = {"[0]",      "[0, 1, 2]", "[-1, 2]",
                                    "[1, 1]",   "[2, 1]",    "[0, 4]",
                                    "[0, 1.0]", "3",         "[0, 4294967297]"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    char edited[64];
    snprintf(edited, sizeof edited, "hidden\": 5, \"bands\": %s", bad[i]);
    const edit e = {"hidden\": 5", edited,
                    "blocks[1].bands is not a first band and an end up to 3"};
    check_refused(&e, MAUDIO_ERR_BAD_MODEL);
  }
}

static void test_required_keys(void** state)
{
  (void)state;
  static const edit edits[] = {
    {"format_version", "x", "format_version is missing"},
    {"\"name", "\"x", "name is missing"},
    {"task", "x", "task is missing"},
    {"front_end", "x", "front_end.type is missing"},
    {"rate_hz", "x", "front_end.rate_hz is missing"},
    {"window_ms", "x", "front_end.window_ms is missing"},
    {"hop_ms", "x", "front_end.hop_ms is missing"},
    {"compress", "x", "front_end.compress is missing"},
    {"power_floor", "x", "front_end.power_floor is missing"},
    {"band_edges", "x", "front_end.band_edges"},
    {"d_model", "x", "d_model is missing"},
    {"norm_eps", "x", "norm_eps is missing"},
    {"blocks", "x", "blocks"},
    {"mixer", "x", "blocks[0].mixer is missing"},
    {"d_inner", "x", "blocks[0].d_inner is missing"},
    {"d_state", "x", "blocks[0].d_state is missing"},
    {"headdim", "x", "blocks[0].headdim is missing"},
    {"d_hidden", "x", "blocks[1].d_hidden is missing"},
    {"dt_rank", "x", "blocks[2].dt_rank is missing"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    check_refused(&edits[i], MAUDIO_ERR_BAD_MODEL);
  }
}

static void test_numbers_that_do_not_fit_together(void** state)
{
  (void)state;
  static const edit edits[] = {
    {"_ms\": 32", "_ms\": 32.01", "window_ms is not an even number of frames"},
    {"_ms\": 32", "_ms\": 32.0625", "window_ms is not an even number"},
    {"_ms\": 8,", "_ms\": 8.01,", "hop_ms is not a whole number of frames"},
    {"_ms\": 8,", "_ms\": 17,", "window_ms is shorter than two hops"},
    {"headdim\": 4", "headdim\": 3", "headdim does not divide d_inner"},
    {"n_groups\": 2", "n_groups\": 3", "n_groups does not divide"},
    {"n_groups\": 2", "n_groups\": 8", "n_groups does not divide"},
    {"[0, 8, 32, 257]", "[0, 8, 256]", "band_edges ends at 256"},
    {"[0, 8, 32, 257]", "[0, 8, 258]", "band_edges"},
    {"[0, 8, 32, 257]", "[1, 257]", "band_edges"},
    {"[0, 8, 32, 257]", "[-1, 257]", "band_edges"},
    {"[0, 8, 32, 257]", "[0, 8, 8, 257]", "band_edges"},
    {"[0, 8, 32, 257]", "[0, 9, 8, 257]", "band_edges"},
    {"[0, 8, 32, 257]", "[0, 8.5, 257]", "band_edges"},
    {"[0, 8, 32, 257]", "[0, null, 257]", "band_edges"},
    {"[0, 8, 32, 257]", "[0]", "band_edges"},
    {"[0, 8, 32, 257]", "{}", "band_edges"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    check_refused(&edits[i], MAUDIO_ERR_BAD_MODEL);
  }
}

static void test_strings(void** state)
{
  (void)state;
  char long_name[80];
  memset(long_name, 'n', sizeof long_name);
  long_name[0]        = '"';
  long_name[65]       = '"';
  long_name[66]       = '\0';
  const edit too_long = {"\"small\"", long_name, "name is too long"};
  check_refused(&too_long, MAUDIO_ERR_BAD_MODEL);

  long_name[64]   = '"';
  long_name[65]   = '\0';
  maudio_config c = parse("\"small\"", long_name);
  assert_int_equal(strlen(c.name), 63);
  maudio_config_clear(&c);

  const edit number = {"\"small\"", "7", "name is not a string"};
  check_refused(&number, MAUDIO_ERR_BAD_MODEL);
  const edit licence = {"\"MIT\"", "[]", "licence is not a string"};
  check_refused(&licence, MAUDIO_ERR_BAD_MODEL);
}

static void test_state_that_is_too_large(void** state)
{
  (void)state;
  // Three bands of 16384 x 1024 floats and the convolution's
  const char* const part = "\"d_inner\": 16, \"d_state\": 4";
  const edit e = {"{\"mixer\": \"mamba2\", \"d_inner\": 16, \"d_state\": 4, "
                  "\"d_conv\": 4, \"headdim\": 4, \"n_groups\": 2",
                  "{\"mixer\": \"mamba2\", \"d_inner\": 16384, "
                  "\"d_state\": 1024, \"headdim\": 4, \"n_groups\": 2048",
                  "blocks[0].mixer takes the state beyond 256 MiB"};
  check_refused(&e, MAUDIO_ERR_BAD_MODEL);

  maudio_config c = parse(part, "\"d_inner\": 16384, \"d_state\": 1024");
  assert_int_equal(c.blocks[0].d_inner, 16384);
  maudio_config_clear(&c);
}

/// Append `n` blocks to those of the small model
static void repeat_blocks(char* dst, unsigned n)
{
  char* end = stpcpy(dst, "\"dt_rank\": 2}");
  for (unsigned i = 0; i < n; ++i) {
    end = stpcpy(end, ",{\"mixer\":\"band_mlp\",\"d_hidden\":5}");
  }
}

static void test_number_of_blocks(void** state)
{
  (void)state;
  char blocks[256 * 40];
  repeat_blocks(blocks, 253);
  maudio_config c = parse("\"dt_rank\": 2}", blocks);
  assert_int_equal(c.n_blocks, 256);
  maudio_config_clear(&c);

  repeat_blocks(blocks, 254);
  const edit e = {"\"dt_rank\": 2}", blocks,
                  "blocks is not a list of 1 to 256"};
  check_refused(&e, MAUDIO_ERR_BAD_MODEL);
}

static void test_truncated_at_every_byte(void** state)
{
  (void)state;
  const size_t length = strlen(model_builder_small_json);
  for (size_t n = 0; n < length; ++n) {
    char* const json = strndup(model_builder_small_json, n);
    assert_non_null(json);
    maudio_config config;
    assert_int_equal(maudio_config_parse(json, "f.st", &config, NULL),
                     MAUDIO_ERR_BAD_MODEL);
    free(json);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reads_everything),
    cmocka_unit_test(test_optional_keys),
    cmocka_unit_test(test_dt_limit),
    cmocka_unit_test(test_versions),
    cmocka_unit_test(test_unknown_types),
    cmocka_unit_test(test_ranges),
    cmocka_unit_test(test_bands_of_a_block),
    cmocka_unit_test(test_required_keys),
    cmocka_unit_test(test_numbers_that_do_not_fit_together),
    cmocka_unit_test(test_strings),
    cmocka_unit_test(test_state_that_is_too_large),
    cmocka_unit_test(test_number_of_blocks),
    cmocka_unit_test(test_truncated_at_every_byte),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include "model_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/// Return the JSON of model_builder.h with one part of it changed, to be freed
static char* edit(const char* part, const char* replacement)
{
  const char* const json = model_builder_steer_json;
  const char* const at   = strstr(json, part);
  assert_non_null(at);
  const size_t size   = strlen(json) + strlen(replacement) + 1;
  char* const  result = (char*)malloc(size);
  assert_non_null(result);
  snprintf(result, size, "%.*s%s%s", (int)(at - json), json, replacement,
           at + strlen(part));
  return result;
}

static maudio_config parse(const char* part, const char* replacement)
{
  char* const   json = edit(part, replacement);
  maudio_config config;
  maudio_error  error = {.message = ""};
  if (maudio_config_parse(json, "f.st", &config, &error)) {
    fail_msg("%s", error.message);
  }
  free(json);
  return config;
}

static void everything_is_read(void** state)
{
  (void)state;
  maudio_config                    config = parse("", "");
  const maudio_steer_config* const c      = &config.steer;
  assert_int_equal(config.task, MAUDIO_TASK_DENOISE);
  assert_int_equal(c->n_gains, 20);
  assert_int_equal(c->n_taps, 20);
  assert_int_equal(c->n_past, 4);
  assert_int_equal(c->delay_frames, 9);
  assert_int_equal(c->fade_frames, 5);
  assert_int_equal(c->d_model, 10);
  assert_int_equal(c->n_blocks, 2);
  assert_int_equal(c->blocks[0].mixer, MAUDIO_MIXER_MAMBA2);
  assert_string_equal(c->blocks[0].prefix, "steer.layers.0.mixer.");
  assert_int_equal(c->blocks[1].mixer, MAUDIO_MIXER_MLP);
  assert_string_equal(c->blocks[1].norm, "steer.layers.1.norm.weight");
  maudio_config_clear(&config);
  assert_null(config.steer.blocks);
}

static void delay_and_fade_may_be_left_out(void** state)
{
  (void)state;
  maudio_config config = parse(" \"delay\": 9, \"fade\": 5,", "");
  assert_int_equal(config.steer.delay_frames, 32);
  assert_int_equal(config.steer.fade_frames, 32);
  maudio_config_clear(&config);
}

static void a_mask_needs_no_steer(void** state)
{
  (void)state;
  maudio_config config;
  assert_int_equal(
    maudio_config_parse(model_builder_small_json, "f", &config, NULL),
    MAUDIO_SUCCESS);
  assert_int_equal(config.steer.n_gains, 0);
  maudio_config_clear(&config);
}

static void bad_values_are_refused(void** state)
{
  (void)state;
  static const struct {
    const char*   part;
    const char*   replacement;
    const char*   message;
    maudio_status status;
  } edits[] = {
    {"\"steer\": {", "\"steer\": 3, \"x\": {", "f.st: steer is not an object",
     MAUDIO_ERR_BAD_MODEL},
    {"\"n_gains\": 20", "\"n_gains\": 27",
     "f.st: steer.n_gains is 27, no multiple of the 10 bands",
     MAUDIO_ERR_BAD_MODEL},
    {"\"n_gains\": 20", "\"n_gains\": 0", "steer.n_gains is 0, expected 1 to",
     MAUDIO_ERR_BAD_MODEL},
    {"\"n_gains\": 20", "\"n_gains\": 1e9",
     "steer.n_gains is not a whole number", MAUDIO_ERR_BAD_MODEL},
    {"\"n_taps\": 20", "\"n_taps\": 8193",
     "steer.n_taps is 8193, expected 1 to", MAUDIO_ERR_BAD_MODEL},
    {"\"n_taps\": 20,", "", "steer.n_taps is missing", MAUDIO_ERR_BAD_MODEL},
    {"\"n_past\": 4", "\"n_past\": -1", "steer.n_past is -1",
     MAUDIO_ERR_BAD_MODEL},
    {"\"delay\": 9", "\"delay\": 33", "steer.delay is 33, expected 1 to 32",
     MAUDIO_ERR_BAD_MODEL},
    {"\"delay\": 9", "\"delay\": 0", "steer.delay is 0, expected 1 to 32",
     MAUDIO_ERR_BAD_MODEL},
    {"\"fade\": 5", "\"fade\": 33", "steer.fade is 33, expected 1 to 32",
     MAUDIO_ERR_BAD_MODEL},
    {"\"d_model\": 10", "\"d_model\": 9999", "steer.d_model is 9999",
     MAUDIO_ERR_BAD_MODEL},
    {"\"mlp\"", "\"band_mlp\"", "Unknown steer.blocks[1].mixer 'band_mlp'",
     MAUDIO_ERR_UNSUPPORTED},
    {"\"headdim\": 8}, {\"mixer\": \"mlp\", \"d_hidden\": 12}]",
     "\"headdim\": 5}]", "steer.blocks[0].headdim does not divide d_inner",
     MAUDIO_ERR_BAD_MODEL},
    {"\"d_inner\": 16, \"d_state\": 4, \"headdim\": 8}, {",
     "\"d_inner\": 16384, \"d_state\": 1024, \"headdim\": 8}, {",
     "steer.blocks take the state beyond 64 MiB", MAUDIO_ERR_BAD_MODEL}};
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    char* const   json = edit(edits[i].part, edits[i].replacement);
    maudio_config config;
    maudio_error  error = {.message = ""};
    assert_int_equal(maudio_config_parse(json, "f.st", &config, &error),
                     edits[i].status);
    if (!strstr(error.message, edits[i].message)) {
      fail_msg("'%s' lacks '%s'", error.message, edits[i].message);
    }
    assert_null(config.blocks);
    assert_null(config.steer.blocks);
    free(json);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(everything_is_read),
    cmocka_unit_test(delay_and_fade_may_be_left_out),
    cmocka_unit_test(a_mask_needs_no_steer),
    cmocka_unit_test(bad_values_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include "model_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILTER "{\"n_bins\": 100, \"delays\": [1, 2, 5]}"

/// Parse the JSON of model_builder.h with one part of it changed
static maudio_status parse(const char*    part,
                           const char*    replacement,
                           maudio_config* config,
                           maudio_error*  error)
{
  const char* const json = model_builder_filter_json;
  const char* const at   = strstr(json, part);
  assert_non_null(at);
  const size_t size   = strlen(json) + strlen(replacement) + 1;
  char* const  edited = (char*)malloc(size);
  assert_non_null(edited);
  snprintf(edited, size, "%.*s%s%s", (int)(at - json), json, replacement,
           at + strlen(part));
  const maudio_status status =
    maudio_config_parse(edited, "f.st", config, error);
  free(edited);
  return status;
}

static void
check_refused(const char* part, const char* replacement, const char* message)
{
  maudio_config config;
  maudio_error  error = {.message = ""};
  assert_int_equal(parse(part, replacement, &config, &error),
                   MAUDIO_ERR_BAD_MODEL);
  if (strcmp(error.message, message) != 0) {
    fail_msg("'%s' is not '%s'", error.message, message);
  }
  assert_null(config.spectral.band_edges);
}

static void a_filter_is_read(void** state)
{
  (void)state;
  maudio_config                     c;
  const maudio_filter_config* const filter = &c.spectral.filter;
  assert_int_equal(parse("", "", &c, NULL), MAUDIO_SUCCESS);
  assert_int_equal(filter->n_bins, 100);
  assert_int_equal(filter->n_bands, 4);
  assert_int_equal(filter->n_delays, 3);
  assert_int_equal(filter->delays[0], 1);
  assert_int_equal(filter->delays[1], 2);
  assert_int_equal(filter->delays[2], 5);
  maudio_config_clear(&c);

  assert_int_equal(
    parse(FILTER, "{\"n_bins\": 257, \"delays\": [16]}", &c, NULL),
    MAUDIO_SUCCESS);
  assert_int_equal(filter->n_bands, 5);
  assert_int_equal(filter->n_delays, 1);
  assert_int_equal(filter->delays[0], 16);
  maudio_config_clear(&c);

  assert_int_equal(parse("[1, 2, 5]", "[1, 2, 3, 4, 5, 6, 7, 16]", &c, NULL),
                   MAUDIO_SUCCESS);
  assert_int_equal(filter->n_delays, MAUDIO_MAX_DELAYS);
  maudio_config_clear(&c);
}

static void without_one_there_is_none(void** state)
{
  (void)state;
  maudio_config config;
  assert_int_equal(parse("\"filter\": {", "\"later\": {", &config, NULL),
                   MAUDIO_SUCCESS);
  assert_int_equal(config.spectral.filter.n_bins, 0);
  assert_int_equal(config.spectral.filter.n_bands, 0);
  assert_int_equal(config.spectral.filter.n_delays, 0);
  maudio_config_clear(&config);
}

static void other_values_are_refused(void** state)
{
  (void)state;
#define WHERE "f.st: front_end.filter"
#define NOT_A_LIST WHERE ".delays is not a list of 1 to 8 hops"
#define NO_ORDER WHERE ".delays does not increase in whole numbers from 1 to 16"
  static const char* const edits[][3] = {
    {FILTER, "96", WHERE " is not an object"},
    {FILTER, "null", WHERE " is not an object"},
    {FILTER, "[]", WHERE " is not an object"},
    {FILTER, "{}", WHERE ".n_bins is missing"},
    {"100, \"d", "-1, \"d", WHERE ".n_bins is -1, expected 1 to 257"},
    {"100, \"d", "0, \"d", WHERE ".n_bins is 0, expected 1 to 257"},
    {"100, \"d", "258, \"d", WHERE ".n_bins is 258, expected 1 to 257"},
    {"100, \"d", "7, \"d", WHERE ".n_bins is 7, which no band ends at"},
    {"100, \"d", "256, \"d", WHERE ".n_bins is 256, which no band ends at"},
    {"100, \"d", "50.0, \"d", WHERE ".n_bins is not a whole number"},
    {"100, \"d", "4294967346, \"d",
     WHERE ".n_bins is 4294967346, expected 1 to 257"},
    {"delays", "later", NOT_A_LIST},
    {"[1, 2, 5]", "3", NOT_A_LIST},
    {"[1, 2, 5]", "{\"1\": 1}", NOT_A_LIST},
    {"[1, 2, 5]", "[]", NOT_A_LIST},
    {"[1, 2, 5]", "[1, 2, 3, 4, 5, 6, 7, 8, 9]", NOT_A_LIST},
    {"[1, 2, 5]", "[0, 1]", NO_ORDER},
    {"[1, 2, 5]", "[-1]", NO_ORDER},
    {"[1, 2, 5]", "[1, 1]", NO_ORDER},
    {"[1, 2, 5]", "[2, 1]", NO_ORDER},
    {"[1, 2, 5]", "[17]", NO_ORDER},
    {"[1, 2, 5]", "[4294967297]", NO_ORDER},
    {"[1, 2, 5]", "[1.0]", NO_ORDER},
    {"[1, 2, 5]", "[null]", NO_ORDER},
    {"[1, 2, 5]", "[\"1\"]", NO_ORDER},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; ++i) {
    check_refused(edits[i][0], edits[i][1], edits[i][2]);
  }
}

static void a_filter_needs_a_mask(void** state)
{
  (void)state;
  check_refused(
    "\"d_model\"", "\"steer\": {\"n_gains\": 10}, \"d_model\"",
    "f.st: front_end.filter goes with a mask, which models with steer lack");
  check_refused(
    "\"filter\": " FILTER "}, \"d_model\"",
    "\"mask_power\": 2}, \"steer\": {}, \"d_model\"",
    "f.st: front_end.mask_power goes with a mask, which models with "
    "steer lack");
}

static void a_mask_may_be_raised(void** state)
{
  (void)state;
  maudio_config config;
  assert_int_equal(parse("", "", &config, NULL), MAUDIO_SUCCESS);
  assert_true(config.spectral.mask_power == 1.0f);
  maudio_config_clear(&config);
  assert_int_equal(
    parse("\"filter\": {", "\"mask_power\": 2.5, \"filter\": {", &config, NULL),
    MAUDIO_SUCCESS);
  assert_true(config.spectral.mask_power == 2.5f);
  maudio_config_clear(&config);
  check_refused("\"filter\": {", "\"mask_power\": 4.5, \"filter\": {",
                "f.st: front_end.mask_power is 4.5, expected 1 to 4");
  check_refused("\"filter\": {", "\"mask_power\": 0.5, \"filter\": {",
                "f.st: front_end.mask_power is 0.5, expected 1 to 4");
}

static void frames_to_come_have_to_be_heard(void** state)
{
  (void)state;
#define AHEAD "\"lookahead\": 2, \"filter\": {\"n_bins\": 100, \"delays\": "
#define NO_ORDER_AHEAD \
  WHERE ".delays does not increase in whole numbers from -2 to 16 without 0"
  maudio_config config;
  assert_int_equal(parse("", "", &config, NULL), MAUDIO_SUCCESS);
  assert_int_equal(config.spectral.lookahead, 0);
  maudio_config_clear(&config);
  assert_int_equal(
    parse("\"filter\": " FILTER, AHEAD "[-2, -1, 3]}", &config, NULL),
    MAUDIO_SUCCESS);
  assert_int_equal(config.spectral.lookahead, 2);
  assert_int_equal(config.spectral.filter.delays[0], -2);
  assert_int_equal(config.spectral.filter.delays[1], -1);
  assert_int_equal(config.spectral.filter.delays[2], 3);
  maudio_config_clear(&config);

  static const char* const bad[] = {"[-3]",    "[-1, 0]", "[0]",
                                    "[1, -1]", "[17]",    "[-1.0]"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
    char edited[100];
    snprintf(edited, sizeof edited, AHEAD "%s}", bad[i]);
    check_refused("\"filter\": " FILTER, edited, NO_ORDER_AHEAD);
  }
  check_refused("\"filter\": {", "\"lookahead\": 17, \"filter\": {",
                "f.st: front_end.lookahead is 17, expected 0 to 16");
  check_refused("\"filter\": {", "\"lookahead\": -1, \"filter\": {",
                "f.st: front_end.lookahead is -1, expected 0 to 16");
  check_refused("\"filter\": " FILTER "}, \"d_model\"",
                "\"lookahead\": 1}, \"steer\": {}, \"d_model\"",
                "f.st: front_end.lookahead goes with a mask, which models with "
                "steer lack");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_filter_is_read),
    cmocka_unit_test(without_one_there_is_none),
    cmocka_unit_test(other_values_are_refused),
    cmocka_unit_test(a_filter_needs_a_mask),
    cmocka_unit_test(a_mask_may_be_raised),
    cmocka_unit_test(frames_to_come_have_to_be_heard)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

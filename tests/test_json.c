#include "json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t* parse(const char* text, unsigned max_depth)
{
  json_t*      root = NULL;
  maudio_error error;
  if (maudio_json_parse(text, strlen(text), max_depth, "f", &root, &error)) {
    fail_msg("%s", error.message);
  }
  return root;
}

static void check_refused(const char* text,
                          size_t      size,
                          unsigned    max_depth,
                          const char* word)
{
  json_t*      root = NULL;
  maudio_error error;
  assert_int_equal(maudio_json_parse(text, size, max_depth, "f", &root, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_null(root);
  if (strncmp(error.message, "f: ", 3) != 0 || !strstr(error.message, word)) {
    fail_msg("'%s' lacks '%s'", error.message, word);
  }
}

static void test_infinity_is_null_outside_strings(void** state)
{
  (void)state;
  json_t* const root =
    parse("{\"Infinity\": \"\\\"Infinity\", \"a\": [0.5, Infinity]}", 2);
  assert_string_equal(json_string_value(json_object_get(root, "Infinity")),
                      "\"Infinity");
  const json_t* const list = json_object_get(root, "a");
  assert_int_equal(json_array_size(list), 2);
  assert_true(json_is_null(json_array_get(list, 1)));
  json_decref(root);

  check_refused("{\"a\":-Infinity}", 15, 2, "JSON");
  check_refused("{\"a\":Infinit", 12, 2, "JSON");
}

static void test_depth(void** state)
{
  (void)state;
  json_decref(parse("{\"a\": [{}], \"b\": [], \"c\": \"[[[[\"}", 3));
  check_refused("{\"a\":[{\"b\":[]}]}", 16, 3, "deeper than 3");

  char deep[5006] = "{\"a\":";
  memset(deep + 5, '[', 5000);
  check_refused(deep, 5005, 32, "deeper than 32");
}

static void test_number_of_values(void** state)
{
  (void)state;
  const size_t n    = (1 << 20) + 8;
  char* const  text = (char*)malloc(2 * n + 8);
  assert_non_null(text);
  memcpy(text, "{\"a\":[", 6);
  for (size_t i = 0; i < n; ++i) {
    memcpy(text + 6 + 2 * i, "0,", 2);
  }
  memcpy(text + 5 + 2 * n, "]}", 2);
  check_refused(text, 7 + 2 * n, 2, "more than");
  free(text);
}

static void test_not_terminated(void** state)
{
  (void)state;
  // Beyond the end there is what would make it valid
  check_refused("{\"a\":1}", 6, 1, "JSON");
  check_refused("{\"a\":\"\\\"}", 7, 1, "JSON");
  check_refused("{", 0, 1, "JSON");
}

static void test_refused(void** state)
{
  (void)state;
  check_refused("[]", 2, 1, "not an object");
  check_refused("{\"a\":1,\"a\":1}", 13, 1, "duplicate");
  check_refused("{\"a\":\"\xE9\"}", 9, 1, "unable to decode");
  check_refused("{\"a\":\"\\u0000\"}", 14, 1, "JSON");
  check_refused("{\"a\":99999999999999999999}", 26, 1, "JSON");
  check_refused("{\"a\":1e999}", 11, 1, "JSON");
  check_refused("{}}", 3, 1, "JSON");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_infinity_is_null_outside_strings),
    cmocka_unit_test(test_depth),
    cmocka_unit_test(test_number_of_values),
    cmocka_unit_test(test_not_terminated),
    cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "weights_header.h"

#include "weights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_round_trip(void** state)
{
  (void)state;
  const size_t          shape[]  = {2, 3};
  const float           scales[] = {1.0f, 2.0f};
  const int8_t          codes[]  = {1, -2, 3, -4, 5, -127};
  maudio_weights_header header   = {0};
  assert_true(maudio_weights_header_add(&header, "a \"quoted\" \xC3\xA9",
                                        MAUDIO_DTYPE_F32, 0, NULL));
  assert_true(
    maudio_weights_header_add(&header, "w.scale", MAUDIO_DTYPE_F32, 1, shape));
  assert_true(
    maudio_weights_header_add(&header, "w", MAUDIO_DTYPE_I8, 2, shape));
  assert_int_equal(header.n_bytes, 4 + 8 + 6);
  json_t* const metadata = json_pack("{s:s}", "maudio", "{\"a\": 1}");
  size_t        size     = 0;
  char* const   bytes = maudio_weights_header_finish(&header, metadata, &size);
  json_decref(metadata);
  assert_non_null(bytes);
  assert_null(header.entries);
  assert_int_equal(size % 8, 0);

  uint8_t* const file = (uint8_t*)malloc(size + 18);
  assert_non_null(file);
  memcpy(file, bytes, size);
  free(bytes);
  memcpy(file + size, scales, 4);
  memcpy(file + size + 4, scales, 8);
  memcpy(file + size + 12, codes, 6);
  maudio_weights* weights = NULL;
  maudio_error    error   = {MAUDIO_SUCCESS, ""};
  if (maudio_weights_open(file, size + 18, "x", &weights, &error)) {
    fail_msg("%s", error.message);
  }
  assert_string_equal(maudio_weights_metadata(weights, "maudio"), "{\"a\": 1}");
  int8_t found[6];
  float  found_scales[2];
  float  scalar = 0.0f;
  assert_int_equal(
    maudio_weights_get_int8(weights, "w", shape, found, found_scales, NULL), 0);
  assert_int_equal(maudio_weights_get(weights, "a \"quoted\" \xC3\xA9", 0, NULL,
                                      &scalar, NULL),
                   0);
  assert_memory_equal(found, codes, 6);
  assert_memory_equal(found_scales, scales, 8);
  assert_true(scalar == 1.0f);
  assert_int_equal(maudio_weights_check_all_used(weights, NULL), 0);
  maudio_weights_free(weights);
  free(file);
}

static void test_empty(void** state)
{
  (void)state;
  maudio_weights_header header = {0};
  size_t                size   = 0;
  char* const bytes = maudio_weights_header_finish(&header, NULL, &size);
  assert_int_equal(size, 16);
  assert_memory_equal(bytes, "\x08\0\0\0\0\0\0\0{}      ", 16);
  free(bytes);
}

static void test_names_that_cannot_be(void** state)
{
  (void)state;
  maudio_weights_header header = {0};
  assert_false(
    maudio_weights_header_add(&header, "\xFF", MAUDIO_DTYPE_F32, 0, NULL));
  size_t      size  = 0;
  char* const bytes = maudio_weights_header_finish(&header, NULL, &size);
  assert_int_equal(size, 16);
  free(bytes);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_empty),
    cmocka_unit_test(test_names_that_cannot_be)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

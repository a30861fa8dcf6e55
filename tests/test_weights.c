#include "weights.h"

#include "model_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LABEL "voice.safetensors"

/// Open a file that has to be refused with a message that has all `words`
static void check_refused(const void*   file,
                          size_t        size,
                          maudio_status status,
                          const char*   word_1,
                          const char*   word_2)
{
  maudio_weights* weights = NULL;
  maudio_error    error   = {MAUDIO_SUCCESS, ""};
  assert_int_equal(maudio_weights_open(file, size, LABEL, &weights, &error),
                   status);
  assert_null(weights);
  assert_int_equal(error.status, status);
  if (!strstr(error.message, LABEL) || !strstr(error.message, word_1) ||
      !strstr(error.message, word_2)) {
    fail_msg("'%s' lacks '%s' or '%s'", error.message, word_1, word_2);
  }
}

/// Check that a header with `n_bytes` zero bytes of tensors is refused
static void check_header_refused(const char* header,
                                 size_t      n_bytes,
                                 const char* word_1,
                                 const char* word_2)
{
  static const char zeros[64];
  size_t            size = 0;
  uint8_t* const    file = model_builder_join(header, zeros, n_bytes, &size);
  check_refused(file, size, MAUDIO_ERR_BAD_MODEL, word_1, word_2);
  free(file);
}

static maudio_weights* open_file(const uint8_t* file, size_t size)
{
  maudio_weights* weights = NULL;
  maudio_error    error   = {MAUDIO_SUCCESS, ""};
  if (maudio_weights_open(file, size, LABEL, &weights, &error)) {
    fail_msg("%s", error.message);
  }
  return weights;
}

static void test_reads_tensors(void** state)
{
  (void)state;
  static const float matrix[] = {1.0f, -2.5f, 3e-20f, 4.0f, 0.0f, -1e30f};
  static const float scalar[] = {7.0f};
  const size_t       shape[]  = {2, 1, 3};
  const size_t       other[]  = {0};
  model_builder*     b        = model_builder_new("{\"a\": \"\\\\\"}");
  model_builder_add(b, "z.matrix", 3, shape, matrix);
  model_builder_add(b, "scalar", 0, NULL, scalar);
  model_builder_add(b, "empty", 1, other, NULL);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);

  maudio_weights* const weights = open_file(file, size);
  assert_string_equal(maudio_weights_metadata(weights, "maudio"),
                      "{\"a\": \"\\\\\"}");
  assert_null(maudio_weights_metadata(weights, "other"));

  float dst[6] = {0};
  assert_int_equal(maudio_weights_check(weights, "z.matrix", 3, shape, NULL),
                   MAUDIO_SUCCESS);
  assert_int_equal(maudio_weights_get(weights, "z.matrix", 3, shape, dst, NULL),
                   MAUDIO_SUCCESS);
  assert_memory_equal(dst, matrix, sizeof matrix);
  assert_int_equal(maudio_weights_get(weights, "scalar", 0, NULL, dst, NULL),
                   MAUDIO_SUCCESS);
  assert_float_equal(dst[0], 7.0f, 0.0f);

  // Only what was copied counts as used
  maudio_error error;
  assert_int_equal(maudio_weights_check_all_used(weights, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(error.message, "'empty'"));
  assert_int_equal(maudio_weights_get(weights, "empty", 1, other, dst, NULL),
                   MAUDIO_SUCCESS);
  assert_int_equal(maudio_weights_check_all_used(weights, &error),
                   MAUDIO_SUCCESS);
  maudio_weights_free(weights);
  free(file);
}

static void test_file_without_metadata(void** state)
{
  (void)state;
  size_t                size    = 0;
  uint8_t* const        file    = model_builder_join("{}", NULL, 0, &size);
  maudio_weights* const weights = open_file(file, size);
  assert_null(maudio_weights_metadata(weights, "maudio"));
  assert_int_equal(maudio_weights_check_all_used(weights, NULL), 0);
  maudio_weights_free(weights);
  maudio_weights_free(NULL);
  free(file);
}

static void test_types_and_alignment(void** state)
{
  (void)state;
  // An odd header length leaves all data unaligned; padding is allowed
  static const char header[] =
    "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},"
    "\"f\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]}}   ";
  static const uint8_t data[] = {
    0x00, 0x3C,             // 1
    0x01, 0x00,             // smallest subnormal, 2^-24
    0xFF, 0x7B,             // 65504, largest
    0x00, 0x80,             // -0
    0x55, 0xB5,             // -0.33325195
    0xFF, 0x83,             // largest subnormal, negated: -1023 * 2^-24
    0xC0, 0x3F,             // 1.5
    0x80, 0xC0,             // -4
    0xDB, 0x0F, 0x49, 0x40, // pi
  };
  size_t         size = 0;
  uint8_t* const file = model_builder_join(header, data, sizeof data, &size);
  for (size_t shift = 0; shift < 4; ++shift) {
    uint8_t* const moved = (uint8_t*)malloc(size + shift);
    assert_non_null(moved);
    memcpy(moved + shift, file, size);
    maudio_weights* const weights = open_file(moved + shift, size);

    const size_t n_half = 6;
    const size_t n_bf   = 2;
    const size_t n_one  = 1;
    float        h[6];
    float        b[2];
    float        f;
    assert_int_equal(maudio_weights_get(weights, "h", 1, &n_half, h, NULL), 0);
    assert_int_equal(maudio_weights_get(weights, "b", 1, &n_bf, b, NULL), 0);
    assert_int_equal(maudio_weights_get(weights, "f", 1, &n_one, &f, NULL), 0);
    assert_true(h[0] == 1.0f && h[1] == ldexpf(1.0f, -24) && h[2] == 65504.0f);
    assert_true(h[3] == 0.0f && signbit(h[3]));
    assert_true(h[4] == -0.333251953125f);
    assert_true(h[5] == ldexpf(-1023.0f, -24));
    assert_true(b[0] == 1.5f && b[1] == -4.0f);
    assert_true(f == 3.14159274f);
    maudio_weights_free(weights);
    free(moved);
  }
  free(file);
}

static void check_not_finite(const char* dtype, uint32_t bits, size_t n_bytes)
{
  const size_t   n = 3;
  uint8_t        data[12];
  model_builder* b = model_builder_new(NULL);
  memset(data, 0, sizeof data);
  for (size_t i = 0; i < n_bytes; ++i) {
    data[2 * n_bytes + i] = (uint8_t)(bits >> (8 * i));
  }
  model_builder_add_raw(b, "blocks.w", dtype, 1, &n, data, n * n_bytes);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);

  maudio_weights* const weights = open_file(file, size);
  float                 dst[3];
  maudio_error          error;
  assert_int_equal(maudio_weights_get(weights, "blocks.w", 1, &n, dst, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(error.message, LABEL));
  assert_non_null(strstr(error.message, "'blocks.w'"));
  assert_non_null(strstr(error.message, "index 2"));
  assert_int_not_equal(maudio_weights_check_all_used(weights, NULL), 0);
  maudio_weights_free(weights);
  free(file);
}

static void test_values_that_are_not_finite(void** state)
{
  (void)state;
  check_not_finite("F32", 0x7FC00000U, 4);
  check_not_finite("F32", 0xFF800000U, 4);
  check_not_finite("F16", 0x7C00U, 2);
  check_not_finite("F16", 0x7E01U, 2);
  check_not_finite("BF16", 0x7F80U, 2);
  check_not_finite("BF16", 0xFFC0U, 2);
}

static void test_missing_and_misshapen_tensors(void** state)
{
  (void)state;
  const size_t   shape[] = {2, 3};
  model_builder* b       = model_builder_new(NULL);
  model_builder_add_random(b, "w", 2, shape);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);

  maudio_weights* const weights = open_file(file, size);
  const size_t          wrong[] = {3, 2, 1};
  float                 dst[6];
  maudio_error          error;
  assert_int_equal(maudio_weights_get(weights, "v", 2, shape, dst, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_string_equal(error.message,
                      LABEL ": Tensor 'v' of shape (2, 3) is missing");
  assert_int_equal(maudio_weights_get(weights, "w", 2, wrong, dst, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_string_equal(error.message,
                      LABEL ": Tensor 'w' has shape (2, 3), expected (3, 2)");
  assert_int_equal(maudio_weights_check(weights, "w", 3, wrong, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(error.message, "(3, 2, 1)"));
  assert_int_equal(maudio_weights_check_all_used(weights, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(error.message, LABEL ": Tensor 'w'"));
  maudio_weights_free(weights);
  free(file);
}

static void test_frame_of_the_file(void** state)
{
  (void)state;
  uint8_t file[32] = {0};
  for (size_t size = 0; size < 8; ++size) {
    check_refused(file, size, MAUDIO_ERR_BAD_MODEL, "8", "bytes");
  }
  check_refused(file, 8, MAUDIO_ERR_BAD_MODEL, "'{'", "");

  memcpy(file, "\x03\0\0\0\0\0\0\0{} ", 11);
  check_refused(file, 10, MAUDIO_ERR_BAD_MODEL, "header of 3 bytes", "10");
  file[8] = ' ';
  check_refused(file, 11, MAUDIO_ERR_BAD_MODEL, "'{'", "");
  memset(file, 0xFF, 8);
  check_refused(file, 32, MAUDIO_ERR_BAD_MODEL, "18446744073709551615", "");
}

static void test_header_beyond_the_limit(void** state)
{
  (void)state;
  // Inside the file, and still too long
  const uint32_t length = 100000001;
  uint8_t* const file   = (uint8_t*)calloc(1, 8 + (size_t)length);
  assert_non_null(file);
  for (unsigned i = 0; i < 4; ++i) {
    file[i] = (uint8_t)(length >> (8 * i));
  }
  file[8] = '{';
  check_refused(file, 8 + (size_t)length, MAUDIO_ERR_BAD_MODEL, "100000001",
                "");
  free(file);
}

static void test_json_of_the_header(void** state)
{
  (void)state;
  check_header_refused("{", 0, "JSON", "");
  check_header_refused("{}x", 0, "JSON", "");
  check_header_refused("{\"a\":[[[[]]]]}", 0, "nested", "3");
  check_header_refused("{\"\xFF\":1}", 0, "JSON", "");
  check_header_refused("{\"\xC0\x80\":1}", 0, "JSON", "");
  check_header_refused("{\"__metadata__\":[]}", 0, "__metadata__", "");
  check_header_refused("{\"__metadata__\":{\"a\":1}}", 0, "__metadata__", "");
  check_header_refused("{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", 0,
                       "duplicate", "");
  check_header_refused("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],"
                       "\"data_offsets\":[0,4]},"
                       "\"w\":{\"dtype\":\"F32\",\"shape\":[1],"
                       "\"data_offsets\":[4,8]}}",
                       8, "duplicate", "");
}

static void test_entries(void** state)
{
  (void)state;
  check_header_refused("{\"w\":1}", 0, "'w'", "dtype");
  check_header_refused("{\"w\":{}}", 0, "'w'", "dtype");
  check_header_refused("{\"w\":{\"dtype\":\"F32\"}}", 0, "'w'", "shape");
  check_header_refused("{\"w\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "'w'",
                       "data_offsets");

  static const char* const shapes[] = {
    "[-1]",
    "[1.0]",
    "[\"1\"]",
    "[Infinity]",
    "[1,1,1,1,1,1,1,1,1]",
    "[4294967296,4294967296]",
    "[4611686018427387904,4]",
    "[9223372036854775807]",
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
    char header[160];
    snprintf(header, sizeof header,
             "{\"w\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,4]}}",
             shapes[i]);
    check_header_refused(header, 4, "'w'", "");
  }

  static const char* const offsets[] = {
    "[0]", "[0,4,8]", "[0,-4]", "[0,\"4\"]", "[4,0]", "[0,8]", "[0,3]", "{}"};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; ++i) {
    char header[160];
    snprintf(header, sizeof header,
             "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":%s}}",
             offsets[i]);
    check_header_refused(header, 4, "'w'", "");
  }
  check_header_refused(
    "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
    "4 bytes, expected 8", "(2)");
}

static void test_types_that_are_not_read(void** state)
{
  (void)state;
  static const char* const types[] = {"F64", "I64", "U8", "BOOL", "", "f32"};
  for (size_t i = 0; i < sizeof types / sizeof *types; ++i) {
    const size_t   n = 1;
    model_builder* b = model_builder_new(NULL);
    model_builder_add_raw(b, "w", types[i], 1, &n, "\0\0\0\0\0\0\0", 8);
    size_t         size = 0;
    uint8_t* const file = model_builder_finish(b, &size);
    model_builder_free(b);
    check_refused(file, size, MAUDIO_ERR_UNSUPPORTED, "'w'", types[i]);
    free(file);
  }
}

/// Two tensors of one float each, at the given offsets, in `n_bytes` of data
static void check_layout_refused(unsigned    first,
                                 unsigned    second,
                                 size_t      n_bytes,
                                 const char* word)
{
  char header[200];
  snprintf(header, sizeof header,
           "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%u,%u]},"
           "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%u,%u]}}",
           first, first + 4, second, second + 4);
  check_header_refused(header, n_bytes, word, "");
}

static void test_holes_and_overlap(void** state)
{
  (void)state;
  check_layout_refused(0, 8, 12, "leave a hole");
  check_layout_refused(8, 0, 12, "leave a hole");
  check_layout_refused(4, 8, 12, "leave a hole");
  check_layout_refused(0, 0, 8, "overlap");
  check_layout_refused(0, 2, 8, "overlap");
  check_layout_refused(0, 4, 9, "end at byte 8");
  check_layout_refused(0, 4, 7, "7 bytes of tensors");
  check_header_refused("{}", 1, "end at byte 0", "1 byte");
}

static void test_truncated_at_every_byte(void** state)
{
  (void)state;
  model_builder* b       = model_builder_new(model_builder_small_json);
  const size_t   shape[] = {5, 2};
  model_builder_add_random(b, "first", 2, shape);
  model_builder_add_random(b, "second", 1, shape);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);
  for (size_t n = 0; n < size; ++n) {
    // A copy of its own, so that a sanitizer sees reads beyond the end
    uint8_t* const cut = (uint8_t*)malloc(n ? n : 1);
    assert_non_null(cut);
    memcpy(cut, file, n);
    check_refused(cut, n, MAUDIO_ERR_BAD_MODEL, LABEL, "");
    free(cut);
  }
  maudio_weights_free(open_file(file, size));
  free(file);
}

static void test_every_bit_flipped(void** state)
{
  (void)state;
  const size_t   n = 2;
  model_builder* b = model_builder_new(NULL);
  model_builder_add_random(b, "w", 1, &n);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);
  for (size_t bit = 0; bit < 8 * (size - n * sizeof(float)); ++bit) {
    file[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    maudio_weights* weights = NULL;
    maudio_error    error   = {MAUDIO_SUCCESS, ""};
    const int       status =
      (int)maudio_weights_open(file, size, LABEL, &weights, &error);
    assert_int_equal(error.status, status);
    assert_int_equal(weights == NULL, status != 0);
    maudio_weights_free(weights);
    file[bit / 8] ^= (uint8_t)(1U << (bit % 8));
  }
  free(file);
}

static void test_long_names_leave_room_for_the_problem(void** state)
{
  (void)state;
  char name[301];
  memset(name, 'n', 300);
  name[300] = '\0';
  char label[400];
  memset(label, 'l', 399);
  label[399] = '\0';

  const size_t   n     = 1;
  const float    value = 1.0f;
  model_builder* b     = model_builder_new(NULL);
  model_builder_add(b, "w", 1, &n, &value);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);
  maudio_weights* weights = NULL;
  assert_int_equal(maudio_weights_open(file, size, label, &weights, NULL), 0);
  float        dst = 0.0f;
  maudio_error error;
  maudio_weights_get(weights, name, 1, &n, &dst, &error);
  assert_non_null(strstr(error.message, "of shape (1) is missing"));
  maudio_weights_free(weights);
  free(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reads_tensors),
    cmocka_unit_test(test_file_without_metadata),
    cmocka_unit_test(test_types_and_alignment),
    cmocka_unit_test(test_values_that_are_not_finite),
    cmocka_unit_test(test_missing_and_misshapen_tensors),
    cmocka_unit_test(test_frame_of_the_file),
    cmocka_unit_test(test_header_beyond_the_limit),
    cmocka_unit_test(test_json_of_the_header),
    cmocka_unit_test(test_entries),
    cmocka_unit_test(test_types_that_are_not_read),
    cmocka_unit_test(test_holes_and_overlap),
    cmocka_unit_test(test_truncated_at_every_byte),
    cmocka_unit_test(test_every_bit_flipped),
    cmocka_unit_test(test_long_names_leave_room_for_the_problem),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tensors of int8; the others are read in test_weights.c. */
#include "model_builder.h"
#include "weights.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LABEL "voice.safetensors"

static const int8_t codes[]  = {-128, 127, 0, 1, -1, 64};
static const size_t shape[]  = {2, 3};
static const float  scales[] = {0.5f, 0.0f};

/// The bytes of a file and what was opened on them
typedef struct {
  uint8_t*        file;
  maudio_weights* weights;
} opened;

static opened finish(model_builder* b)
{
  size_t       size  = 0;
  opened       o     = {model_builder_finish(b, &size), NULL};
  maudio_error error = {MAUDIO_SUCCESS, ""};
  model_builder_free(b);
  if (maudio_weights_open(o.file, size, LABEL, &o.weights, &error)) {
    fail_msg("%s", error.message);
  }
  return o;
}

static void clear(opened* o)
{
  maudio_weights_free(o->weights);
  free(o->file);
}

static model_builder* with_codes(void)
{
  model_builder* const b = model_builder_new(NULL);
  model_builder_add_raw(b, "w", "I8", 2, shape, codes, sizeof codes);
  return b;
}

static void test_reads_int8(void** state)
{
  (void)state;
  model_builder* const b = with_codes();
  model_builder_add(b, "w.scale", 1, shape, scales);
  opened o = finish(b);
  assert_true(maudio_weights_is_int8(o.weights, "w"));
  assert_false(maudio_weights_is_int8(o.weights, "w.scale"));
  assert_false(maudio_weights_is_int8(o.weights, "v"));
  assert_int_not_equal(maudio_weights_check_all_used(o.weights, NULL), 0);

  int8_t       found[6];
  float        found_scales[2];
  maudio_error error;
  if (maudio_weights_get_int8(o.weights, "w", shape, found, found_scales,
                              &error)) {
    fail_msg("%s", error.message);
  }
  assert_memory_equal(found, codes, sizeof codes);
  assert_memory_equal(found_scales, scales, sizeof scales);
  assert_int_equal(maudio_weights_check_all_used(o.weights, NULL), 0);
  clear(&o);
}

static void test_reads_int8_as_floats(void** state)
{
  (void)state;
  model_builder* const b = with_codes();
  model_builder_add(b, "w.scale", 1, shape, scales);
  opened             o          = finish(b);
  static const float expected[] = {-64.0f, 63.5f, 0.0f, 0.0f, 0.0f, 0.0f};
  float              found[6];
  assert_int_equal(maudio_weights_get(o.weights, "w", 2, shape, found, NULL),
                   0);
  for (size_t i = 0; i < 6; ++i) {
    assert_true(found[i] == expected[i]);
  }
  assert_int_equal(maudio_weights_check_all_used(o.weights, NULL), 0);
  clear(&o);
}

/// Check that both ways to read "w" fail, naming `word`, and use nothing
static void check_refused(model_builder* b, const char* word)
{
  opened       o = finish(b);
  maudio_error error;
  int8_t       found[6];
  float        floats[6];
  assert_int_equal(
    maudio_weights_get_int8(o.weights, "w", shape, found, floats, &error),
    MAUDIO_ERR_BAD_MODEL);
  if (!strstr(error.message, LABEL) || !strstr(error.message, word)) {
    fail_msg("'%s' lacks '%s'", error.message, word);
  }
  if (maudio_weights_is_int8(o.weights, "w")) {
    assert_int_equal(
      maudio_weights_get(o.weights, "w", 2, shape, floats, &error),
      MAUDIO_ERR_BAD_MODEL);
    assert_non_null(strstr(error.message, word));
  }
  assert_int_not_equal(maudio_weights_check_all_used(o.weights, NULL), 0);
  clear(&o);
}

static void check_scale_refused(float scale, const char* word)
{
  const float          bad[] = {1.0f, scale};
  model_builder* const b     = with_codes();
  model_builder_add(b, "w.scale", 1, shape, bad);
  check_refused(b, word);
}

static void test_bad_scales(void** state)
{
  (void)state;
  check_refused(with_codes(), "'w.scale' of shape (2) is missing");
  check_scale_refused(-1e-30f, "'w.scale' holds a negative scale at index 1");
  check_scale_refused(NAN, "'w.scale' holds NaN at index 1");
  check_scale_refused(INFINITY, "'w.scale' holds an infinite value");
  check_scale_refused(-INFINITY, "'w.scale' holds a negative scale");

  model_builder* b = with_codes();
  model_builder_add(b, "w.scale", 1, shape + 1, (const float[]){1, 1, 1});
  check_refused(b, "'w.scale' has shape (3), expected (2)");
  b = with_codes();
  model_builder_add_raw(b, "w.scale", "F16", 1, shape, scales, 4);
  check_refused(b, "'w.scale' is not of dtype F32");
}

static void test_bad_codes(void** state)
{
  (void)state;
  model_builder* b = model_builder_new(NULL);
  model_builder_add_random(b, "w", 2, shape);
  check_refused(b, "'w' is not of dtype I8");
  const size_t turned[] = {3, 2};
  b                     = model_builder_new(NULL);
  model_builder_add_raw(b, "w", "I8", 2, turned, codes, sizeof codes);
  check_refused(b, "'w' has shape (3, 2), expected (2, 3)");

  // Only matrices have rows
  b = model_builder_new(NULL);
  model_builder_add_raw(b, "w", "I8", 1, shape, codes, 2);
  model_builder_add(b, "w.scale", 1, shape, scales);
  opened       o = finish(b);
  maudio_error error;
  float        found[2];
  assert_int_equal(maudio_weights_get(o.weights, "w", 1, shape, found, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(error.message, "'w' is of int8, but has no rows"));
  clear(&o);
}

/// Scales beside a matrix that is not int8 belong to nothing
static void test_scales_alone(void** state)
{
  (void)state;
  model_builder* const b = model_builder_new(NULL);
  model_builder_add_random(b, "w", 2, shape);
  model_builder_add(b, "w.scale", 1, shape, scales);
  opened o = finish(b);
  float  found[6];
  assert_int_equal(maudio_weights_get(o.weights, "w", 2, shape, found, NULL),
                   0);
  maudio_error error;
  assert_int_not_equal(maudio_weights_check_all_used(o.weights, &error), 0);
  assert_non_null(strstr(error.message, "'w.scale'"));
  clear(&o);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_reads_int8),
    cmocka_unit_test(test_reads_int8_as_floats),
    cmocka_unit_test(test_bad_scales),
    cmocka_unit_test(test_bad_codes),
    cmocka_unit_test(test_scales_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

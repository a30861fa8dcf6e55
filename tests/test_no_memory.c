/** @file
 * Whichever allocation fails, the caller is told so and nothing is lost.
 */
#include "failing_alloc.h"
#include "maudio.h"
#include "model_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/// More allocations than anything here makes
enum { MANY = 100000 };

typedef struct {
  uint8_t* data;
  size_t   size;
} file;

static file build(const char* json)
{
  file                 f;
  model_builder* const builder = model_builder_new(json);
  model_builder_add_network(builder);
  f.data = model_builder_finish(builder, &f.size);
  model_builder_free(builder);
  return f;
}

static int set_up(void** state)
{
  static file f;
  f      = build(model_builder_small_json);
  *state = &f;
  return 0;
}

static int tear_down(void** state)
{
  free(((file*)*state)->data);
  return 0;
}

static bool append(const void* data, size_t size, void* user)
{
  file* const    to    = (file*)user;
  uint8_t* const grown = (uint8_t*)realloc(to->data, to->size + size + 1);
  if (!grown) {
    return false;
  }
  memcpy(grown + to->size, data, size);
  to->data = grown;
  to->size += size;
  return true;
}

/// Write the file, quantize it, return what came out
static file quantize(const file* f)
{
  char      path[] = "/tmp/maudio_test_no_memory.XXXXXX";
  const int fd     = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, f->data, f->size), f->size);
  assert_int_equal(close(fd), 0);

  file     to   = {NULL, 0};
  unsigned n    = 0;
  bool     done = false;
  while (!done && n < MANY) {
    maudio_error         error;
    maudio_quantize_info info;
    free(to.data);
    to = (file){NULL, 0};
    failing_alloc_start(n++);
    const maudio_status status =
      maudio_quantize(path, append, &to, &info, &error);
    const int n_blocks = failing_alloc_stop();
    done               = status == MAUDIO_SUCCESS;
    assert_int_equal(n_blocks, to.data != NULL);
    // A writer that fails is not known to lack memory
    if (!done && status != MAUDIO_ERR_NO_MEMORY && status != MAUDIO_ERR_IO &&
        !strstr(error.message, "Bad JSON")) {
      fail_msg("Status %d: %s", (int)status, error.message);
    }
  }
  unlink(path);
  assert_true(done && n > 10);
  return to;
}

static maudio_model* open_model(const file* f)
{
  maudio_model* model = NULL;
  maudio_error  error;
  if (maudio_model_open_memory(f->data, f->size, "small", &model, &error)) {
    fail_msg("%s", error.message);
  }
  return model;
}

/// Check the `n`th outcome; return whether nothing had to fail any more
static bool check(maudio_status       status,
                  const maudio_error* error,
                  const void*         result,
                  int                 n_blocks)
{
  if (status == MAUDIO_SUCCESS) {
    assert_non_null(result);
    return true;
  }
  // The JSON library cannot always tell why it failed
  if (status != MAUDIO_ERR_NO_MEMORY &&
      (status != MAUDIO_ERR_BAD_MODEL || !strstr(error->message, "Bad JSON"))) {
    fail_msg("Status %d: %s", (int)status, error->message);
  }
  assert_int_equal(error->status, status);
  assert_true(strlen(error->message) > 0);
  assert_null(result);
  assert_int_equal(n_blocks, 0);
  return false;
}

static void check_model_in_memory(const file* f)
{
  unsigned n    = 0;
  bool     done = false;
  while (!done && n < MANY) {
    maudio_model* model = NULL;
    maudio_error  error;
    failing_alloc_start(n++);
    const maudio_status status =
      maudio_model_open_memory(f->data, f->size, "small", &model, &error);
    done = check(status, &error, model, failing_alloc_stop());
    maudio_model_free(model);
  }
  assert_true(done && n > 10);
}

static void test_model_in_memory(void** state)
{
  check_model_in_memory((const file*)*state);
}

static void test_int8(void** state)
{
  const file small = quantize((const file*)*state);
  check_model_in_memory(&small);
  free(small.data);
}

static void check_shape(const char* json)
{
  const file f    = build(json);
  const file int8 = quantize(&f);
  check_model_in_memory(&f);
  check_model_in_memory(&int8);
  free(int8.data);
  free(f.data);
}

static void test_other_shapes(void** state)
{
  (void)state;
  check_shape(model_builder_steer_json);
  check_shape(model_builder_filter_json);
}

static void test_model_file(void** state)
{
  const file* const f      = (const file*)*state;
  char              path[] = "/tmp/maudio_test_no_memory.XXXXXX";
  const int         fd     = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, f->data, f->size), f->size);
  assert_int_equal(close(fd), 0);

  unsigned n    = 0;
  bool     done = false;
  while (!done && n < MANY) {
    maudio_model* model = NULL;
    maudio_error  error;
    failing_alloc_start(n++);
    const maudio_status status = maudio_model_open(path, &model, &error);
    done = check(status, &error, model, failing_alloc_stop());
    maudio_model_free(model);
  }
  unlink(path);
  assert_true(done && n > 10);
}

static void test_model_folder(void** state)
{
  (void)state;
  static const char path[] = MAUDIO_TEST_DIR "/conformance/small_jamba";

  unsigned n    = 0;
  bool     done = false;
  while (!done && n < MANY) {
    maudio_model* model = NULL;
    maudio_error  error;
    failing_alloc_start(n++);
    const maudio_status status = maudio_model_open(path, &model, &error);
    done = check(status, &error, model, failing_alloc_stop());
    maudio_model_free(model);
  }
  assert_true(done && n > 100);
}

static void test_sequence(void** state)
{
  (void)state;
  static const char path[] = MAUDIO_TEST_DIR "/conformance/small_bamba";

  maudio_model* model = NULL;
  unsigned      n     = 0;
  bool          done  = false;
  assert_int_equal(maudio_model_open(path, &model, NULL), MAUDIO_SUCCESS);
  while (!done && n < MANY) {
    maudio_sequence* sequence = NULL;
    maudio_error     error;
    failing_alloc_start(n++);
    const maudio_status status =
      maudio_sequence_new(model, 0, &sequence, &error);
    done = check(status, &error, sequence, failing_alloc_stop());
    maudio_sequence_free(sequence);
  }
  assert_int_equal(n, 2); // One allocation
  maudio_model_free(model);
}

static void test_generator(void** state)
{
  (void)state;
  file                 f;
  model_builder* const builder = model_builder_new(model_builder_tiers_json);
  model_builder_add_network(builder);
  f.data = model_builder_finish(builder, &f.size);
  model_builder_free(builder);
  check_model_in_memory(&f);

  maudio_model* const model = open_model(&f);
  unsigned            n     = 0;
  bool                done  = false;
  while (!done && n < MANY) {
    maudio_generator* generator = NULL;
    maudio_error      error;
    failing_alloc_start(n++);
    const maudio_status status =
      maudio_generator_new(model, &generator, &error);
    done = check(status, &error, generator, failing_alloc_stop());
    maudio_generator_free(generator);
  }
  assert_int_equal(n, 2); // One allocation
  maudio_model_free(model);
  free(f.data);
}

static void test_stream(void** state)
{
  maudio_model* const model = open_model((const file*)*state);
  unsigned            n     = 0;
  bool                done  = false;
  while (!done && n < MANY) {
    maudio_stream* stream = NULL;
    maudio_error   error;
    failing_alloc_start(n++);
    const maudio_status status =
      maudio_stream_new(model, 48000, 2, &stream, &error);
    done = check(status, &error, stream, failing_alloc_stop());
    maudio_stream_free(stream);
  }
  assert_true(done && n > 1);
  maudio_model_free(model);
}

/// What was allocated is freed, when nothing fails
static void test_all_is_freed(void** state)
{
  const file* const f      = (const file*)*state;
  maudio_model*     model  = NULL;
  maudio_stream*    stream = NULL;
  failing_alloc_start(MANY);
  const maudio_status opened =
    maudio_model_open_memory(f->data, f->size, "small", &model, NULL);
  const maudio_status made = maudio_stream_new(model, 44100, 1, &stream, NULL);
  maudio_stream_free(stream);
  maudio_model_free(model);
  assert_int_equal(failing_alloc_stop(), 0);
  assert_int_equal(opened, MAUDIO_SUCCESS);
  assert_int_equal(made, MAUDIO_SUCCESS);
}

/// The allocator of this test does what it says
static void test_failing_alloc(void** state)
{
  (void)state;
  // Volatile, or a compiler may do without blocks that nobody uses
  void* volatile blocks[3];
  failing_alloc_start(2);
  blocks[0] = malloc(1);
  blocks[1] = calloc(1, 1);
  blocks[2] = malloc(1);
  free(blocks[0]);
  const int n_blocks = failing_alloc_stop();
  assert_non_null(blocks[1]);
  assert_null(blocks[2]);
  assert_int_equal(n_blocks, 1);
  free(blocks[1]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_failing_alloc),
    cmocka_unit_test(test_model_in_memory),
    cmocka_unit_test(test_int8),
    cmocka_unit_test(test_other_shapes),
    cmocka_unit_test(test_model_file),
    cmocka_unit_test(test_model_folder),
    cmocka_unit_test(test_sequence),
    cmocka_unit_test(test_generator),
    cmocka_unit_test(test_stream),
    cmocka_unit_test(test_all_is_freed),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

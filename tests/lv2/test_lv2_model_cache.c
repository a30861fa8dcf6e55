#include "host.h"
#include "model_cache.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BANDS MAUDIO_TEST_DIR "/golden/network_bands.safetensors"
#define WHOLE MAUDIO_TEST_DIR "/golden/network_whole.safetensors"

static const maudio_model* open_model(const char* path)
{
  const maudio_model* model = NULL;
  maudio_error        error = {.message = ""};
  if (model_cache_open(path, &model, &error)) {
    fail_msg("%s", error.message);
  }
  return model;
}

static void one_file_is_one_model(void** state)
{
  (void)state;
  const maudio_model* const a = open_model(BANDS);
  const maudio_model* const b = open_model(BANDS);
  const maudio_model* const c =
    open_model(MAUDIO_TEST_DIR "/golden/../golden/network_bands.safetensors");
  const maudio_model* const d = open_model(WHOLE);
  assert_ptr_equal(a, b);
  assert_ptr_equal(a, c);
  assert_ptr_not_equal(a, d);
  model_cache_close(a);
  model_cache_close(d);
  model_cache_close(b);
  maudio_model_info info; // Still there
  maudio_model_get_info(c, &info);
  assert_true(info.n_parameters > 0);
  model_cache_close(c);
  model_cache_close(NULL);
}

static void a_file_that_changed_is_another(void** state)
{
  (void)state;
  char folder[] = "/tmp/maudio-cache-XXXXXX";
  char path[64];
  char link[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/a.safetensors", folder);
  snprintf(link, sizeof link, "%s/b.safetensors", folder);
  host_copy_file(BANDS, path);
  assert_int_equal(symlink(path, link), 0);
  const maudio_model* const before = open_model(path);
  assert_ptr_equal(open_model(link), before);

  // The same bytes at another time
  const struct timespec times[] = {{1000, 0}, {1000, 0}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  const maudio_model* const touched = open_model(path);
  assert_ptr_not_equal(touched, before);

  // Other bytes at the same time
  host_copy_file(WHOLE, path);
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  const maudio_model* const changed = open_model(link);
  assert_ptr_not_equal(changed, before);
  assert_ptr_not_equal(changed, touched);

  model_cache_close(before);
  model_cache_close(before);
  model_cache_close(touched);
  model_cache_close(changed);
  assert_int_equal(remove(link), 0);
  assert_int_equal(remove(path), 0);
  assert_int_equal(rmdir(folder), 0);
}

static void what_cannot_be_opened_is_named(void** state)
{
  (void)state;
  static const char* const paths[] = {"/nonexistent/a.safetensors",
                                      MAUDIO_TEST_DIR "/audio/noisy.wav"};
  for (size_t i = 0; i < 2; ++i) {
    const maudio_model* model = NULL;
    maudio_error        error = {.message = ""};
    assert_int_not_equal(model_cache_open(paths[i], &model, &error), 0);
    assert_null(model);
    assert_non_null(strstr(error.message, strrchr(paths[i], '/')));
    assert_int_not_equal(model_cache_open(paths[i], &model, NULL), 0);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_file_is_one_model),
    cmocka_unit_test(a_file_that_changed_is_another),
    cmocka_unit_test(what_cannot_be_opened_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

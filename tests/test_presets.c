#include "maudio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512

/// Two folders of presets, both named by MAUDIO_PRESETS
typedef struct {
  char root[64];
  char first[96];
  char second[96];
} folders;

static void make_path(char* path, const char* folder, const char* file)
{
  assert_in_range(snprintf(path, PATH_SIZE, "%s/%s", folder, file), 1,
                  PATH_SIZE - 1);
}

static void touch(const char* folder, const char* file)
{
  char path[PATH_SIZE];
  make_path(path, folder, file);
  FILE* const stream = fopen(path, "w");
  assert_non_null(stream);
  assert_int_equal(fclose(stream), 0);
}

static int set_up(void** state)
{
  folders* const f = (folders*)calloc(1, sizeof(folders));
  assert_non_null(f);
  strcpy(f->root, "/tmp/maudio-presets-XXXXXX");
  assert_non_null(mkdtemp(f->root));
  snprintf(f->first, sizeof(f->first), "%s/first", f->root);
  snprintf(f->second, sizeof(f->second), "%s/second", f->root);
  assert_int_equal(mkdir(f->first, 0700), 0);
  assert_int_equal(mkdir(f->second, 0700), 0);

  touch(f->first, "zz-test-b.safetensors");
  touch(f->first, "zz-test-notes.md");
  touch(f->first, ".safetensors");
  touch(f->first, ".zz-test-hidden.safetensors");
  touch(f->second, "zz-test-b.safetensors");
  touch(f->second, "zz-test-a.safetensors");
  char folder[PATH_SIZE];
  make_path(folder, f->second, "zz-test-folder.safetensors");
  assert_int_equal(mkdir(folder, 0700), 0);

  char list[PATH_SIZE];
  snprintf(list, sizeof(list), ":%s/missing:%s::%s:", f->root, f->first,
           f->second);
  assert_int_equal(setenv("MAUDIO_PRESETS", list, 1), 0);
  *state = f;
  return 0;
}

static int tear_down(void** state)
{
  static const char* const files[] = {
    "first/zz-test-b.safetensors",
    "first/zz-test-notes.md",
    "first/.safetensors",
    "first/.zz-test-hidden.safetensors",
    "second/zz-test-b.safetensors",
    "second/zz-test-a.safetensors",
    "second/zz-test-folder.safetensors",
    "first",
    "second",
  };
  folders* const f = (folders*)*state;
  unsetenv("MAUDIO_PRESETS");
  for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); ++i) {
    char path[PATH_SIZE];
    make_path(path, f->root, files[i]);
    assert_int_equal(remove(path), 0);
  }
  assert_int_equal(rmdir(f->root), 0);
  free(f);
  return 0;
}

static void finds_the_first_of_two(void** state)
{
  const folders* const f = (const folders*)*state;

  char expected[PATH_SIZE];
  char path[PATH_SIZE];
  make_path(expected, f->first, "zz-test-b.safetensors");
  assert_int_equal(maudio_preset_find("zz-test-b", path, sizeof(path), NULL),
                   MAUDIO_SUCCESS);
  assert_string_equal(path, expected);

  make_path(expected, f->second, "zz-test-a.safetensors");
  assert_int_equal(maudio_preset_find("zz-test-a", path, sizeof(path), NULL),
                   MAUDIO_SUCCESS);
  assert_string_equal(path, expected);
}

static void names_what_it_does_not_find(void** state)
{
  (void)state;
  static const char* const names[] = {"zz-test-missing", "zz-test-folder"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
    char         path[PATH_SIZE];
    maudio_error error = {MAUDIO_SUCCESS, ""};
    assert_int_equal(maudio_preset_find(names[i], path, sizeof(path), &error),
                     MAUDIO_ERR_NOT_FOUND);
    assert_int_equal(error.status, MAUDIO_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, names[i]));
  }
}

static void refuses_what_is_no_name(void** state)
{
  (void)state;
  static const char* const names[] = {"", "../second/zz-test-a",
                                      ".zz-test-hidden", "/etc/passwd"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); ++i) {
    char path[PATH_SIZE];
    assert_int_equal(maudio_preset_find(names[i], path, sizeof(path), NULL),
                     MAUDIO_ERR_BAD_ARG);
  }
}

static void refuses_a_short_buffer(void** state)
{
  const folders* const f = (const folders*)*state;
  setenv("MAUDIO_PRESETS", f->first, 1);

  char expected[PATH_SIZE];
  make_path(expected, f->first, "zz-test-b.safetensors");
  const size_t length = strlen(expected);
  char         path[PATH_SIZE];
  assert_int_equal(maudio_preset_find("zz-test-b", path, length, NULL),
                   MAUDIO_ERR_BAD_ARG);
  assert_int_equal(maudio_preset_find("zz-test-b", path, length + 1, NULL),
                   MAUDIO_SUCCESS);
  assert_string_equal(path, expected);
}

/// What a visit saw of the presets of these tests
typedef struct {
  size_t n_visits;
  size_t n_seen;
  size_t stop_after; ///< Number of visits, 0: never
  char   last[64];
  char   names[4][64];
  char   paths[4][PATH_SIZE];
} visits;

static bool visit(const char* name, const char* path, void* user)
{
  visits* const v = (visits*)user;
  ++v->n_visits;
  assert_true(strcmp(v->last, name) < 0);
  snprintf(v->last, sizeof(v->last), "%s", name);
  if (!strncmp(name, "zz-test-", 8)) {
    assert_in_range(v->n_seen, 0, 3);
    snprintf(v->names[v->n_seen], sizeof(v->names[0]), "%s", name);
    snprintf(v->paths[v->n_seen], sizeof(v->paths[0]), "%s", path);
    ++v->n_seen;
  }
  return v->n_visits != v->stop_after;
}

static void visits_each_once_in_order(void** state)
{
  const folders* const f = (const folders*)*state;
  visits               v = {0};
  assert_int_equal(maudio_preset_each(visit, &v, NULL), MAUDIO_SUCCESS);
  assert_int_equal(v.n_seen, 2);

  char expected[PATH_SIZE];
  assert_string_equal(v.names[0], "zz-test-a");
  make_path(expected, f->second, "zz-test-a.safetensors");
  assert_string_equal(v.paths[0], expected);
  assert_string_equal(v.names[1], "zz-test-b");
  make_path(expected, f->first, "zz-test-b.safetensors");
  assert_string_equal(v.paths[1], expected);
}

static void stops_when_told(void** state)
{
  (void)state;
  visits v     = {0};
  v.stop_after = 1;
  assert_int_equal(maudio_preset_each(visit, &v, NULL), MAUDIO_SUCCESS);
  assert_int_equal(v.n_visits, 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(finds_the_first_of_two, set_up, tear_down),
    cmocka_unit_test_setup_teardown(names_what_it_does_not_find, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(refuses_what_is_no_name, set_up, tear_down),
    cmocka_unit_test_setup_teardown(refuses_a_short_buffer, set_up, tear_down),
    cmocka_unit_test_setup_teardown(visits_each_once_in_order, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(stops_when_told, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

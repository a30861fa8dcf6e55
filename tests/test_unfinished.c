#include "unfinished.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/maudio-unfinished-XXXXXX";
static char model[64];
static char in[64];
static char out[64];

static const unfinished_settings settings = {model, 1.0F, 100.0F, 0.0F,
                                             "float32"};

static void make(const char* path)
{
  FILE* const file = fopen(path, "w");
  assert_non_null(file);
  fputs(path, file);
  fclose(file);
}

/// Set when a file was changed, in seconds from when the run began
static void set_time(const char* path, const unfinished* u, long seconds)
{
  struct timespec times[2] = {u->since, u->since};
  times[0].tv_sec += seconds;
  times[1].tv_sec += seconds;
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int set_up(void** state)
{
  (void)state;
  if (!mkdtemp(folder)) {
    return -1;
  }
  snprintf(model, sizeof(model), "%s/model", folder);
  snprintf(in, sizeof(in), "%s/in", folder);
  snprintf(out, sizeof(out), "%s/out", folder);
  make(model);
  make(in);
  make(out);
  return 0;
}

static int tear_down(void** state)
{
  (void)state;
  char path[96];
  snprintf(path, sizeof(path), "%s/" UNFINISHED_NAME, folder);
  unlink(path);
  unlink(model);
  unlink(in);
  unlink(out);
  return rmdir(folder);
}

static void what_was_made_since_is_left_out(void** state)
{
  (void)state;
  const job  work = {in, out, 0};
  unfinished u;
  unfinished_begin(&u, folder, &settings, true);
  assert_false(u.continues);
  set_time(in, &u, -5);
  set_time(out, &u, 5);
  assert_false(unfinished_has(&u, &work)); // a run that begins

  unfinished_begin(&u, folder, &settings, false);
  assert_true(u.continues);
  assert_true(unfinished_has(&u, &work));
  set_time(out, &u, -3); // of an earlier run
  assert_false(unfinished_has(&u, &work));
  set_time(out, &u, 5);
  set_time(in, &u, 7); // changed since
  assert_false(unfinished_has(&u, &work));
  const job missing = {in, model, 0};
  unlink(model);
  assert_false(unfinished_has(&u, &missing));
  make(model);
}

static void in_place_is_done_once(void** state)
{
  (void)state;
  const job  work = {in, in, 0};
  unfinished u;
  unfinished_begin(&u, folder, &settings, true);
  unfinished_begin(&u, folder, &settings, false);
  set_time(in, &u, 5);
  assert_true(unfinished_has(&u, &work));
  set_time(in, &u, -5);
  assert_false(unfinished_has(&u, &work));
}

static void other_settings_begin_anew(void** state)
{
  (void)state;
  const unfinished_settings others[] = {{model, 0.5F, 100.0F, 0.0F, "float32"},
                                        {model, 1.0F, 12.0F, 0.0F, "float32"},
                                        {model, 1.0F, 100.0F, 3.0F, "float32"},
                                        {model, 1.0F, 100.0F, 0.0F, "bf16"},
                                        {in, 1.0F, 100.0F, 0.0F, "float32"}};
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); ++i) {
    unfinished u;
    unfinished_begin(&u, folder, &settings, true);
    unfinished_begin(&u, folder, &others[i], false);
    assert_false(u.continues);
    unfinished_begin(&u, folder, &others[i], false);
    assert_true(u.continues);
  }
}

static void a_complete_run_leaves_nothing(void** state)
{
  (void)state;
  struct stat info;
  unfinished  u;
  unfinished_begin(&u, folder, &settings, false);
  unfinished_end(&u, false);
  assert_int_equal(stat(u.path, &info), 0);
  unfinished_end(&u, true);
  assert_int_not_equal(stat(u.path, &info), 0);
}

static void a_folder_that_cannot_be_written_is_no_error(void** state)
{
  (void)state;
  const job  work = {in, out, 0};
  unfinished u;
  unfinished_begin(&u, in, &settings, false);
  assert_false(unfinished_has(&u, &work));
  unfinished_end(&u, true);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_was_made_since_is_left_out),
    cmocka_unit_test(in_place_is_done_once),
    cmocka_unit_test(other_settings_begin_anew),
    cmocka_unit_test(a_complete_run_leaves_nothing),
    cmocka_unit_test(a_folder_that_cannot_be_written_is_no_error),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include "file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
  char folder[64];
  char path[96];
} fixture;

static int set_up(void** state)
{
  fixture* const f = (fixture*)calloc(1, sizeof *f);
  assert_non_null(f);
  strcpy(f->folder, "/tmp/maudio_test_file.XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  snprintf(f->path, sizeof f->path, "%s/file", f->folder);
  *state = f;
  return 0;
}

static int tear_down(void** state)
{
  fixture* const f = (fixture*)*state;
  unlink(f->path);
  rmdir(f->folder);
  free(f);
  return 0;
}

static void write_file(const char* path, const void* data, size_t size)
{
  FILE* const file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static void test_reads_every_byte(void** state)
{
  const fixture* const f      = (const fixture*)*state;
  const size_t         n      = 300001;
  unsigned char* const expect = (unsigned char*)malloc(n);
  assert_non_null(expect);
  for (size_t i = 0; i < n; ++i) {
    expect[i] = (unsigned char)(i * 7 + i / 256);
  }
  write_file(f->path, expect, n);

  void*  data = NULL;
  size_t size = 0;
  assert_int_equal(maudio_file_read(f->path, &data, &size, NULL), 0);
  assert_int_equal(size, n);
  assert_memory_equal(data, expect, n);
  free(data);
  free(expect);
}

static void test_empty_file(void** state)
{
  const fixture* const f    = (const fixture*)*state;
  void*                data = NULL;
  size_t               size = 1;
  write_file(f->path, "", 0);
  assert_int_equal(maudio_file_read(f->path, &data, &size, NULL), 0);
  assert_int_equal(size, 0);
  assert_non_null(data);
  free(data);
}

static void check_refused(const char* path, maudio_status status)
{
  void*        data = NULL;
  size_t       size = 0;
  maudio_error error;
  assert_int_equal(maudio_file_read(path, &data, &size, &error), status);
  assert_int_equal(error.status, status);
  assert_non_null(strstr(error.message, path));
  assert_null(data);
}

static void test_missing_file(void** state)
{
  const fixture* const f = (const fixture*)*state;
  check_refused(f->path, MAUDIO_ERR_NOT_FOUND);

  // Below a file instead of a folder
  char below[128];
  snprintf(below, sizeof below, "%s/below", f->path);
  write_file(f->path, "x", 1);
  check_refused(below, MAUDIO_ERR_NOT_FOUND);
}

static void test_folder(void** state)
{
  const fixture* const f = (const fixture*)*state;
  check_refused(f->folder, MAUDIO_ERR_IO);
}

static void test_fifo_does_not_hang(void** state)
{
  const fixture* const f = (const fixture*)*state;
  assert_int_equal(mkfifo(f->path, 0600), 0);
  check_refused(f->path, MAUDIO_ERR_IO);
}

static void test_unreadable_file(void** state)
{
  const fixture* const f = (const fixture*)*state;
  if (geteuid() == 0) {
    skip(); // Root reads everything
  }
  write_file(f->path, "x", 1);
  assert_int_equal(chmod(f->path, 0), 0);
  check_refused(f->path, MAUDIO_ERR_IO);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_reads_every_byte, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_empty_file, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_missing_file, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_folder, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_fifo_does_not_hang, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_unreadable_file, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

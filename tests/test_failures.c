#include "failures.h"

#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void reasons_are_the_last_complaints(void** state)
{
  (void)state;
  failure_list list = {0};
  char         path[16];
  char         sentence[32];
  for (int i = 0; i < 100; ++i) {
    snprintf(path, sizeof(path), "%d.wav", i);
    complain(path, "is %d", i);
    failures_add(&list, path);
  }
  assert_int_equal(list.n, 100);
  assert_int_equal(list.n_items, 100);
  for (int i = 0; i < 100; ++i) {
    snprintf(path, sizeof(path), "%d.wav", i);
    snprintf(sentence, sizeof(sentence), "%d.wav: is %d", i, i);
    assert_string_equal(list.items[i].path, path);
    assert_string_equal(list.items[i].reason, sentence);
  }
  failures_clear(&list);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(reasons_are_the_last_complaints),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

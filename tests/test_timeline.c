#include "timeline.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BLOCK_S 0.005

/// Callbacks for some seconds, late by 0 to 4 ms in turn
static void call(timeline* t, double seconds, double origin_s)
{
  for (int i = 0; i < (int)(seconds / BLOCK_S); ++i) {
    timeline_update(t, origin_s + 0.001 * (i % 5), BLOCK_S);
  }
}

static void lateness_is_left_out(void** state)
{
  (void)state;
  timeline t = {0};
  call(&t, 1.0, 3.0);
  assert_true(t.origin_s == 3.0);
  call(&t, 10.0, 3.0);
  assert_true(t.origin_s == 3.0);
}

static void what_is_earlier_counts_at_once(void** state)
{
  (void)state;
  timeline t = {0};
  call(&t, 1.0, 3.0);
  timeline_update(&t, 2.995, BLOCK_S);
  assert_true(t.origin_s == 2.995);
}

static void what_stays_later_counts_after_two_seconds(void** state)
{
  (void)state;
  timeline t = {0};
  call(&t, 5.0, 3.0);
  call(&t, 0.9, 3.005);
  assert_true(t.origin_s == 3.0);
  call(&t, 1.2, 3.005);
  assert_true(t.origin_s == 3.005);
}

static void a_device_that_stood_still_counts_at_once(void** state)
{
  (void)state;
  timeline t = {0};
  call(&t, 5.0, 3.0);
  timeline_update(&t, 3.5, BLOCK_S);
  assert_true(t.origin_s == 3.5);
  timeline_update(&t, 3.0, BLOCK_S);
  assert_true(t.origin_s == 3.0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(lateness_is_left_out),
    cmocka_unit_test(what_is_earlier_counts_at_once),
    cmocka_unit_test(what_stays_later_counts_after_two_seconds),
    cmocka_unit_test(a_device_that_stood_still_counts_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

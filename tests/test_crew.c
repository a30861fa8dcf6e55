#include "crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct {
  atomic_size_t n_begun;
  atomic_size_t n_items;
} counters;

static void count(void* user)
{
  counters* const c = (counters*)user;
  atomic_fetch_add(&c->n_begun, 1);
  while (atomic_fetch_add(&c->n_items, 1) < 1000) {
  }
}

static void all_threads_work(void** state)
{
  (void)state;
  for (size_t n = 1; n <= 20; ++n) {
    counters c = {0};
    crew_run(n, count, &c);
    assert_int_equal(c.n_begun, n);
    assert_int_equal(c.n_items, 1000 + n);
  }
}

static void there_is_a_processor(void** state)
{
  (void)state;
  assert_true(crew_processors() >= 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(all_threads_work),
    cmocka_unit_test(there_is_a_processor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "no_syscalls.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void compute(void* user)
{
  volatile double* const x = (volatile double*)user;
  *x                       = sin(*x);
}

static void write_nothing(void* user)
{
  (void)!write(STDOUT_FILENO, user, 0);
}

static void look_at_oneself(void* user)
{
  (void)user;
  getppid();
}

static void sleep_briefly(void* user)
{
  (void)user;
  const struct timespec moment = {0, 1};
  nanosleep(&moment, NULL);
}

static void give_up(void* user)
{
  (void)user;
  _exit(3);
}

static void system_calls_are_seen(void** state)
{
  (void)state;
  double x = 0.5;
  if (no_syscalls(compute, &x) == NO_SYSCALLS_UNSUPPORTED) {
    print_message("This system does not filter system calls\n");
    skip();
  }
  assert_int_equal(no_syscalls(compute, &x), NO_SYSCALLS_DONE);
  assert_int_equal(no_syscalls(write_nothing, &x), NO_SYSCALLS_KILLED);
  assert_int_equal(no_syscalls(look_at_oneself, &x), NO_SYSCALLS_KILLED);
  assert_int_equal(no_syscalls(sleep_briefly, &x), NO_SYSCALLS_KILLED);
  assert_int_equal(no_syscalls(give_up, &x), NO_SYSCALLS_CRASHED);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(system_calls_are_seen)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "realtime_checks.h"

#include "no_syscalls.h"
#include "rt_guard.h"

#include "float_mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void check_guarded(void (*use)(void*), void* user)
{
  rt_guard_enter();
  use(user);
  const unsigned n_calls = rt_guard_leave();
  if (n_calls) {
    fail_msg("%u calls, the last of %s()", n_calls, rt_guard_last());
  }
}

void check_confined(void (*use)(void*), void* user)
{
  const no_syscalls_result result = no_syscalls(use, user);
  if (result == NO_SYSCALLS_UNSUPPORTED) {
    print_message("This system does not filter system calls\n");
    skip();
  }
  assert_int_equal(result, NO_SYSCALLS_DONE);
}

void check_float_mode_kept(void (*use)(void*), void* user)
{
  const uint64_t before = maudio_float_mode_enter();
  maudio_float_mode_leave(before);
  use(user);
  assert_int_equal(maudio_float_mode_enter(), before);
  maudio_float_mode_leave(before);
}

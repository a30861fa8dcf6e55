#include "bridge.h"
#include "rt_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define RATE_HZ 48000.0
#define N_BLOCK 256

/// Through listening, playing, an underrun and an overflow
static void neither_side_allocates_or_locks(void** state)
{
  (void)state;
  static float       samples[2][N_BLOCK];
  const float* const in[]  = {samples[0], samples[1]};
  float* const       out[] = {samples[0], samples[1]};
  bridge* const      b     = bridge_new(RATE_HZ, RATE_HZ, 2, 0.01);
  bridge_reading     reading;
  assert_non_null(b);

  rt_guard_enter();
  for (int i = 0; i < 2000; ++i) {
    const double now_s  = i * N_BLOCK / RATE_HZ;
    const bool   writes = i < 1000 || i >= 1100;
    const bool   reads  = i < 1400 || i >= 1700;
    if (writes) {
      bridge_write(b, in, N_BLOCK, now_s);
    }
    if (reads) {
      bridge_read(b, out, N_BLOCK, now_s);
    }
  }
  bridge_read_state(b, &reading);
  assert_int_equal(rt_guard_leave(), 0);

  assert_true(reading.playing);
  assert_int_equal(reading.n_underruns, 1);
  assert_int_equal(reading.n_jumps, 1);
  assert_true(reading.n_overflows > 0);
  bridge_free(b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(neither_side_allocates_or_locks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

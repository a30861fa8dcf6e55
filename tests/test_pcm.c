#include "pcm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const unsigned all_bits[] = {8, 12, 16, 24, 32};

/// What the nearest integer is, by the C library
static int32_t expected(double sample, unsigned bits)
{
  const double scale = (double)((int64_t)1 << (bits - 1));
  return (int32_t)fmin(fmax(rint(sample * scale), -scale), scale - 1.0);
}

static void halves_go_to_the_even_one(void** state)
{
  (void)state;
  for (size_t b = 0; b < sizeof(all_bits) / sizeof(all_bits[0]); ++b) {
    const double unit = ldexp(1.0, 1 - (int)all_bits[b]);
    for (int i = -1000; i < 1000; ++i) {
      const double sample = 0.125 * i * unit;
      assert_int_equal(pcm_round(sample, all_bits[b]),
                       expected(sample, all_bits[b]));
    }
  }
}

static void the_range_ends(void** state)
{
  (void)state;
  const double samples[] = {-1e30, -1.5, -1.0, -0.99999999999,
                            1e30,  1.5,  1.0,  0.99999999999};
  for (size_t b = 0; b < sizeof(all_bits) / sizeof(all_bits[0]); ++b) {
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); ++i) {
      assert_int_equal(pcm_round(samples[i], all_bits[b]),
                       expected(samples[i], all_bits[b]));
    }
  }
}

static void a_block_is_in_the_upper_bits(void** state)
{
  (void)state;
  const double samples[] = {-1.0, -0.3, 0.0, 1.0 / 3.0, 2.0};
  int32_t      numbers[5];
  for (size_t b = 0; b < sizeof(all_bits) / sizeof(all_bits[0]); ++b) {
    const int32_t unit = (int32_t)1 << (32 - all_bits[b]);
    pcm_round_block(samples, all_bits[b], numbers, 5);
    for (size_t i = 0; i < 5; ++i) {
      assert_int_equal(numbers[i], expected(samples[i], all_bits[b]) * unit);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(halves_go_to_the_even_one),
    cmocka_unit_test(the_range_ends),
    cmocka_unit_test(a_block_is_in_the_upper_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "maudio.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint8_t encode(float x)
{
  uint8_t code = 0;
  maudio_codes_from_samples(&x, 1, &code);
  return code;
}

static float decode(uint8_t code)
{
  float x = 0.0f;
  maudio_samples_from_codes(&code, 1, &x);
  return x;
}

static void every_code_comes_back(void** state)
{
  (void)state;
  uint8_t codes[MAUDIO_N_CODES];
  float   samples[MAUDIO_N_CODES];
  for (unsigned i = 0; i < MAUDIO_N_CODES; ++i) {
    codes[i] = (uint8_t)i;
  }
  maudio_samples_from_codes(codes, MAUDIO_N_CODES, samples);
  for (unsigned i = 0; i < MAUDIO_N_CODES; ++i) {
    assert_int_equal(encode(samples[i]), i);
    assert_true(samples[i] == -samples[MAUDIO_N_CODES - 1 - i]);
    assert_true(i == 0 || samples[i] > samples[i - 1]);
  }
  assert_true(samples[0] == -1.0f && samples[255] == 1.0f);
}

static void known_values(void** state)
{
  (void)state;
  // (256^(1/255) - 1) / 255, and log256(1 + 255 / 2) = 0.87525...
  assert_true(fabsf(decode(128) - 8.62116e-5f) < 1e-10f);
  assert_int_equal(encode(0.5f), 239);
  assert_int_equal(encode(-0.5f), 16);
  assert_int_equal(encode(0.0f), MAUDIO_SILENCE);
}

static void the_nearest_code_is_taken(void** state)
{
  (void)state;
  for (int i = -9999; i <= 9999; ++i) {
    const float  x    = (float)i / 9999.0f;
    const double size = log1p(255.0 * fabs((double)x)) / log(256.0);
    const double u    = 2.0 * encode(x) / 255.0 - 1.0;
    assert_true(fabs(u - copysign(size, (double)x)) <= 1.0001 / 255.0);
  }
}

static void what_is_no_sample_is_clipped(void** state)
{
  (void)state;
  assert_int_equal(encode(1.5f), 255);
  assert_int_equal(encode(-1e30f), 0);
  assert_int_equal(encode(INFINITY), 255);
  assert_int_equal(encode(-INFINITY), 0);
  assert_int_equal(encode(NAN), MAUDIO_SILENCE);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_code_comes_back), cmocka_unit_test(known_values),
    cmocka_unit_test(the_nearest_code_is_taken),
    cmocka_unit_test(what_is_no_sample_is_clipped)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

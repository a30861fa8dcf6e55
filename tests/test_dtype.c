#include "dtype.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_names(void** state)
{
  (void)state;
  static const struct {
    const char*  name;
    maudio_dtype type;
    size_t       size;
  } all[] = {{"F32", MAUDIO_DTYPE_F32, 4},
             {"F16", MAUDIO_DTYPE_F16, 2},
             {"BF16", MAUDIO_DTYPE_BF16, 2},
             {"I8", MAUDIO_DTYPE_I8, 1}};
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) {
    maudio_dtype type = MAUDIO_DTYPE_F32;
    assert_true(maudio_dtype_find(all[i].name, &type));
    assert_int_equal(type, all[i].type);
    assert_string_equal(maudio_dtype_name(type), all[i].name);
    assert_int_equal(maudio_dtype_size(type), all[i].size);
  }
  maudio_dtype type = MAUDIO_DTYPE_F16;
  assert_false(maudio_dtype_find("U8", &type));
  assert_int_equal(type, MAUDIO_DTYPE_F16);
}

static void test_values(void** state)
{
  (void)state;
  // Values at odd addresses
  static const uint8_t bytes[] = {0, 0xDB, 0x0F, 0x49, 0x40, 0xC0, 0x80,
                                  1, 0,    0x00, 0xFC, 0x80, 0x7F};
  assert_true(maudio_dtype_load(MAUDIO_DTYPE_F32, bytes + 1, 0) == 3.14159274f);
  assert_true(maudio_dtype_load(MAUDIO_DTYPE_BF16, bytes + 5, 0) ==
              (float)ldexp(-1.5, -126));
  assert_true(maudio_dtype_load(MAUDIO_DTYPE_F16, bytes + 5, 1) ==
              ldexpf(1.0f, -24));
  assert_true(maudio_dtype_load(MAUDIO_DTYPE_F16, bytes + 9, 0) == -INFINITY);
  assert_true(maudio_dtype_load(MAUDIO_DTYPE_I8, bytes + 11, 0) == -128.0f);
  assert_true(maudio_dtype_load(MAUDIO_DTYPE_I8, bytes + 11, 1) == 127.0f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),
                                     cmocka_unit_test(test_values)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

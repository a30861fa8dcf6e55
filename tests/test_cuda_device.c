#include "cuda_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void devices_are_read(void** state)
{
  (void)state;
  device_choice choice;
  assert_true(device_read("auto", &choice));
  assert_int_equal(choice.kind, DEVICE_AUTO);
  assert_true(device_read("cpu", &choice));
  assert_int_equal(choice.kind, DEVICE_CPU);
  assert_true(device_read("cuda", &choice));
  assert_int_equal(choice.kind, DEVICE_CUDA);
  assert_int_equal(choice.n_ids, 0);
  assert_true(device_read("cuda:3,0,12", &choice));
  assert_int_equal(choice.kind, DEVICE_CUDA);
  assert_int_equal(choice.n_ids, 3);
  assert_int_equal(choice.ids[0], 3);
  assert_int_equal(choice.ids[1], 0);
  assert_int_equal(choice.ids[2], 12);
}

static void other_devices_are_refused(void** state)
{
  (void)state;
  const char* const wrong[] = {"",
                               "CPU",
                               "cuda:",
                               "cuda:-1",
                               "cuda:1,",
                               "cuda:,1",
                               "cuda:1 2",
                               "cuda:1,1",
                               "cuda 0",
                               "cuda:99999999999999",
                               "cuda:0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); ++i) {
    device_choice choice;
    assert_false(device_read(wrong[i], &choice));
  }
}

static void precisions_are_read(void** state)
{
  (void)state;
  const char* const names[] = {"float32", "tf32", "bf16"};
  for (size_t i = 0; i < 3; ++i) {
    maudio_cuda_precision precision = MAUDIO_CUDA_FLOAT32;
    assert_true(precision_read(names[i], &precision));
    assert_string_equal(precision_name(precision), names[i]);
  }
  maudio_cuda_precision precision = MAUDIO_CUDA_TF32;
  assert_false(precision_read("fp32", &precision));
  assert_int_equal(precision, MAUDIO_CUDA_TF32);
}

static void a_library_of_another_kind_is_refused(void** state)
{
  (void)state;
  const device_choice choice = {.kind = DEVICE_CUDA};
  cuda_devices        devices;
  maudio_error        error = {MAUDIO_SUCCESS, ""};
  setenv("MAUDIO_CUDA_LIBRARY", "libm.so.6", 1);
  assert_int_equal(cuda_devices_find(&devices, &choice, &error),
                   MAUDIO_ERR_VERSION);
  assert_string_equal(error.message,
                      "libm.so.6 is of another version of maudio");
  cuda_devices_close(&devices);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(devices_are_read),
    cmocka_unit_test(other_devices_are_refused),
    cmocka_unit_test(precisions_are_read),
    cmocka_unit_test(a_library_of_another_kind_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

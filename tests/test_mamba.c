#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void agrees_with_pytorch(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer   = MAUDIO_MIXER_MAMBA,
                                      .d_inner = 22,
                                      .d_state = 5,
                                      .d_conv  = 4,
                                      .dt_rank = 3};
  golden_check_layer("mamba", &config, 12, 3);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_pytorch)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

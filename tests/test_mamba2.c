#include "golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void agrees_with_pytorch(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                      .d_inner  = 24,
                                      .d_state  = 5,
                                      .d_conv   = 4,
                                      .headdim  = 8,
                                      .n_groups = 1,
                                      .dt_max   = INFINITY};
  golden_check_layer("mamba2", &config, 12, 3);
}

static void groups_have_their_own_b_c_and_norm(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                      .d_inner  = 40,
                                      .d_state  = 6,
                                      .d_conv   = 3,
                                      .headdim  = 10,
                                      .n_groups = 2,
                                      .dt_max   = INFINITY};
  golden_check_layer("mamba2_groups", &config, 20, 2);
}

static void dt_is_clamped_to_its_limit(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                      .d_inner  = 64,
                                      .d_state  = 16,
                                      .d_conv   = 4,
                                      .headdim  = 32,
                                      .n_groups = 1,
                                      .dt_min   = 0.01f,
                                      .dt_max   = 0.05f};
  golden_check_layer("mamba2_limit", &config, 9, 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(agrees_with_pytorch),
    cmocka_unit_test(groups_have_their_own_b_c_and_norm),
    cmocka_unit_test(dt_is_clamped_to_its_limit)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

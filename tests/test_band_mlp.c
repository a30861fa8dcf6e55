#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void agrees_with_pytorch(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_BAND_MLP,
                                      .d_hidden = 5};
  golden_check_layer("band_mlp", &config, 20, 7);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_pytorch)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

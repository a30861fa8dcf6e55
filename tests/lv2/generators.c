#include "generators.h"

#include "host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/maudio-lv2-XXXXXX";
static char percussion[64];
static char piano[64];

static bool write_to(const void* data, size_t size, void* user)
{
  return fwrite(data, 1, size, (FILE*)user) == size;
}

int generators_make(void** state)
{
  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(percussion, sizeof percussion, "%s/percussion.safetensors", folder);
  snprintf(piano, sizeof piano, "%s/piano.safetensors", folder);
  host_copy_file(TIERS, percussion);
  FILE* const file = fopen(piano, "wb");
  assert_non_null(file);
  maudio_quantize_info info;
  assert_int_equal(maudio_quantize(TIERS, write_to, file, &info, NULL), 0);
  assert_int_equal(fclose(file), 0);
  return setenv("MAUDIO_PRESETS", folder, 1);
}

int generators_remove(void** state)
{
  (void)state;
  return remove(percussion) || remove(piano) || rmdir(folder) ||
         unsetenv("MAUDIO_PRESETS");
}

float* generators_run(const char* preset, uint64_t seed, size_t n)
{
  char              path[512];
  maudio_model*     model = NULL;
  maudio_generator* g     = NULL;
  float* const      out   = (float*)calloc(n + 1, sizeof *out);
  assert_non_null(out);
  assert_int_equal(maudio_preset_find(preset, path, sizeof path, NULL), 0);
  assert_int_equal(maudio_model_open(path, &model, NULL), 0);
  assert_int_equal(maudio_generator_new(model, &g, NULL), 0);
  maudio_generator_reset(g, seed);
  maudio_generator_run(g, out, n);
  maudio_generator_free(g);
  maudio_model_free(model);
  return out;
}

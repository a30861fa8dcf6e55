#include "kernels.h"

#include "maudio.h"

#include <stdlib.h>
#include <string.h>

const maudio_kernels* maudio_kernels_find(const char* name)
{
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512dq");
  if (!strcmp(name, "avx512vnni")) {
    return has_avx512 && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vnni")
             ? &maudio_kernels_avx512vnni
             : NULL;
  }
  if (!strcmp(name, "avx512")) {
    return has_avx512 ? &maudio_kernels_avx512 : NULL;
  }
  if (!strcmp(name, "avx2")) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
             ? &maudio_kernels_avx2
             : NULL;
  }
#elif defined(__aarch64__)
  if (!strcmp(name, "neon")) {
    return &maudio_kernels_neon;
  }
#endif
  return strcmp(name, "scalar") ? NULL : &maudio_kernels_scalar;
}

const maudio_kernels* maudio_kernels_choose(void)
{
  static const char* const names[] = {"avx512vnni", "avx512", "avx2", "neon"};

  const char*           wanted = getenv("MAUDIO_KERNELS");
  const maudio_kernels* found  = wanted ? maudio_kernels_find(wanted) : NULL;
  for (size_t i = 0; !found && i < sizeof names / sizeof names[0]; ++i) {
    found = maudio_kernels_find(names[i]);
  }
  return found ? found : &maudio_kernels_scalar;
}

const char* maudio_kernels_name(void)
{
  return maudio_kernels_choose()->name;
}

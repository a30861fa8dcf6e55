#include "dtype.h"

#include <math.h>
#include <string.h>

static const struct {
  const char* name;
  size_t      size;
} types[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I8", 1}};

bool maudio_dtype_find(const char* name, maudio_dtype* type)
{
  for (unsigned i = 0; i < sizeof types / sizeof *types; ++i) {
    if (!strcmp(name, types[i].name)) {
      *type = (maudio_dtype)i;
      return true;
    }
  }
  return false;
}

const char* maudio_dtype_name(maudio_dtype type)
{
  return types[type].name;
}

size_t maudio_dtype_size(maudio_dtype type)
{
  return types[type].size;
}

/// Widen IEEE 754 binary16 to binary32
static float half_to_float(uint16_t half)
{
  const uint32_t sign     = (uint32_t)(half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU;
  const uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) {
    const float value = ldexpf((float)mantissa, -24);
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  const uint32_t bits = sign | (wide << 23) | (mantissa << 13);
  float          value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

float maudio_dtype_load(maudio_dtype type, const uint8_t* data, size_t i)
{
  const uint8_t* const p = data + i * maudio_dtype_size(type);
  if (type == MAUDIO_DTYPE_I8) {
    return (float)(int8_t)*p;
  }
  if (type == MAUDIO_DTYPE_F16) {
    return half_to_float((uint16_t)(p[0] | (p[1] << 8)));
  }
  const uint32_t bits = type == MAUDIO_DTYPE_BF16
                          ? (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24
                          : (uint32_t)p[0] | (uint32_t)p[1] << 8 |
                              (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
  float          value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#include "pcm.h"

#include <string.h>
#include <strings.h>

typedef struct {
  const char* name;
  pcm_format  format;
} named_format;

static const named_format formats[] = {
  {"s16", {2, 16}},     {"s16le", {2, 16}},    {"s16_le", {2, 16}},
  {"s24", {3, 24}},     {"s24le", {3, 24}},    {"s24_3le", {3, 24}},
  {"s24_le", {4, 24}},  {"s24-32le", {4, 24}}, {"s24_32le", {4, 24}},
  {"s32", {4, 32}},     {"s32le", {4, 32}},    {"s32_le", {4, 32}},
  {"f32", {4, 0}},      {"f32le", {4, 0}},     {"f32_le", {4, 0}},
  {"float_le", {4, 0}}, {"float32le", {4, 0}},
};

bool pcm_format_find(const char* name, pcm_format* format)
{
  for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); ++i) {
    if (!strcasecmp(name, formats[i].name)) {
      *format = formats[i].format;
      return true;
    }
  }
  return false;
}

/// Round as rint() does, without a call: between these numbers doubles are
/// integers
static double round_even(double value)
{
  const double integers = 6755399441055744.0; // 1.5 * 2^52
  return value + integers - integers;
}

static int32_t nearest(double sample, double scale)
{
  const double scaled = sample * scale;
  const double raised = scaled > -scale ? scaled : -scale;
  return (int32_t)round_even(raised < scale - 1.0 ? raised : scale - 1.0);
}

int32_t pcm_round(double sample, unsigned bits)
{
  return nearest(sample, (double)((int64_t)1 << (bits - 1)));
}

void pcm_round_block(const double* samples,
                     unsigned      bits,
                     int32_t*      numbers,
                     size_t        n)
{
  const double  scale = (double)((int64_t)1 << (bits - 1));
  const int32_t unit  = (int32_t)1 << (32 - bits);
  for (size_t i = 0; i < n; ++i) {
    numbers[i] = nearest(samples[i], scale) * unit;
  }
}

void pcm_decode(const pcm_format*    format,
                const unsigned char* bytes,
                double*              samples,
                size_t               n)
{
  for (size_t i = 0; i < n; ++i, bytes += format->n_bytes) {
    uint32_t word = 0;
    for (unsigned b = 0; b < format->n_bytes; ++b) {
      word |= (uint32_t)bytes[b] << 8 * b;
    }
    if (format->bits) {
      // The sign to the top, and what is above it in S24_LE out
      word <<= 32 - format->bits;
      int32_t number = 0;
      memcpy(&number, &word, sizeof(number));
      samples[i] = (double)number / 2147483648.0;
    } else {
      float number = 0.0F;
      memcpy(&number, &word, sizeof(number));
      samples[i] = (double)number;
    }
  }
}

void pcm_encode(const pcm_format* format,
                const double*     samples,
                unsigned char*    bytes,
                size_t            n)
{
  for (size_t i = 0; i < n; ++i, bytes += format->n_bytes) {
    uint32_t word = 0;
    if (format->bits) {
      word = (uint32_t)pcm_round(samples[i], format->bits);
    } else {
      const float number = (float)samples[i];
      memcpy(&word, &number, sizeof(number));
    }
    for (unsigned b = 0; b < format->n_bytes; ++b) {
      bytes[b] = (unsigned char)(word >> 8 * b);
    }
  }
}

/** @file
 * Vectors of VEC_LANES floats and their elementary functions; included by
 * kernels_body.h, once per instruction set.
 *
 * Multiply-adds are spelled out as VEC_MADD and nothing else is fused
 * (-ffp-contract=off): a compiler that chose would choose differently for
 * differently unrolled loops, and results would depend on block sizes.
 */
#ifndef MAUDIO_KERNELS_VECTOR_H
#define MAUDIO_KERNELS_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_BYTES (4 * VEC_LANES)

typedef float   vec __attribute__((vector_size(VEC_BYTES)));
typedef int32_t vec_int __attribute__((vector_size(VEC_BYTES)));

// A vector anywhere in an array of floats
typedef float vec_memory
  __attribute__((vector_size(VEC_BYTES), aligned(4), may_alias));

static inline vec load(const float* p)
{
  return *(const vec_memory*)p;
}

static inline void store(float* p, vec x)
{
  *(vec_memory*)p = x;
}

#if VEC_LANES == 4
/// Load four codes as floats: each byte to the top of a lane, then down
static inline vec load_four_codes(const int8_t* p)
{
  typedef int8_t  bytes __attribute__((vector_size(16)));
  typedef int16_t pairs __attribute__((vector_size(16)));

  int32_t word;
  memcpy(&word, p, sizeof word);
  const bytes b     = (bytes)(vec_int){word};
  const pairs twice = (pairs)__builtin_shufflevector(
    b, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const vec_int lanes =
    (vec_int)__builtin_shufflevector(twice, twice, 0, 8, 1, 9, 2, 10, 3, 11);
  return __builtin_convertvector(lanes >> 24, vec);
}
#endif

static inline vec splat(float x)
{
  return x - (vec){0}; // Minus, because x + 0 is not x for -0
}

/// Return a * b + c, rounded once where the instruction set can
static inline vec madd(vec a, vec b, vec c)
{
  return VEC_MADD(a, b, c);
}

/// Return `a` where `mask` is -1, `b` where it is 0
static inline vec select(vec_int mask, vec a, vec b)
{
  return (vec)((mask & (vec_int)a) | (~mask & (vec_int)b));
}

/// Return the sum of the lanes, halving the vector each time
static inline float sum(vec x)
{
  float lanes[VEC_LANES];
  store(lanes, x);
  for (size_t n = VEC_LANES / 2; n; n /= 2) {
    for (size_t i = 0; i < n; ++i) {
      lanes[i] += lanes[i + n];
    }
  }
  return lanes[0];
}

/// Return x * y + c for a constant c: one step of Horner's scheme
static inline vec horner(vec x, vec y, float c)
{
  return madd(x, y, splat(c));
}

/// e^x: 2^n e^r with |r| <= ln 2 / 2; n stays a normal exponent
static inline vec vec_exp(vec x)
{
  const vec round = splat(12582912.0f); // 1.5 * 2^23: its low bits count ones
  x               = select(x < -86.9f, splat(-86.9f), x);
  x               = select(x > 88.0f, splat(88.0f), x);
  const vec n     = madd(x, splat(1.44269504f), round);
  const vec m     = n - round;
  vec       r     = madd(m, splat(-0.693359375f), x);
  r               = madd(m, splat(2.12194440e-4f), r);
  vec y           = splat(1.9875691500e-4f);
  y               = horner(y, r, 1.3981999507e-3f);
  y               = horner(y, r, 8.3334519073e-3f);
  y               = horner(y, r, 4.1665795894e-2f);
  y               = horner(y, r, 1.6666665459e-1f);
  y               = horner(y, r, 5.0000001201e-1f);
  y               = madd(y, r * r, r) + 1.0f;
  return (vec)((vec_int)y + ((vec_int)n << 23));
}

/// ln x for normal positive x: e ln 2 + ln(1 + f), 1 + f in sqrt(1/2)..sqrt(2)
static inline vec vec_log(vec x)
{
  const vec_int sqrt_half = (vec_int)splat(0.707106781f);
  const vec_int e         = ((vec_int)x - sqrt_half) >> 23;
  const vec     f         = (vec)((vec_int)x - (e << 23)) - 1.0f;
  const vec     exponent  = __builtin_convertvector(e, vec);
  const vec     f2        = f * f;
  vec           y         = splat(7.0376836292e-2f);
  y                       = horner(y, f, -1.1514610310e-1f);
  y                       = horner(y, f, 1.1676998740e-1f);
  y                       = horner(y, f, -1.2420140846e-1f);
  y                       = horner(y, f, 1.4249322787e-1f);
  y                       = horner(y, f, -1.6668057665e-1f);
  y                       = horner(y, f, 2.0000714765e-1f);
  y                       = horner(y, f, -2.4999993993e-1f);
  y                       = horner(y, f, 3.3333331174e-1f);
  y                       = madd(exponent, splat(-2.12194440e-4f), y * f * f2);
  y                       = f + madd(f2, splat(-0.5f), y);
  return madd(exponent, splat(0.693359375f), y);
}

static inline vec vec_silu(vec x)
{
  return x / (1.0f + vec_exp(-x));
}

static inline vec vec_relu2(vec x)
{
  const vec positive = select(x > 0.0f, x, splat(0.0f));
  return positive * positive;
}

/// ln(1 + e^x), x above 20. ln(1 + u) is ln(w) u / (w - 1), w = 1 + u rounded
static inline vec vec_softplus(vec x)
{
  const vec     u    = vec_exp(x);
  const vec     w    = 1.0f + u;
  const vec_int tiny = w == 1.0f;
  const vec     d    = select(tiny, splat(1.0f), w - 1.0f);
  const vec     y    = select(tiny, u, vec_log(w) * (u / d));
  return select(x > 20.0f, x, y);
}

#endif /* MAUDIO_KERNELS_VECTOR_H */

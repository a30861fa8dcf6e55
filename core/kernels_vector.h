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

#include "kernels.h"
#include "kernels_inline.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_BYTES (4 * VEC_LANES)
#define VECS (MAUDIO_LANES / VEC_LANES) // Vectors of a panel

typedef float   vec __attribute__((vector_size(VEC_BYTES)));
typedef int32_t vec_int __attribute__((vector_size(VEC_BYTES)));

// Part of a longer vector
typedef float vec_eight __attribute__((vector_size(32)));
typedef float vec_four __attribute__((vector_size(16)));

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

// b where one of them is not a number
#ifndef VEC_MAX
#  define VEC_MAX(a, b) select((a) > (b), a, b)
#  define VEC_MIN(a, b) select((a) < (b), a, b)
#endif

// a / b for b from 1 on, perhaps 0 where 1 / b is denormal
#ifndef VEC_DIVIDE
#  define VEC_DIVIDE(a, b) ((a) / (b))
#endif

// 1 / square root
#ifndef VEC_RSQRT
#  define VEC_RSQRT(a) inverse_root(a)

static inline vec inverse_root(vec a)
{
  for (size_t i = 0; i < VEC_LANES; ++i) {
    a[i] = 1.0f / sqrtf(a[i]);
  }
  return a;
}
#endif

/// Return the sum of the lanes, halving the vector each time
static inline float sum(vec x)
{
#if VEC_LANES == 16
  const vec_eight eight =
    __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
    __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
#elif VEC_LANES == 8
  const vec_eight eight = x;
#endif
#if VEC_LANES == 4
  const vec four = x;
#else
  const vec_four  four  = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) +
                        __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#endif
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/// Return x * y + c for a constant c: one step of Horner's scheme
static inline vec horner(vec x, vec y, float c)
{
  return madd(x, y, splat(c));
}

// Most vectors of the functions that take several, and a step for each of them
#define VEC_SIDES 4
#define EACH_VEC(step)                  \
  UNROLL for (size_t i = 0; i < n; ++i) \
  {                                     \
    step;                               \
  }

/// e^x: 2^k e^r with |r| <= ln 2 / 2; k stays a normal exponent. Of n vectors,
/// constant, side by side: one alone would wait for the result of each step
INLINE void vecs_exp(vec* x, const size_t n)
{
  const vec least = splat(-86.9f);
  const vec most  = splat(88.0f);
  const vec round = splat(12582912.0f); // 1.5 * 2^23: its low bits count ones
  vec       k[VEC_SIDES];
  vec       r[VEC_SIDES];
  vec       y[VEC_SIDES];
  EACH_VEC(x[i] = VEC_MAX(least, x[i]))
  EACH_VEC(x[i] = VEC_MIN(most, x[i]))
  EACH_VEC(k[i] = madd(x[i], splat(1.44269504f), round))
  EACH_VEC(y[i] = k[i] - round)
  EACH_VEC(r[i] = madd(y[i], splat(-0.693359375f), x[i]))
  EACH_VEC(r[i] = madd(y[i], splat(2.12194440e-4f), r[i]))
  // Off by at most 3.1e-9, relatively
  EACH_VEC(y[i] = splat(1.3814539831e-3f))
  EACH_VEC(y[i] = horner(y[i], r[i], 8.3687451240e-3f))
  EACH_VEC(y[i] = horner(y[i], r[i], 4.1668390790e-2f))
  EACH_VEC(y[i] = horner(y[i], r[i], 1.6666520399e-1f))
  EACH_VEC(y[i] = horner(y[i], r[i], 4.9999993432e-1f))
  EACH_VEC(y[i] = madd(y[i], r[i] * r[i], r[i]))
  EACH_VEC(y[i] = y[i] + 1.0f)
  EACH_VEC(x[i] = (vec)((vec_int)y[i] + ((vec_int)k[i] << 23)))
}

/// e^-x in fewer steps, enough for 1 + e^-x
INLINE void vecs_exp_of_minus(vec* x, const size_t n)
{
  const vec least = splat(-88.0f);
  const vec most  = splat(86.9f);
  const vec round = splat(12582912.0f);
  vec       k[VEC_SIDES];
  vec       r[VEC_SIDES];
  vec       y[VEC_SIDES];
  EACH_VEC(x[i] = VEC_MAX(least, x[i]))
  EACH_VEC(x[i] = VEC_MIN(most, x[i]))
  EACH_VEC(k[i] = madd(x[i], splat(-1.44269504f), round))
  EACH_VEC(y[i] = k[i] - round)
#ifdef VEC_ROUNDS_ONCE
  EACH_VEC(r[i] = madd(y[i], splat(-0.693147181f), -x[i]))
#else
  EACH_VEC(r[i] = madd(y[i], splat(-0.693359375f), -x[i]))
  EACH_VEC(r[i] = madd(y[i], splat(2.12194440e-4f), r[i]))
#endif
  // Off by at most 1.1e-7, relatively
  EACH_VEC(y[i] = splat(8.3147459315e-3f))
  EACH_VEC(y[i] = horner(y[i], r[i], 4.1890437055e-2f))
  EACH_VEC(y[i] = horner(y[i], r[i], 1.6667089919e-1f))
  EACH_VEC(y[i] = horner(y[i], r[i], 4.9999230620e-1f))
  EACH_VEC(y[i] = horner(y[i], r[i], 1.0f))
  EACH_VEC(y[i] = horner(y[i], r[i], 1.0f))
  EACH_VEC(x[i] = (vec)((vec_int)y[i] + ((vec_int)k[i] << 23)))
}

static inline vec vec_exp(vec x)
{
  vecs_exp(&x, 1);
  return x;
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

/// SiLU of n vectors, constant
INLINE void vecs_silu(vec* x, const size_t n)
{
  vec y[VEC_SIDES];
  EACH_VEC(y[i] = x[i])
  vecs_exp_of_minus(y, n);
  EACH_VEC(y[i] = 1.0f + y[i])
  EACH_VEC(x[i] = VEC_DIVIDE(x[i], y[i]))
}

static inline vec vec_silu(vec x)
{
  vecs_silu(&x, 1);
  return x;
}

static inline vec vec_relu2(vec x)
{
  const vec positive = VEC_MAX(x, splat(0.0f));
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

#include "sampling.h"

#include "maudio.h"

#include <math.h>

#define N MAUDIO_N_CODES

#define MULTIPLIER 6364136223846793005U
#define INCREMENT 109U ///< Twice the number of the sequence, 54, plus 1

/// Weight of the most probable code; the weights of all sum to 2^32 at most
#define ONE 16777216.0f
#define HIGHEST_BIT (1U << 24U)

/// Weights below exp(-17.3) are rounded to 0
#define LEAST_LOG (-18.0f)

uint32_t maudio_random_next(uint64_t* state)
{
  const uint64_t old        = *state;
  const uint32_t xorshifted = (uint32_t)(((old >> 18U) ^ old) >> 27U);
  const uint32_t rotation   = (uint32_t)(old >> 59U);
  *state                    = old * MULTIPLIER + INCREMENT;
  return (xorshifted >> rotation) | (xorshifted << (-rotation & 31U));
}

uint64_t maudio_random_seed(uint64_t seed)
{
  uint64_t state = INCREMENT + seed;
  maudio_random_next(&state);
  return state;
}

/// Return the place of the first of the greatest scores, N if there is none
static uint32_t find_greatest(const float* logits)
{
  uint32_t best = N;
  for (uint32_t i = 0; i < N; ++i) {
    if (isfinite(logits[i]) && (best == N || logits[i] > logits[best])) {
      best = i;
    }
  }
  return best;
}

/// Return the sum of the weights that are not below `least`
static uint64_t sum_from(uint32_t least, const uint32_t* weights)
{
  uint64_t total = 0;
  for (uint32_t i = 0; i < N; ++i) {
    total += weights[i] >= least ? weights[i] : 0;
  }
  return total;
}

/// Return the greatest weight of which it and all greater ones sum to `needed`
static uint32_t find_least(uint64_t needed, const uint32_t* weights)
{
  uint32_t least = 0; // Sums to enough
  for (uint32_t bit = HIGHEST_BIT; bit; bit >>= 1U) {
    const uint32_t higher = least | bit;
    if (sum_from(higher, weights) >= needed) {
      least = higher;
    }
  }
  return least;
}

uint32_t maudio_sample(const maudio_kernels* kernels,
                       float                 temperature,
                       float                 top_p,
                       uint32_t              random,
                       uint32_t              fallback,
                       float*                logits)
{
  const uint32_t greatest = find_greatest(logits);
  if (greatest == N) {
    return fallback;
  }
  const float most  = logits[greatest];
  const float scale = 1.0f / temperature;
  if (!(scale <= 1e6f)) {
    return greatest;
  }

  uint32_t weights[N];
  for (uint32_t i = 0; i < N; ++i) {
    const float x = (logits[i] - most) * scale;
    logits[i]     = x > LEAST_LOG && x <= 0.0f ? x : LEAST_LOG; // Of NaN, too
  }
  kernels->exp(N, logits);
  for (uint32_t i = 0; i < N; ++i) {
    weights[i] = (uint32_t)(logits[i] * ONE + 0.5f);
  }

  uint64_t total = sum_from(0, weights);
  uint32_t least = 0;
  if (top_p < 1.0f) {
    const uint64_t needed = (uint64_t)ceil((double)top_p * (double)total);
    least                 = find_least(needed ? needed : 1, weights);
    total                 = sum_from(least, weights);
  }
  const uint64_t pick = total * random >> 32U;
  uint64_t       sum  = 0;
  for (uint32_t i = 0; i < N; ++i) {
    sum += weights[i] >= least ? weights[i] : 0;
    if (pick < sum) {
      return i;
    }
  }
  return fallback;
}

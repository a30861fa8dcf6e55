/** @file
 * Random numbers, and the choice of a code by its scores.
 */
#ifndef MAUDIO_SAMPLING_H
#define MAUDIO_SAMPLING_H

#include "kernels.h"

#include <stdint.h>

/// Return the state of a PCG32 (O'Neill 2014, HMC-CS-2014-0905) that begins
/// with `seed`, as pcg32_srandom(seed, 54) of its author does
uint64_t maudio_random_seed(uint64_t seed);

/// Return 32 random bits and move the state on
uint32_t maudio_random_next(uint64_t* state);

/**
 * Choose one of MAUDIO_N_CODES codes.
 *
 * Probabilities are rounded to 2^-24 of the greatest and summed as integers, so
 * that the same scores give the same code everywhere. Of scores that are no
 * numbers none is chosen; if no other is left, `fallback` is.
 *
 * @param temperature 0: the first of the most probable codes.
 * @param top_p Only the most probable codes that sum to it remain, with all
 * that are as probable as the last of them.
 * @param random 32 random bits.
 * @param logits (MAUDIO_N_CODES), overwritten.
 */
uint32_t maudio_sample(const maudio_kernels* kernels,
                       float                 temperature,
                       float                 top_p,
                       uint32_t              random,
                       uint32_t              fallback,
                       float*                logits);

#endif /* MAUDIO_SAMPLING_H */

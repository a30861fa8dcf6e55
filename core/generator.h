/** @file
 * What benchmarks and tests want of a generator besides its API.
 */
#ifndef MAUDIO_GENERATOR_H
#define MAUDIO_GENERATOR_H

#include "maudio.h"

/// Do the work on a frame of a slow tier at once, in the sample after it: the
/// result is the same
void maudio_generator_set_bursts(maudio_generator* generator, bool bursts);

#endif /* MAUDIO_GENERATOR_H */

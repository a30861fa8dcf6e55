/** @file
 * Small generators as factory presets, for tests.
 */
#ifndef GENERATORS_H
#define GENERATORS_H

#include "maudio.h"

/// The model file that the preset "percussion" is a copy of
#define TIERS MAUDIO_TEST_DIR "/golden/network_tiers.safetensors"

/// Sample rate of both presets, in Hz
#define GENERATORS_RATE 16000.0

/// Group setup: presets "percussion" and "piano", which differ, in
/// MAUDIO_PRESETS
int generators_make(void** state);

/// Group teardown
int generators_remove(void** state);

/// Return what `preset` makes up at its own rate, to be freed with free()
float* generators_run(const char* preset, uint64_t seed, size_t n);

#endif /* GENERATORS_H */

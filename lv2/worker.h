/** @file
 * What must not be done by the audio thread: loading models, freeing sounds.
 */
#ifndef MAUDIO_LV2_WORKER_H
#define MAUDIO_LV2_WORKER_H

#include "instance.h"

extern const LV2_Worker_Interface worker_interface;

/// Ask for the model file `path` of `length` bytes, less than PATH_MAX
MAUDIO_RT void worker_ask(instance* in, const char* path, size_t length);

/// Give the host's worker what is to be done, as far as it takes it
MAUDIO_RT void worker_schedule(instance* in);

#endif /* MAUDIO_LV2_WORKER_H */

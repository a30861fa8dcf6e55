/** @file
 * Models shared by all instances of the process: the weights of a file are in
 * memory once, however many play them.
 */
#ifndef MAUDIO_LV2_MODEL_CACHE_H
#define MAUDIO_LV2_MODEL_CACHE_H

#include "maudio.h"

/**
 * Open a model file, or share the one that is open already.
 *
 * A file that has changed meanwhile (in time or size) is another one. Takes a
 * lock and reads files: not for the audio thread.
 *
 * @param[out] model Give it back with model_cache_close().
 */
maudio_status model_cache_open(const char*          path,
                               const maudio_model** model,
                               maudio_error*        error);

/// Give a model back; the last one to do so frees it. NULL is fine
void model_cache_close(const maudio_model* model);

#endif /* MAUDIO_LV2_MODEL_CACHE_H */

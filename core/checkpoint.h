/** @file
 * Models as folders: config.json and model.safetensors.
 */
#ifndef MAUDIO_CHECKPOINT_H
#define MAUDIO_CHECKPOINT_H

#include "maudio.h"

/// Return whether `path` is a folder, or a config.json
bool maudio_checkpoint_is(const char* path);

/// Open the model in a folder, which `path` is or which holds it
maudio_status maudio_checkpoint_open(const char*    path,
                                     maudio_model** model,
                                     maudio_error*  error);

/// Open a model from the bytes of its two files in `folder`
maudio_status maudio_checkpoint_open_memory(const void*    config,
                                            size_t         config_size,
                                            const void*    weights,
                                            size_t         weights_size,
                                            const char*    folder,
                                            maudio_model** model,
                                            maudio_error*  error);

#endif /* MAUDIO_CHECKPOINT_H */

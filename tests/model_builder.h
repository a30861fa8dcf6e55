/** @file
 * Writes safetensors files in memory, for tests.
 */
#ifndef MODEL_BUILDER_H
#define MODEL_BUILDER_H

#include <stddef.h>
#include <stdint.h>

typedef struct model_builder model_builder;

/// Start a file whose `__metadata__["maudio"]` is `json`; NULL: no metadata
model_builder* model_builder_new(const char* json);

/// Free a builder. NULL is fine
void model_builder_free(model_builder* builder);

/// Choose what the mask of model_builder_add_network() lies around, 1 at first
void model_builder_set_mask(model_builder* builder, float mask);

/// Add a float32 tensor; `values` are product(shape) floats, row-major
void model_builder_add(model_builder* builder,
                       const char*    name,
                       unsigned       n_dims,
                       const size_t*  shape,
                       const float*   values);

/// Add a float32 tensor of small pseudo-random values, the same in every run
void model_builder_add_random(model_builder* builder,
                              const char*    name,
                              unsigned       n_dims,
                              const size_t*  shape);

/// Add a tensor of any type: its safetensors `dtype` and its bytes
void model_builder_add_raw(model_builder* builder,
                           const char*    name,
                           const char*    dtype,
                           unsigned       n_dims,
                           const size_t*  shape,
                           const void*    bytes,
                           size_t         n_bytes);

/**
 * Add every tensor that the configuration given to model_builder_new() asks
 * for (docs/model-format.md), with pseudo-random values that keep it stable.
 */
void model_builder_add_network(model_builder* builder);

/// Return the file, `*size` bytes, to be freed with free()
uint8_t* model_builder_finish(const model_builder* builder, size_t* size);

/// Join a JSON header and tensor data to a file, to be freed with free()
uint8_t* model_builder_join(const char* header,
                            const void* data,
                            size_t      n_bytes,
                            size_t*     size);

/// A complete small model: all three mixers, 16 kHz, 32 ms window, 8 ms hop
extern const char* const model_builder_small_json;

/// A complete small model with a filter on past frames, rates as above
extern const char* const model_builder_filter_json;

/// A complete small generator: four tiers, all three mixers
extern const char* const model_builder_tiers_json;

/// A complete small model without latency: 16 kHz, 20 ms window, 2 ms hop
extern const char* const model_builder_steer_json;

#endif /* MODEL_BUILDER_H */

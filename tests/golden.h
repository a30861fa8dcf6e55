/** @file
 * Golden vectors, written by training/golden.py, and comparison with them.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "mixer.h"

/// A file of golden vectors
typedef struct {
  void*           data;
  size_t          size;
  maudio_weights* weights;
} golden;

/// Open tests/golden/NAME.safetensors; failures end the test
golden golden_open(const char* name);

void golden_close(golden* file);

/// Return a tensor of `n_dims` dimensions, to be freed with free()
float* golden_read(golden*       file,
                   const char*   name,
                   unsigned      n_dims,
                   const size_t* shape);

/// Fail if `n` floats differ by more than `tolerance`; print how much they do
void golden_compare(const char*  what,
                    const float* found,
                    const float* expected,
                    size_t       n,
                    float        tolerance);

/**
 * Run the mixer of tests/golden/layer_NAME.safetensors with each of the
 * kernels, frame by frame and in runs, and compare every output.
 */
void golden_check_layer(const char*                name,
                        const maudio_block_config* config,
                        size_t                     d_model,
                        size_t                     n_bands);

/// The kernels that run here, ended by NULL
const maudio_kernels* const* golden_kernels(void);

#endif /* GOLDEN_H */

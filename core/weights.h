/** @file
 * A safetensors file in memory: every byte of it is distrusted.
 */
#ifndef MAUDIO_WEIGHTS_H
#define MAUDIO_WEIGHTS_H

#include "maudio.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Greatest number of dimensions of a tensor
#define MAUDIO_MAX_DIMS 8

typedef struct maudio_weights maudio_weights;

/**
 * Check the header of a safetensors file and index its tensors.
 *
 * Memory taken is in proportion to the header, whatever sizes it claims.
 *
 * @param data The file; not copied, must outlive the weights; any alignment.
 * @param label Stands for the path in error messages; copied.
 * @param[out] weights Set on success; free with maudio_weights_free().
 */
maudio_status maudio_weights_open(const void*      data,
                                  size_t           size,
                                  const char*      label,
                                  maudio_weights** weights,
                                  maudio_error*    error);

/// Free weights, but not the data they were opened on. NULL is fine
void maudio_weights_free(maudio_weights* weights);

/// Return the string at `key` of `__metadata__`, or NULL if absent
const char* maudio_weights_metadata(const maudio_weights* weights,
                                    const char*           key);

/**
 * Check that a tensor is there with `shape`, before memory is taken for it.
 *
 * It does not count as used.
 */
maudio_status maudio_weights_check(const maudio_weights* weights,
                                   const char*           name,
                                   unsigned              n_dims,
                                   const size_t*         shape,
                                   maudio_error*         error);

/**
 * Copy a tensor to `dst` as float32 and mark it as used.
 *
 * F32, F16, BF16 and, of two dimensions, I8 with the scales of its rows are
 * read. A tensor that is missing, of another shape, or holds NaN or infinite
 * values, is an error that names it.
 *
 * @param shape Expected shape, `n_dims` (at most MAUDIO_MAX_DIMS) lengths.
 * @param[out] dst product(shape) floats, row-major.
 */
maudio_status maudio_weights_get(maudio_weights* weights,
                                 const char*     name,
                                 unsigned        n_dims,
                                 const size_t*   shape,
                                 float*          dst,
                                 maudio_error*   error);

/// Return whether a tensor is there and stored as int8
bool maudio_weights_is_int8(const maudio_weights* weights, const char* name);

/**
 * Copy an int8 tensor as it is, with the scales of its rows, and mark both as
 * used.
 *
 * The scales are tensor `name` + ".scale", float32 (shape[0]). One that is
 * missing, of another shape, negative, NaN or infinite, is an error.
 *
 * @param shape Expected shape: rows, columns.
 * @param[out] codes shape[0] * shape[1] codes, row-major.
 * @param[out] scales shape[0] floats.
 */
maudio_status maudio_weights_get_int8(maudio_weights* weights,
                                      const char*     name,
                                      const size_t*   shape,
                                      int8_t*         codes,
                                      float*          scales,
                                      maudio_error*   error);

/// Fail, naming a tensor, unless every tensor has been used
maudio_status maudio_weights_check_all_used(const maudio_weights* weights,
                                            maudio_error*         error);

#endif /* MAUDIO_WEIGHTS_H */

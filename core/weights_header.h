/** @file
 * Composing the header of a safetensors file.
 */
#ifndef MAUDIO_WEIGHTS_HEADER_H
#define MAUDIO_WEIGHTS_HEADER_H

#include "dtype.h"

#include <jansson.h>

/// A header in the making; zero is an empty one
typedef struct {
  json_t* entries;
  size_t  n_bytes; ///< Of the tensors so far
} maudio_weights_header;

/**
 * Add a tensor; the data of tensors follow in the order of their addition.
 *
 * @param n_dims Of `shape`, at most MAUDIO_MAX_DIMS.
 * @return False without memory.
 */
bool maudio_weights_header_add(maudio_weights_header* header,
                               const char*            name,
                               maudio_dtype           type,
                               unsigned               n_dims,
                               const size_t*          shape);

/**
 * Make the bytes that precede the data, aligned so that these start at a
 * multiple of 8, and free the header.
 *
 * @param metadata Object of strings, or NULL; the reference is kept.
 * @param[out] size Number of bytes.
 * @return To be freed with free(); NULL without memory.
 */
char* maudio_weights_header_finish(maudio_weights_header* header,
                                   json_t*                metadata,
                                   size_t*                size);

#endif /* MAUDIO_WEIGHTS_HEADER_H */

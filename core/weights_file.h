/** @file
 * What lies behind maudio_weights: for the files that open, read and rewrite
 * them.
 */
#ifndef MAUDIO_WEIGHTS_FILE_H
#define MAUDIO_WEIGHTS_FILE_H

#include "dtype.h"
#include "weights.h"

#include <jansson.h>

typedef struct {
  const char*  name; ///< Owned by the header
  maudio_dtype type;
  unsigned     n_dims;
  size_t       shape[MAUDIO_MAX_DIMS];
  size_t       n_values; ///< product(shape)
  size_t       begin;    ///< Offset of the first byte in the tensor data
  size_t       end;      ///< Offset after the last byte
  bool         used;
} maudio_tensor;

struct maudio_weights {
  char*          label; ///< For error messages
  json_t*        header;
  const uint8_t* data;      ///< Tensor data, after the header; not owned
  size_t         data_size; ///< Bytes of it
  size_t         n_tensors;
  maudio_tensor* tensors; ///< By name
};

/// Write a shape as "(4, 1, 3)" and return `text`
const char* maudio_shape_format(char*         text,
                                size_t        size,
                                unsigned      n_dims,
                                const size_t* shape);

/// Fail because tensor `name` has a `problem`
maudio_status maudio_tensor_fail(const maudio_weights* weights,
                                 const char*           name,
                                 const char*           problem,
                                 maudio_error*         error);

/// Find a tensor by name, or return NULL
maudio_tensor* maudio_weights_find(const maudio_weights* weights,
                                   const char*           name);

#endif /* MAUDIO_WEIGHTS_FILE_H */

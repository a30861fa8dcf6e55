#include "weights_file.h"

#include "error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_name(const void* name, const void* tensor)
{
  return strcmp((const char*)name, ((const maudio_tensor*)tensor)->name);
}

maudio_tensor* maudio_weights_find(const maudio_weights* weights,
                                   const char*           name)
{
  return (maudio_tensor*)bsearch(name, weights->tensors, weights->n_tensors,
                                 sizeof *weights->tensors, compare_name);
}

/// Find a tensor of `shape`; on failure fill `error` and return NULL
static maudio_tensor* find_tensor(const maudio_weights* weights,
                                  const char*           name,
                                  unsigned              n_dims,
                                  const size_t*         shape,
                                  maudio_error*         error)
{
  char expected[200];
  maudio_shape_format(expected, sizeof expected, n_dims, shape);

  maudio_tensor* const t = maudio_weights_find(weights, name);
  if (!t) {
    maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                "%s: Tensor '%.80s' of shape %s is missing", weights->label,
                name, expected);
    return NULL;
  }
  if (t->n_dims != n_dims ||
      (n_dims && memcmp(t->shape, shape, n_dims * sizeof *shape) != 0)) {
    char actual[200];
    maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                "%s: Tensor '%.80s' has shape %s, expected %s", weights->label,
                name,
                maudio_shape_format(actual, sizeof actual, t->n_dims, t->shape),
                expected);
    return NULL;
  }
  return t;
}

maudio_status maudio_weights_check(const maudio_weights* weights,
                                   const char*           name,
                                   unsigned              n_dims,
                                   const size_t*         shape,
                                   maudio_error*         error)
{
  return find_tensor(weights, name, n_dims, shape, error)
           ? MAUDIO_SUCCESS
           : MAUDIO_ERR_BAD_MODEL;
}

/// Copy the values of a tensor that is not int8
static maudio_status copy_floats(const maudio_weights* weights,
                                 maudio_tensor*        t,
                                 float*                dst,
                                 maudio_error*         error)
{
  const uint8_t* const data = weights->data + t->begin;
  for (size_t i = 0; i < t->n_values; ++i) {
    dst[i] = maudio_dtype_load(t->type, data, i);
    if (!isfinite(dst[i])) {
      return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                         "%s: Tensor '%.80s' holds %s at index %zu",
                         weights->label, t->name,
                         isnan(dst[i]) ? "NaN" : "an infinite value", i);
    }
  }
  t->used = true;
  return MAUDIO_SUCCESS;
}

/// Find the scales of the rows of an int8 tensor
static maudio_status find_scales(const maudio_weights* weights,
                                 const maudio_tensor*  t,
                                 maudio_tensor**       scales,
                                 maudio_error*         error)
{
  if (t->n_dims != 2) {
    maudio_tensor_fail(weights, t->name, "is of int8, but has no rows to scale",
                       error);
    return MAUDIO_ERR_BAD_MODEL;
  }
  const size_t size = strlen(t->name) + sizeof ".scale";
  char* const  name = (char*)malloc(size);
  if (!name) {
    maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", weights->label);
    return MAUDIO_ERR_NO_MEMORY;
  }
  snprintf(name, size, "%s.scale", t->name);
  *scales = find_tensor(weights, name, 1, t->shape, error);
  free(name);
  if (!*scales) {
    return MAUDIO_ERR_BAD_MODEL;
  }
  return (*scales)->type == MAUDIO_DTYPE_F32
           ? MAUDIO_SUCCESS
           : maudio_tensor_fail(weights, (*scales)->name, "is not of dtype F32",
                                error);
}

/// Read the scale of a row, which must make sense
static maudio_status load_scale(const maudio_weights* weights,
                                const maudio_tensor*  scales,
                                size_t                row,
                                float*                scale,
                                maudio_error*         error)
{
  *scale = maudio_dtype_load(scales->type, weights->data + scales->begin, row);
  if (isfinite(*scale) && *scale >= 0.0f) {
    return MAUDIO_SUCCESS;
  }
  return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                     "%s: Tensor '%.80s' holds %s at index %zu", weights->label,
                     scales->name,
                     isnan(*scale)   ? "NaN"
                     : *scale < 0.0f ? "a negative scale"
                                     : "an infinite value",
                     row);
}

/// Copy the values of an int8 tensor
static maudio_status copy_int8(const maudio_weights* weights,
                               maudio_tensor*        t,
                               float*                dst,
                               maudio_error*         error)
{
  maudio_tensor* scales = NULL;
  maudio_status  status = find_scales(weights, t, &scales, error);
  for (size_t r = 0; !status && r < t->shape[0]; ++r) {
    float scale = 0.0f;
    status      = load_scale(weights, scales, r, &scale, error);
    for (size_t i = r * t->shape[1]; i < (r + 1) * t->shape[1]; ++i) {
      dst[i] = scale * maudio_dtype_load(t->type, weights->data + t->begin, i);
    }
  }
  if (!status) {
    t->used      = true;
    scales->used = true;
  }
  return status;
}

maudio_status maudio_weights_get(maudio_weights* weights,
                                 const char*     name,
                                 unsigned        n_dims,
                                 const size_t*   shape,
                                 float*          dst,
                                 maudio_error*   error)
{
  maudio_tensor* const t = find_tensor(weights, name, n_dims, shape, error);
  if (!t) {
    return MAUDIO_ERR_BAD_MODEL;
  }
  return t->type == MAUDIO_DTYPE_I8 ? copy_int8(weights, t, dst, error)
                                    : copy_floats(weights, t, dst, error);
}

bool maudio_weights_is_int8(const maudio_weights* weights, const char* name)
{
  const maudio_tensor* const t = maudio_weights_find(weights, name);
  return t && t->type == MAUDIO_DTYPE_I8;
}

maudio_status maudio_weights_get_int8(maudio_weights* weights,
                                      const char*     name,
                                      const size_t*   shape,
                                      int8_t*         codes,
                                      float*          scales,
                                      maudio_error*   error)
{
  maudio_tensor* const t = find_tensor(weights, name, 2, shape, error);
  if (!t) {
    return MAUDIO_ERR_BAD_MODEL;
  }
  if (t->type != MAUDIO_DTYPE_I8) {
    return maudio_tensor_fail(weights, t->name, "is not of dtype I8", error);
  }
  maudio_tensor* s      = NULL;
  maudio_status  status = find_scales(weights, t, &s, error);
  for (size_t r = 0; !status && r < shape[0]; ++r) {
    status = load_scale(weights, s, r, &scales[r], error);
  }
  if (status) {
    return status;
  }
  if (t->n_values) {
    memcpy(codes, weights->data + t->begin, t->n_values);
  }
  t->used = true;
  s->used = true;
  return MAUDIO_SUCCESS;
}

maudio_status maudio_weights_check_all_used(const maudio_weights* weights,
                                            maudio_error*         error)
{
  for (size_t i = 0; i < weights->n_tensors; ++i) {
    if (!weights->tensors[i].used) {
      return maudio_tensor_fail(weights, weights->tensors[i].name,
                                "belongs to no block of the model", error);
    }
  }
  return MAUDIO_SUCCESS;
}

#include "weights_file.h"

#include "error.h"
#include "json.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Greatest length of a header that the format allows
#define MAX_HEADER_SIZE 100000000U

/// Depth of a header: object of tensors, tensor, list of numbers
#define HEADER_DEPTH 3U

const char* maudio_shape_format(char*         text,
                                size_t        size,
                                unsigned      n_dims,
                                const size_t* shape)
{
  int length = snprintf(text, size, "(");
  for (unsigned i = 0; i < n_dims && length >= 0 && (size_t)length < size;
       ++i) {
    length += snprintf(text + length, size - (size_t)length,
                       i ? ", %zu" : "%zu", shape[i]);
  }
  if (length >= 0 && (size_t)length < size) {
    snprintf(text + length, size - (size_t)length, ")");
  }
  return text;
}

maudio_status maudio_tensor_fail(const maudio_weights* weights,
                                 const char*           name,
                                 const char*           problem,
                                 maudio_error*         error)
{
  return maudio_fail(error, MAUDIO_ERR_BAD_MODEL, "%s: Tensor '%.80s' %s",
                     weights->label, name, problem);
}

/// Read element `index` of a list of lengths or offsets
static bool read_size(const json_t* list, size_t index, size_t* value)
{
  const json_t* const item = json_array_get(list, index);
  if (!json_is_integer(item)) {
    return false;
  }
  const json_int_t number = json_integer_value(item);
  if (number < 0 || (uintmax_t)number > SIZE_MAX) {
    return false;
  }
  *value = (size_t)number;
  return true;
}

static maudio_status read_dtype(const maudio_weights* weights,
                                const json_t*         entry,
                                maudio_tensor*        t,
                                maudio_error*         error)
{
  const char* const type = json_string_value(json_object_get(entry, "dtype"));
  if (!type) {
    return maudio_tensor_fail(weights, t->name, "has no dtype", error);
  }
  if (maudio_dtype_find(type, &t->type)) {
    return MAUDIO_SUCCESS;
  }
  return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                     "%s: Tensor '%.80s' has dtype '%.16s', "
                     "expected F32, F16, BF16 or I8",
                     weights->label, t->name, type);
}

static maudio_status read_shape(const maudio_weights* weights,
                                const json_t*         entry,
                                maudio_tensor*        t,
                                maudio_error*         error)
{
  const json_t* const shape = json_object_get(entry, "shape");
  if (!json_is_array(shape)) {
    return maudio_tensor_fail(weights, t->name, "has no shape", error);
  }
  if (json_array_size(shape) > MAUDIO_MAX_DIMS) {
    return maudio_tensor_fail(weights, t->name, "has more than 8 dimensions",
                              error);
  }
  t->n_dims   = (unsigned)json_array_size(shape);
  t->n_values = 1;
  for (unsigned i = 0; i < t->n_dims; ++i) {
    if (!read_size(shape, i, &t->shape[i])) {
      return maudio_tensor_fail(
        weights, t->name, "has a shape that is not of whole numbers", error);
    }
    if (__builtin_mul_overflow(t->n_values, t->shape[i], &t->n_values)) {
      return maudio_tensor_fail(weights, t->name, "has a shape that overflows",
                                error);
    }
  }
  return MAUDIO_SUCCESS;
}

static maudio_status read_offsets(const maudio_weights* weights,
                                  const json_t*         entry,
                                  maudio_tensor*        t,
                                  maudio_error*         error)
{
  const json_t* const offsets = json_object_get(entry, "data_offsets");
  if (json_array_size(offsets) != 2 || !read_size(offsets, 0, &t->begin) ||
      !read_size(offsets, 1, &t->end)) {
    return maudio_tensor_fail(weights, t->name, "has no pair of data_offsets",
                              error);
  }
  if (t->begin > t->end || t->end > weights->data_size) {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: Tensor '%.80s' lies at bytes %zu to %zu, "
                       "the file has %zu bytes of tensors",
                       weights->label, t->name, t->begin, t->end,
                       weights->data_size);
  }

  size_t n_bytes = 0;
  if (__builtin_mul_overflow(t->n_values, maudio_dtype_size(t->type),
                             &n_bytes)) {
    return maudio_tensor_fail(weights, t->name, "has a shape that overflows",
                              error);
  }
  if (t->end - t->begin != n_bytes) {
    char shape[200];
    return maudio_fail(
      error, MAUDIO_ERR_BAD_MODEL,
      "%s: Tensor '%.80s' has %zu bytes, expected %zu for shape %.60s",
      weights->label, t->name, t->end - t->begin, n_bytes,
      maudio_shape_format(shape, sizeof shape, t->n_dims, t->shape));
  }
  return MAUDIO_SUCCESS;
}

static maudio_status read_entry(const maudio_weights* weights,
                                const json_t*         entry,
                                maudio_tensor*        t,
                                maudio_error*         error)
{
  maudio_status status = read_dtype(weights, entry, t, error);
  if (!status) {
    status = read_shape(weights, entry, t, error);
  }
  if (!status) {
    status = read_offsets(weights, entry, t, error);
  }
  return status;
}

static int compare_offsets(const void* lhs, const void* rhs)
{
  const maudio_tensor* const a = (const maudio_tensor*)lhs;
  const maudio_tensor* const b = (const maudio_tensor*)rhs;
  if (a->begin != b->begin) {
    return a->begin < b->begin ? -1 : 1;
  }
  return (a->end > b->end) - (a->end < b->end);
}

static int compare_names(const void* lhs, const void* rhs)
{
  return strcmp(((const maudio_tensor*)lhs)->name,
                ((const maudio_tensor*)rhs)->name);
}

/// Check that tensors fill the data without holes or overlap
static maudio_status check_layout(maudio_weights* weights, maudio_error* error)
{
  size_t end = 0;
  if (weights->n_tensors) {
    qsort(weights->tensors, weights->n_tensors, sizeof *weights->tensors,
          compare_offsets);
  }
  for (size_t i = 0; i < weights->n_tensors; ++i) {
    const maudio_tensor* const t = &weights->tensors[i];
    if (t->begin != end) {
      return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                         "%s: Tensor '%.80s' begins at byte %zu, "
                         "expected %zu: tensors %s",
                         weights->label, t->name, t->begin, end,
                         t->begin < end ? "overlap" : "leave a hole");
    }
    end = t->end;
  }
  if (end != weights->data_size) {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: Tensors end at byte %zu, "
                       "the file has %zu bytes of tensors",
                       weights->label, end, weights->data_size);
  }
  return MAUDIO_SUCCESS;
}

static maudio_status check_metadata(const maudio_weights* weights,
                                    json_t*               metadata,
                                    maudio_error*         error)
{
  bool        valid = json_is_object(metadata);
  const char* key   = NULL;
  json_t*     value = NULL;
  json_object_foreach(metadata, key, value)
  {
    valid = valid && json_is_string(value);
  }
  return valid ? MAUDIO_SUCCESS
               : maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                             "%s: __metadata__ is not an object of strings",
                             weights->label);
}

static maudio_status index_tensors(maudio_weights* weights, maudio_error* error)
{
  const size_t n = json_object_size(weights->header);
  weights->tensors =
    (maudio_tensor*)calloc(n ? n : 1, sizeof *weights->tensors);
  if (!weights->tensors) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "%s: No memory for %zu tensors", weights->label, n);
  }

  maudio_status status = MAUDIO_SUCCESS;
  const char*   name   = NULL;
  json_t*       entry  = NULL;
  json_object_foreach(weights->header, name, entry)
  {
    if (!strcmp(name, "__metadata__")) {
      status = check_metadata(weights, entry, error);
    } else {
      maudio_tensor* const t = &weights->tensors[weights->n_tensors++];
      t->name                = name;
      status                 = read_entry(weights, entry, t, error);
    }
    if (status) {
      return status;
    }
  }

  status = check_layout(weights, error);
  if (!status && weights->n_tensors) {
    qsort(weights->tensors, weights->n_tensors, sizeof *weights->tensors,
          compare_names);
  }
  return status;
}

/// Check the frame of the file and parse its header
static maudio_status read_header(maudio_weights* weights,
                                 const uint8_t*  file,
                                 size_t          size,
                                 maudio_error*   error)
{
  if (size < 8) {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: File has %zu bytes, a model has at least 8",
                       weights->label, size);
  }
  uint64_t header_size = 0;
  for (unsigned i = 0; i < 8; ++i) {
    header_size |= (uint64_t)file[i] << (8 * i);
  }
  if (header_size > MAX_HEADER_SIZE || header_size > size - 8) {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: Not a safetensors file, or cut short: header of "
                       "%" PRIu64 " bytes in a file of %zu",
                       weights->label, header_size, size);
  }
  if (header_size == 0 || file[8] != '{') {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: Not a safetensors file: header does not start "
                       "with '{'",
                       weights->label);
  }
  weights->data      = file + 8 + header_size;
  weights->data_size = size - 8 - (size_t)header_size;
  return maudio_json_parse((const char*)file + 8, (size_t)header_size,
                           HEADER_DEPTH, weights->label, &weights->header,
                           error);
}

maudio_status maudio_weights_open(const void*      data,
                                  size_t           size,
                                  const char*      label,
                                  maudio_weights** weights,
                                  maudio_error*    error)
{
  const char* const     tail   = maudio_path_tail(label);
  maudio_weights* const opened = (maudio_weights*)calloc(1, sizeof *opened);
  char* const           name   = strdup(tail);
  if (!opened || !name) {
    free(opened);
    free(name);
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", tail);
  }
  opened->label = name;

  maudio_status status = read_header(opened, (const uint8_t*)data, size, error);
  if (!status) {
    status = index_tensors(opened, error);
  }
  if (status) {
    maudio_weights_free(opened);
    return status;
  }
  *weights = opened;
  return MAUDIO_SUCCESS;
}

void maudio_weights_free(maudio_weights* weights)
{
  if (weights) {
    json_decref(weights->header);
    free(weights->tensors);
    free(weights->label);
    free(weights);
  }
}

const char* maudio_weights_metadata(const maudio_weights* weights,
                                    const char*           key)
{
  return json_string_value(
    json_object_get(json_object_get(weights->header, "__metadata__"), key));
}

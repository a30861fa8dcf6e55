/* Matrices of a model file in int8, a scale for each row: max |w| / 127. */
#include "error.h"
#include "file.h"
#include "json.h"
#include "maudio.h"
#include "weights_file.h"
#include "weights_header.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// The first format that holds int8, and the one before
#define FORMAT_VERSION "1.1"
#define OLDER_VERSION "1.0"

/// Levels of JSON in a model's own configuration
#define CONFIG_DEPTH 8

/// What goes where
typedef struct {
  const maudio_weights* weights;
  maudio_write          write;
  void*                 user;
  maudio_quantize_info* info;
  maudio_error*         error;
  float*                row;    ///< Of the widest matrix
  int8_t*               codes;  ///< The same in int8
  float*                scales; ///< Of the rows of the tallest matrix
} quantizer;

static bool ends_in(const char* name, const char* end)
{
  const size_t n = strlen(name);
  const size_t m = strlen(end);
  return n >= m && !strcmp(name + n - m, end);
}

/// The matrices that vectors are multiplied with, but for those of few weights
/// that much hangs on: time steps of Mamba, and the choice of an expert
static bool is_chosen(const maudio_tensor* t)
{
  return t->n_dims == 2 && t->n_values && ends_in(t->name, ".weight") &&
         !strstr(t->name, "norm") && !ends_in(t->name, "dt_proj.weight") &&
         !ends_in(t->name, "router.weight") && !ends_in(t->name, "gate.weight");
}

static maudio_status no_memory(const quantizer* q)
{
  return maudio_fail(q->error, MAUDIO_ERR_NO_MEMORY, "%s: No memory",
                     q->weights->label);
}

static maudio_status write_bytes(quantizer* q, const void* data, size_t size)
{
  q->info->n_bytes_after += size;
  return q->write(data, size, q->user)
           ? MAUDIO_SUCCESS
           : maudio_fail(q->error, MAUDIO_ERR_IO,
                         "%s: What was made of it could not be written",
                         q->weights->label);
}

/// Read a row and return its greatest magnitude, NaN above all
static float read_row(const quantizer* q, const maudio_tensor* t, size_t row)
{
  const size_t         n    = t->shape[1];
  const uint8_t* const data = q->weights->data + t->begin;
  float                most = 0.0f;
  for (size_t i = 0; i < n; ++i) {
    q->row[i] = maudio_dtype_load(t->type, data, row * n + i);
    most      = fabsf(q->row[i]) <= most ? most : fabsf(q->row[i]);
    if (!isfinite(most)) {
      return most;
    }
  }
  return most;
}

/// Round the row that was read, and keep the greatest relative error
static void round_row(quantizer* q, const maudio_tensor* t, float scale)
{
  double error = 0.0;
  double power = 0.0;
  for (size_t i = 0; i < t->shape[1]; ++i) {
    q->codes[i]      = scale > 0.0f ? (int8_t)lrintf(q->row[i] / scale) : 0;
    const double off = (double)q->row[i] - (double)scale * q->codes[i];
    error += off * off;
    power += (double)q->row[i] * q->row[i];
  }
  const double relative = power > 0.0 ? sqrt(error / power) : 0.0;
  if (relative > q->info->worst_error) {
    q->info->worst_error = relative;
    snprintf(q->info->worst_tensor, sizeof q->info->worst_tensor, "%s",
             t->name);
  }
}

/// The greatest magnitude becomes 127; what is next to nothing becomes 0
static float scale_of(float most)
{
  const float scale = most / 127.0f;
  return scale < FLT_MIN ? 0.0f : scale;
}

static maudio_status write_codes(quantizer* q, const maudio_tensor* t)
{
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t r = 0; !status && r < t->shape[0]; ++r) {
    round_row(q, t, scale_of(read_row(q, t, r)));
    status = write_bytes(q, q->codes, t->shape[1]);
  }
  ++q->info->n_quantized;
  return status;
}

/// The scales precede all codes, so that they lie at multiples of their size
static maudio_status write_scales(quantizer* q, const maudio_tensor* t)
{
  for (size_t r = 0; r < t->shape[0]; ++r) {
    const float most = read_row(q, t, r);
    if (!isfinite(most)) {
      return maudio_fail(q->error, MAUDIO_ERR_BAD_MODEL,
                         "%s: Tensor '%.80s' holds %s in row %zu",
                         q->weights->label, t->name,
                         isnan(most) ? "NaN" : "an infinite value", r);
    }
    q->scales[r] = scale_of(most);
  }
  return write_bytes(q, q->scales, t->shape[0] * sizeof(float));
}

/// Return the name of the scales of a matrix, to be freed with free(), or NULL
static char* scales_name(const maudio_tensor* t)
{
  const size_t size = strlen(t->name) + sizeof ".scale";
  char* const  name = (char*)malloc(size);
  if (name) {
    snprintf(name, size, "%s.scale", t->name);
  }
  return name;
}

static bool add_scales(maudio_weights_header* header, const maudio_tensor* t)
{
  char* const name = scales_name(t);
  const bool  ok   = name && maudio_weights_header_add(
                               header, name, MAUDIO_DTYPE_F32, 1, t->shape);
  free(name);
  return ok;
}

/// Scales, what stays as it is, codes
enum { PART_SCALES, PART_KEPT, PART_CODES, N_PARTS };

static maudio_status
add_part(const quantizer* q, int part, maudio_weights_header* header)
{
  bool ok = true;
  for (size_t i = 0; ok && i < q->weights->n_tensors; ++i) {
    const maudio_tensor* const t = &q->weights->tensors[i];
    if (part == PART_KEPT && !is_chosen(t)) {
      ok = maudio_weights_header_add(header, t->name, t->type, t->n_dims,
                                     t->shape);
    } else if (part == PART_SCALES && is_chosen(t)) {
      ok = add_scales(header, t);
    } else if (part == PART_CODES && is_chosen(t)) {
      ok = maudio_weights_header_add(header, t->name, MAUDIO_DTYPE_I8,
                                     t->n_dims, t->shape);
    }
  }
  return ok ? MAUDIO_SUCCESS : no_memory(q);
}

static maudio_status write_part(quantizer* q, int part)
{
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < q->weights->n_tensors; ++i) {
    const maudio_tensor* const t = &q->weights->tensors[i];
    if (part == PART_KEPT && !is_chosen(t)) {
      status = write_bytes(q, q->weights->data + t->begin, t->end - t->begin);
    } else if (part == PART_SCALES && is_chosen(t)) {
      status = write_scales(q, t);
    } else if (part == PART_CODES && is_chosen(t)) {
      status = write_codes(q, t);
    }
  }
  return status;
}

/// State the format in a model's own configuration, where that is older
static maudio_status set_version(const quantizer* q, json_t* metadata)
{
  const char* const text =
    json_string_value(json_object_get(metadata, "maudio"));
  if (!text) {
    return MAUDIO_SUCCESS;
  }
  json_t*             config = NULL;
  const maudio_status status = maudio_json_parse(
    text, strlen(text), CONFIG_DEPTH, q->weights->label, &config, q->error);
  if (status) {
    return status;
  }
  const char* const version =
    json_string_value(json_object_get(config, "format_version"));
  const bool is_older = !version || !strcmp(version, OLDER_VERSION);
  char*      edited   = NULL;
  if (!is_older || !json_object_set_new(config, "format_version",
                                        json_string(FORMAT_VERSION))) {
    edited = json_dumps(config, JSON_REAL_PRECISION(15));
  }
  const bool ok =
    edited && !json_object_set_new(metadata, "maudio", json_string(edited));
  free(edited);
  json_decref(config);
  return ok ? MAUDIO_SUCCESS : no_memory(q);
}

static maudio_status write_header(quantizer* q)
{
  maudio_weights_header header = {0};
  json_t* const         metadata =
    json_deep_copy(json_object_get(q->weights->header, "__metadata__"));
  maudio_status status = metadata ? set_version(q, metadata) : MAUDIO_SUCCESS;
  for (int part = 0; !status && part < N_PARTS; ++part) {
    status = add_part(q, part, &header);
  }
  size_t      size  = 0;
  char* const bytes = maudio_weights_header_finish(&header, metadata, &size);
  json_decref(metadata);
  if (!status) {
    status = bytes ? write_bytes(q, bytes, size) : no_memory(q);
  }
  free(bytes);
  return status;
}

/// Refuse a file that has a tensor where scales should go
static maudio_status check_scales(const quantizer* q, const maudio_tensor* t)
{
  char* const         name = scales_name(t);
  const maudio_status status =
    !name ? no_memory(q)
    : maudio_weights_find(q->weights, name)
      ? maudio_tensor_fail(q->weights, name, "is where scales would go",
                           q->error)
      : MAUDIO_SUCCESS;
  free(name);
  return status;
}

/// Refuse what there is no point in; make room for the largest matrix
static maudio_status prepare(quantizer* q)
{
  size_t n_rows    = 0;
  size_t n_columns = 0;
  for (size_t i = 0; i < q->weights->n_tensors; ++i) {
    const maudio_tensor* const t = &q->weights->tensors[i];
    if (t->type == MAUDIO_DTYPE_I8) {
      return maudio_fail(q->error, MAUDIO_ERR_UNSUPPORTED,
                         "%s: Tensor '%.80s' is int8 already",
                         q->weights->label, t->name);
    }
    if (is_chosen(t)) {
      const maudio_status status = check_scales(q, t);
      if (status) {
        return status;
      }
      n_rows    = t->shape[0] > n_rows ? t->shape[0] : n_rows;
      n_columns = t->shape[1] > n_columns ? t->shape[1] : n_columns;
    }
  }
  if (!n_rows || !n_columns) {
    return maudio_fail(q->error, MAUDIO_ERR_UNSUPPORTED,
                       "%s: Holds no matrix to quantize", q->weights->label);
  }
  q->row    = (float*)malloc(n_columns * sizeof(float));
  q->codes  = (int8_t*)malloc(n_columns);
  q->scales = (float*)malloc(n_rows * sizeof(float));
  return q->row && q->codes && q->scales ? MAUDIO_SUCCESS : no_memory(q);
}

static maudio_status run(quantizer* q)
{
  maudio_status status = prepare(q);
  if (!status) {
    status = write_header(q);
  }
  for (int part = 0; !status && part < N_PARTS; ++part) {
    status = write_part(q, part);
  }
  free(q->row);
  free(q->codes);
  free(q->scales);
  return status;
}

maudio_status maudio_quantize(const char*           path,
                              maudio_write          write,
                              void*                 user,
                              maudio_quantize_info* info,
                              maudio_error*         error)
{
  void*           data    = NULL;
  size_t          size    = 0;
  maudio_weights* weights = NULL;
  maudio_status   status  = maudio_file_read(path, &data, &size, error);
  if (!status) {
    status = maudio_weights_open(data, size, path, &weights, error);
  }
  if (!status) {
    *info       = (maudio_quantize_info){.n_tensors      = weights->n_tensors,
                                         .n_bytes_before = size};
    quantizer q = {.weights = weights,
                   .write   = write,
                   .user    = user,
                   .info    = info,
                   .error   = error};
    status      = run(&q);
  }
  maudio_weights_free(weights);
  free(data);
  return status;
}

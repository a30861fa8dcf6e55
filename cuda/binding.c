#include "error.h"
#include "layer.h"

#include <stdio.h>
#include <stdlib.h>

/// Longest tensor name, its prefix included
#define MAX_NAME 160

static maudio_status no_memory(const gpu_binding* b, const char* name)
{
  return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY, "No memory for %s%s",
                     b->prefix, name);
}

static size_t count(unsigned n_dims, const size_t* shape)
{
  size_t n = 1;
  for (unsigned i = 0; i < n_dims; ++i) {
    n *= shape[i];
  }
  return n;
}

maudio_status gpu_bind_read(gpu_binding*  b,
                            const char*   name,
                            unsigned      n_dims,
                            const size_t* shape,
                            float**       data)
{
  char full[MAX_NAME];
  snprintf(full, sizeof full, "%s%s", b->prefix, name);
  *data = NULL;
  maudio_status status =
    maudio_weights_check(b->weights, full, n_dims, shape, b->error);
  if (status) {
    return status;
  }
  *data = (float*)malloc(count(n_dims, shape) * sizeof(float));
  if (!*data) {
    return no_memory(b, name);
  }
  status = maudio_weights_get(b->weights, full, n_dims, shape, *data, b->error);
  if (status) {
    free(*data);
    *data = NULL;
  }
  return status;
}

maudio_status gpu_bind_floats(gpu_binding*  b,
                              const char*   name,
                              unsigned      n_dims,
                              const size_t* shape,
                              const float** floats)
{
  float*        data   = NULL;
  maudio_status status = gpu_bind_read(b, name, n_dims, shape, &data);
  if (!status) {
    const void* copy = NULL;
    status           = gpu_arena_copy(
                b->arena, data, count(n_dims, shape) * sizeof(float), &copy, b->error);
    *floats = (const float*)copy;
  }
  free(data);
  return status;
}

maudio_status gpu_bind_matrix(gpu_binding* b,
                              size_t       n_out,
                              size_t       n_in,
                              const float* rows,
                              gpu_matrix*  matrix)
{
  const size_t size   = gpu_matrix_size(n_out, n_in) * sizeof(float);
  float* const packed = (float*)malloc(size);
  if (!packed) {
    return no_memory(b, "a matrix");
  }
  gpu_matrix_pack(n_out, n_in, rows, packed);
  const void*         copy = NULL;
  const maudio_status status =
    gpu_arena_copy(b->arena, packed, size, &copy, b->error);
  *matrix = (gpu_matrix){
    .data = (const float*)copy, .n_out = (int)n_out, .n_in = (int)n_in};
  free(packed);
  return status;
}

void gpu_scale_columns(size_t       n_rows,
                       size_t       n_columns,
                       const float* scales,
                       float*       rows)
{
  for (size_t i = 0; i < n_rows * n_columns; ++i) {
    rows[i] *= scales[i % n_columns];
  }
}

void gpu_transpose(size_t       n_rows,
                   size_t       n_columns,
                   const float* from,
                   float*       to)
{
  for (size_t i = 0; i < n_rows * n_columns; ++i) {
    to[i % n_columns * n_rows + i / n_columns] = from[i];
  }
}

maudio_status gpu_bind_parts(gpu_binding*            binding,
                             size_t                  n_parts,
                             const gpu_product_part* parts,
                             gpu_product*            product)
{
  const void*         copy   = NULL;
  const maudio_status status = gpu_arena_copy(
    binding->arena, parts, n_parts * sizeof *parts, &copy, binding->error);
  *product = (gpu_product){.n_parts = (int)n_parts,
                           .parts   = (const gpu_product_part*)copy,
                           .first   = parts[0]};
  for (size_t i = 0; i < n_parts; ++i) {
    const int n_in   = parts[i].w.n_in;
    product->most_in = n_in > product->most_in ? n_in : product->most_in;
  }
  return status;
}

maudio_status gpu_bind_whole(gpu_binding* binding,
                             size_t       n_out,
                             size_t       n_in,
                             const float* rows,
                             const float* bias,
                             gpu_product* product)
{
  gpu_product_part    part = {.bias = bias};
  const maudio_status status =
    gpu_bind_matrix(binding, n_out, n_in, rows, &part.w);
  return status ? status : gpu_bind_parts(binding, 1, &part, product);
}

maudio_status gpu_bind_product(gpu_binding*              binding,
                               const gpu_product_source* source,
                               gpu_product*              product)
{
  const size_t  shape[] = {source->n_out, source->n_in};
  float*        rows    = NULL;
  maudio_status status  = gpu_bind_read(binding, source->name, 2, shape, &rows);
  if (!status && source->norm) {
    gpu_scale_columns(source->n_out, source->n_in, source->norm, rows);
  }
  if (!status) {
    status = gpu_bind_whole(binding, source->n_out, source->n_in, rows,
                            source->bias, product);
  }
  free(rows);
  return status;
}

#include "tensors.h"

#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

/// Stands before each allocation of an arena, and fills one alignment
struct maudio_arena_block {
  struct maudio_arena_block* previous;
  char                       fill[ALIGNMENT - sizeof(void*)];
};

void* maudio_arena_new(maudio_arena* arena, size_t size)
{
  if (size > SIZE_MAX / 2) {
    return NULL;
  }
  const size_t whole = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

  struct maudio_arena_block* block =
    aligned_alloc(ALIGNMENT, sizeof *block + whole);
  if (!block) {
    return NULL;
  }
  block->previous = arena->last;
  arena->last     = block;
  return memset(block + 1, 0, whole);
}

void maudio_arena_clear(maudio_arena* arena)
{
  while (arena->last) {
    struct maudio_arena_block* block = arena->last;
    arena->last                      = block->previous;
    free(block);
  }
}

/// Longest tensor name, its prefix included
#define MAX_NAME 160

static void
full_name(const maudio_binding* binding, const char* name, char* full)
{
  snprintf(full, MAX_NAME, "%s%s", binding->prefix, name);
}

maudio_status maudio_binding_no_memory(const maudio_binding* binding,
                                       const char*           name)
{
  return maudio_fail(binding->error, MAUDIO_ERR_NO_MEMORY, "No memory for %s%s",
                     binding->prefix, name);
}

maudio_status maudio_floats_new(maudio_binding* binding,
                                const char*     name,
                                size_t          n,
                                float**         floats)
{
  *floats = maudio_arena_new(binding->arena, n * sizeof(float));
  return *floats ? MAUDIO_SUCCESS : maudio_binding_no_memory(binding, name);
}

maudio_status maudio_tensor_check(const maudio_binding* binding,
                                  const char*           name,
                                  unsigned              n_dims,
                                  const size_t*         shape)
{
  char full[MAX_NAME];
  full_name(binding, name, full);
  return maudio_weights_check(binding->weights, full, n_dims, shape,
                              binding->error);
}

/// Number of elements; cannot overflow once the shape has been checked
static size_t product(unsigned n_dims, const size_t* shape)
{
  size_t n = 1;
  for (unsigned i = 0; i < n_dims; ++i) {
    n *= shape[i];
  }
  return n;
}

maudio_status maudio_tensor_get(maudio_binding* binding,
                                const char*     name,
                                unsigned        n_dims,
                                const size_t*   shape,
                                float*          dst)
{
  char full[MAX_NAME];
  full_name(binding, name, full);
  binding->n_parameters += product(n_dims, shape);
  return maudio_weights_get(binding->weights, full, n_dims, shape, dst,
                            binding->error);
}

bool maudio_tensor_is_int8(const maudio_binding* binding, const char* name)
{
  char full[MAX_NAME];
  full_name(binding, name, full);
  return maudio_weights_is_int8(binding->weights, full);
}

maudio_status maudio_tensor_get_int8(maudio_binding* binding,
                                     const char*     name,
                                     const size_t*   shape,
                                     int8_t*         codes,
                                     float*          scales)
{
  char full[MAX_NAME];
  full_name(binding, name, full);
  binding->n_parameters += product(2, shape);
  return maudio_weights_get_int8(binding->weights, full, shape, codes, scales,
                                 binding->error);
}

maudio_status maudio_tensor_read(maudio_binding* binding,
                                 const char*     name,
                                 unsigned        n_dims,
                                 const size_t*   shape,
                                 float**         data)
{
  maudio_status status = maudio_tensor_check(binding, name, n_dims, shape);
  if (status) {
    return status;
  }
  *data = malloc(product(n_dims, shape) * sizeof(float));
  if (!*data) {
    return maudio_binding_no_memory(binding, name);
  }
  status = maudio_tensor_get(binding, name, n_dims, shape, *data);
  if (status) {
    free(*data);
    *data = NULL;
  }
  return status;
}

maudio_status maudio_tensor_read_array(maudio_binding* binding,
                                       const char*     name,
                                       unsigned        n_dims,
                                       const size_t*   shape,
                                       const float**   array)
{
  float*        data   = NULL;
  maudio_status status = maudio_tensor_check(binding, name, n_dims, shape);
  if (!status) {
    const size_t n = maudio_pad(product(n_dims, shape));
    status         = maudio_floats_new(binding, name, n, &data);
  }
  *array = data;
  return status ? status
                : maudio_tensor_get(binding, name, n_dims, shape, data);
}

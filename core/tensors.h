/** @file
 * From the tensors of a file to the arrays that kernels read.
 */
#ifndef MAUDIO_TENSORS_H
#define MAUDIO_TENSORS_H

#include "kernels.h"
#include "maudio.h"
#include "weights.h"

/// Memory that is freed all at once; zero is an empty arena
typedef struct {
  struct maudio_arena_block* last;
} maudio_arena;

/// Return `size` zeroed bytes aligned to 64, or NULL
void* maudio_arena_new(maudio_arena* arena, size_t size);

/// Free everything made from an arena
void maudio_arena_clear(maudio_arena* arena);

/// Where weights come from and where they go
typedef struct {
  maudio_weights*       weights;
  maudio_arena*         arena;
  const maudio_kernels* kernels; ///< Those that will run, for their layout
  const char*           prefix;  ///< Put before names: "backbone.layers.0."
  size_t                d_model;
  size_t                n_bands;
  bool                  coarse; ///< As in maudio_matrix, for those in int8
  float                 norm_eps;
  uint64_t              n_parameters; ///< Counts the weights that are read
  maudio_error*         error;
} maudio_binding;

/// Fail because there is no memory for tensor prefix + name
maudio_status maudio_binding_no_memory(const maudio_binding* binding,
                                       const char*           name);

/// Make `n` floats of 0 in the arena, for what becomes of tensor `name`
maudio_status maudio_floats_new(maudio_binding* binding,
                                const char*     name,
                                size_t          n,
                                float**         floats);

/// Check the shape of tensor prefix + name, before memory is taken for it
maudio_status maudio_tensor_check(const maudio_binding* binding,
                                  const char*           name,
                                  unsigned              n_dims,
                                  const size_t*         shape);

/// Read a tensor; on success `*data` is to be freed with free()
maudio_status maudio_tensor_read(maudio_binding* binding,
                                 const char*     name,
                                 unsigned        n_dims,
                                 const size_t*   shape,
                                 float**         data);

/// Copy a tensor, whose shape has been checked, to `dst` as float32
maudio_status maudio_tensor_get(maudio_binding* binding,
                                const char*     name,
                                unsigned        n_dims,
                                const size_t*   shape,
                                float*          dst);

/// Return whether tensor prefix + name is there and stored as int8
bool maudio_tensor_is_int8(const maudio_binding* binding, const char* name);

/// Copy an int8 tensor of two dimensions and the scales of its rows
maudio_status maudio_tensor_get_int8(maudio_binding* binding,
                                     const char*     name,
                                     const size_t*   shape,
                                     int8_t*         codes,
                                     float*          scales);

/// Read a tensor to an array of the arena, padded with zeros
maudio_status maudio_tensor_read_array(maudio_binding* binding,
                                       const char*     name,
                                       unsigned        n_dims,
                                       const size_t*   shape,
                                       const float**   array);

#endif /* MAUDIO_TENSORS_H */

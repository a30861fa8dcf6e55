#include "linear.h"

#include "matrix.h"

#include <stdio.h>

maudio_status maudio_linear_read(maudio_binding* binding,
                                 const char*     name,
                                 bool            has_bias,
                                 size_t          n_out,
                                 size_t          n_in,
                                 maudio_linear*  linear)
{
  char full[64];
  snprintf(full, sizeof full, "%s.weight", name);
  const maudio_status status =
    maudio_matrix_read(binding, full, n_out, n_in, &linear->weight);
  linear->bias = NULL;
  if (status || !has_bias) {
    return status;
  }
  snprintf(full, sizeof full, "%s.bias", name);
  return maudio_tensor_read_array(binding, full, 1, &n_out, &linear->bias);
}

void maudio_linear_run(const maudio_linear*  linear,
                       const maudio_kernels* kernels,
                       size_t                n_rows,
                       const float*          x,
                       size_t                x_stride,
                       float*                y,
                       bool                  add)
{
  kernels->gemm(&(maudio_gemm){.w        = linear->weight,
                               .bias     = linear->bias,
                               .x        = x,
                               .x_stride = x_stride,
                               .n_rows   = n_rows,
                               .y        = y,
                               .y_stride = linear->weight.n_out,
                               .add      = add});
}

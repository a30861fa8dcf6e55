#include "matrix.h"

#include <stdlib.h>
#include <string.h>

/// Memory for the rows of a tensor that is there with its shape
static maudio_status
rows_new(maudio_binding* binding, const char* name, bool int8, maudio_rows* r)
{
  const size_t n = r->n_out * r->n_in;
  if (int8) {
    r->codes  = (int8_t*)malloc(n ? n : 1);
    r->scales = (float*)malloc((r->n_out ? r->n_out : 1) * sizeof(float));
  } else {
    r->floats = (float*)malloc((n ? n : 1) * sizeof(float));
  }
  return r->floats || (r->codes && r->scales)
           ? MAUDIO_SUCCESS
           : maudio_binding_no_memory(binding, name);
}

maudio_status maudio_rows_read(maudio_binding* binding,
                               const char*     name,
                               size_t          n_out,
                               size_t          n_in,
                               maudio_rows*    rows)
{
  const size_t  shape[] = {n_out, n_in};
  bool          int8    = false;
  maudio_status status  = maudio_tensor_check(binding, name, 2, shape);
  *rows                 = (maudio_rows){.n_out = n_out, .n_in = n_in};
  if (!status) {
    int8   = maudio_tensor_is_int8(binding, name);
    status = rows_new(binding, name, int8, rows);
  }
  if (status) {
    return status;
  }
  return int8 ? maudio_tensor_get_int8(binding, name, shape, rows->codes,
                                       rows->scales)
              : maudio_tensor_get(binding, name, 2, shape, rows->floats);
}

void maudio_rows_free(maudio_rows* rows)
{
  free(rows->floats);
  free(rows->codes);
  free(rows->scales);
  *rows = (maudio_rows){0};
}

void maudio_rows_get(const maudio_rows* rows, size_t row, float* to)
{
  if (rows->floats) {
    memcpy(to, rows->floats + row * rows->n_in, rows->n_in * sizeof(float));
    return;
  }
  for (size_t i = 0; i < rows->n_in; ++i) {
    to[i] = rows->scales[row] * (float)rows->codes[row * rows->n_in + i];
  }
}

maudio_status maudio_packing_new(maudio_binding*    binding,
                                 const char*        name,
                                 const maudio_rows* rows,
                                 size_t             n_in,
                                 size_t             n_out,
                                 maudio_packing*    packing)
{
  const size_t group = rows->floats ? 1 : binding->kernels->code_group;
  const size_t n_pad = maudio_pad(n_out);
  const size_t n_all = (n_in + group - 1) / group * group;
  *packing           = (maudio_packing){.group = group};
  if (rows->floats) {
    packing->data =
      (float*)maudio_arena_new(binding->arena, n_all * n_pad * sizeof(float));
  } else {
    const size_t n_sums = (n_in + MAUDIO_SLICE - 1) / MAUDIO_SLICE * n_pad;
    packing->codes = (int8_t*)maudio_arena_new(binding->arena, n_all * n_pad);
    packing->scales =
      (float*)maudio_arena_new(binding->arena, n_pad * sizeof(float));
    packing->sums =
      (int32_t*)maudio_arena_new(binding->arena, n_sums * sizeof(int32_t));
  }
  packing->matrix = (maudio_matrix){.n_in       = n_in,
                                    .n_out      = n_pad,
                                    .in_step    = MAUDIO_LANES,
                                    .panel_step = n_all * MAUDIO_LANES,
                                    .data       = packing->data,
                                    .codes      = packing->codes,
                                    .scales     = packing->scales,
                                    .sums       = packing->sums,
                                    .sum_step   = n_pad,
                                    .coarse     = binding->coarse};
  return packing->data || (packing->codes && packing->scales && packing->sums)
           ? MAUDIO_SUCCESS
           : maudio_binding_no_memory(binding, name);
}

void maudio_pack(maudio_packing*    packing,
                 size_t             first_out,
                 size_t             first_in,
                 const maudio_rows* rows,
                 size_t             first_row,
                 size_t             first_column,
                 size_t             n_rows,
                 size_t             n_columns)
{
  const size_t group = packing->group;
  for (size_t r = 0; r < n_rows; ++r) {
    const size_t o     = first_out + r;
    const size_t lane  = o % MAUDIO_LANES * group;
    const size_t panel = o / MAUDIO_LANES * packing->matrix.panel_step;
    const size_t from  = (first_row + r) * rows->n_in + first_column;
    if (packing->codes) {
      packing->scales[o] = rows->scales[first_row + r];
    }
    for (size_t c = 0; c < n_columns; ++c) {
      const size_t i = first_in + c;
      const size_t at =
        panel + i / group * group * MAUDIO_LANES + lane + i % group;
      if (packing->codes) {
        packing->codes[at] = rows->codes[from + c];
        packing->sums[i / MAUDIO_SLICE * packing->matrix.n_out + o] +=
          rows->codes[from + c];
      } else {
        packing->data[at] = rows->floats[from + c];
      }
    }
  }
}

maudio_status maudio_matrix_read(maudio_binding* binding,
                                 const char*     name,
                                 size_t          n_out,
                                 size_t          n_in,
                                 maudio_matrix*  matrix)
{
  maudio_rows    rows;
  maudio_packing packing;
  maudio_status  status = maudio_rows_read(binding, name, n_out, n_in, &rows);
  if (!status) {
    status = maudio_packing_new(binding, name, &rows, n_in, n_out, &packing);
  }
  if (!status) {
    maudio_pack(&packing, 0, 0, &rows, 0, 0, n_out, n_in);
    *matrix = packing.matrix;
  }
  maudio_rows_free(&rows);
  return status;
}

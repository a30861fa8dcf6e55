/** @file
 * From tensors to the packed matrices of products, in float32 or int8.
 */
#ifndef MAUDIO_MATRIX_H
#define MAUDIO_MATRIX_H

#include "kernels.h"
#include "tensors.h"

/// A tensor (n_out, n_in) as it is stored: float32, or int8 codes whose value
/// is the code times the scale of its row
typedef struct {
  size_t  n_out;
  size_t  n_in;
  float*  floats; ///< (n_out, n_in), or NULL
  int8_t* codes;  ///< (n_out, n_in) where `floats` is NULL
  float*  scales; ///< (n_out), with the codes
} maudio_rows;

/// A matrix in the making
typedef struct {
  maudio_matrix matrix; ///< To be copied when everything is packed
  float*        data;   ///< Its memory, or NULL where it has codes
  int8_t*       codes;
  float*        scales;
  int32_t*      sums;
  size_t        group; ///< Inputs whose codes stand together
} maudio_packing;

/// Read a tensor (n_out, n_in); free with maudio_rows_free(), also on failure
maudio_status maudio_rows_read(maudio_binding* binding,
                               const char*     name,
                               size_t          n_out,
                               size_t          n_in,
                               maudio_rows*    rows);

/// Free what was read, if anything; zeros are nothing
void maudio_rows_free(maudio_rows* rows);

/// Write the n_in values of a row
void maudio_rows_get(const maudio_rows* rows, size_t row, float* to);

/// Make a matrix of zeros (n_in, n_out) in the arena, for rows of the type of
/// `rows`, which are those of tensor `name`
maudio_status maudio_packing_new(maudio_binding*    binding,
                                 const char*        name,
                                 const maudio_rows* rows,
                                 size_t             n_in,
                                 size_t             n_out,
                                 maudio_packing*    packing);

/**
 * Put a block of rows into a matrix, whose type is that of `rows`.
 *
 * Element (first_row, first_column) of the tensor becomes output `first_out`
 * of input `first_in`. Nothing is packed twice, and an output takes its
 * columns from one row: it has one scale.
 */
void maudio_pack(maudio_packing*    packing,
                 size_t             first_out,
                 size_t             first_in,
                 const maudio_rows* rows,
                 size_t             first_row,
                 size_t             first_column,
                 size_t             n_rows,
                 size_t             n_columns);

/// Read a tensor (n_out, n_in) and pack it as it is
maudio_status maudio_matrix_read(maudio_binding* binding,
                                 const char*     name,
                                 size_t          n_out,
                                 size_t          n_in,
                                 maudio_matrix*  matrix);

#endif /* MAUDIO_MATRIX_H */

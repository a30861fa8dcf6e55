#include "matrix.h"

#include "golden.h"
#include "model_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_OUT = 21, N_IN = 10 };

/// A file with matrix "m.float", and "m.int8" of nearly the same values
typedef struct {
  uint8_t*        file;
  maudio_weights* weights;
  maudio_arena    arena;
  maudio_error    error;
  maudio_binding  binding;
  float           floats[N_OUT * N_IN];
  int8_t          codes[N_OUT * N_IN];
  float           scales[N_OUT];
} fixture;

static int set_up(void** state)
{
  const size_t   shape[] = {N_OUT, N_IN};
  fixture* const f       = (fixture*)calloc(1, sizeof *f);
  assert_non_null(f);
  for (int i = 0; i < N_OUT * N_IN; ++i) {
    const int row  = i / N_IN;
    f->scales[row] = 0.01f * (float)row;
    f->codes[i]    = (int8_t)(i * 37 % 255 - 127);
    f->floats[i]   = f->scales[row] * (float)f->codes[i];
  }
  model_builder* const b = model_builder_new(NULL);
  model_builder_add(b, "m.float", 2, shape, f->floats);
  model_builder_add(b, "m.int8.scale", 1, shape, f->scales);
  model_builder_add_raw(b, "m.int8", "I8", 2, shape, f->codes, sizeof f->codes);
  size_t size = 0;
  f->file     = model_builder_finish(b, &size);
  model_builder_free(b);
  assert_int_equal(
    maudio_weights_open(f->file, size, "x", &f->weights, &f->error), 0);
  f->binding = (maudio_binding){.weights = f->weights,
                                .arena   = &f->arena,
                                .kernels = &maudio_kernels_scalar,
                                .prefix  = "m.",
                                .error   = &f->error};
  *state     = f;
  return 0;
}

static int tear_down(void** state)
{
  fixture* const f = (fixture*)*state;
  maudio_arena_clear(&f->arena);
  maudio_weights_free(f->weights);
  free(f->file);
  free(f);
  return 0;
}

static void test_rows_are_read(void** state)
{
  fixture* const           f       = (fixture*)*state;
  static const char* const names[] = {"float", "int8"};
  for (size_t i = 0; i < 2; ++i) {
    maudio_rows rows;
    f->binding.n_parameters = 0;
    assert_int_equal(
      maudio_rows_read(&f->binding, names[i], N_OUT, N_IN, &rows), 0);
    assert_int_equal(f->binding.n_parameters, N_OUT * N_IN);
    assert_true((rows.floats != NULL) == (i == 0));
    assert_true((rows.codes != NULL) == (i == 1));
    float row[N_IN];
    maudio_rows_get(&rows, 7, row);
    assert_memory_equal(row, f->floats + 7 * (size_t)N_IN, sizeof row);
    maudio_rows_free(&rows);
    assert_null(rows.floats);
    assert_null(rows.codes);
    maudio_rows_free(&rows);
  }
}

static void test_rows_that_are_not_there(void** state)
{
  fixture* const f = (fixture*)*state;
  maudio_rows    rows;
  assert_int_equal(maudio_rows_read(&f->binding, "none", N_OUT, N_IN, &rows),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(f->error.message, "'m.none'"));
  maudio_rows_free(&rows);
  assert_int_equal(maudio_rows_read(&f->binding, "int8", N_IN, N_OUT, &rows),
                   MAUDIO_ERR_BAD_MODEL);
  assert_non_null(strstr(f->error.message, "(10, 21)"));
  maudio_rows_free(&rows);
}

/// y (n_out) = x * matrix
static void multiply(const maudio_binding* b,
                     const maudio_matrix*  m,
                     const float*          x,
                     float*                y)
{
  b->kernels->gemm(&(maudio_gemm){.w        = *m,
                                  .x        = x,
                                  .x_stride = m->n_in,
                                  .n_rows   = 1,
                                  .y        = y,
                                  .y_stride = m->n_out});
}

/// 16-bit activations are off by less than 1 / 65534 of the greatest
static void check_close(float found, double expected, double weights)
{
  assert_true(fabs(found - expected) <= weights / 65000.0 + 1e-5);
}

static void test_matrices_multiply(void** state)
{
  fixture* const           f       = (fixture*)*state;
  static const char* const names[] = {"float", "int8"};
  float                    x[N_IN];
  for (int i = 0; i < N_IN; ++i) {
    x[i] = 1.0f - 0.37f * (float)i / N_IN;
  }
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    f->binding.kernels = *k;
    for (size_t i = 0; i < 2; ++i) {
      maudio_matrix matrix;
      assert_int_equal(
        maudio_matrix_read(&f->binding, names[i], N_OUT, N_IN, &matrix), 0);
      assert_int_equal(matrix.n_in, N_IN);
      assert_int_equal(matrix.n_out, 32);
      float y[32];
      multiply(&f->binding, &matrix, x, y);
      for (size_t o = 0; o < 32; ++o) {
        double exact   = 0.0;
        double weights = 0.0;
        for (size_t c = 0; o < N_OUT && c < N_IN; ++c) {
          exact += (double)f->floats[o * N_IN + c] * x[c];
          weights += fabsf(f->floats[o * N_IN + c]);
        }
        check_close(y[o], exact, weights);
      }
    }
  }
}

/// Blocks of rows and columns go where they are told to, the rest is 0
static void test_blocks(void** state)
{
  fixture* const           f       = (fixture*)*state;
  static const char* const names[] = {"float", "int8"};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    f->binding.kernels = *k;
    for (size_t i = 0; i < 2; ++i) {
      maudio_rows    rows;
      maudio_packing packing;
      assert_int_equal(
        maudio_rows_read(&f->binding, names[i], N_OUT, N_IN, &rows), 0);
      assert_int_equal(
        maudio_packing_new(&f->binding, names[i], &rows, 19, 40, &packing), 0);
      // Rows 5 and 6, of which the columns 2 to 6 and 9
      maudio_pack(&packing, 30, 1, &rows, 5, 2, 2, 5);
      maudio_pack(&packing, 30, 17, &rows, 5, 9, 2, 1);
      maudio_rows_free(&rows);
      for (size_t in = 0; in < 19; ++in) {
        float x[19] = {0};
        float y[48];
        x[in]               = 1.0f;
        const bool   placed = (in >= 1 && in < 6) || in == 17;
        const size_t column = in == 17 ? 9 : in + 1;
        multiply(&f->binding, &packing.matrix, x, y);
        for (size_t o = 0; o < 48; ++o) {
          const double w = placed && (o == 30 || o == 31)
                             ? f->floats[(o - 25) * N_IN + column]
                             : 0.0;
          check_close(y[o], w, fabs(w));
        }
      }
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_rows_are_read, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_rows_that_are_not_there, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(test_matrices_multiply, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_blocks, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

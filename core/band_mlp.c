/* An MLP across bands, the same for each channel: y = fc2(SiLU(fc1(x))).
 *
 * For a frame x is a matrix (S, D) whose rows are vectors of channels, so the
 * weights (M, S) stand where rows of data stand in the other products.
 */
#include "matrix.h"
#include "mixer.h"

#include <stdio.h>

/// A product across bands: in float32, or in int8 where kernels gain by it
typedef struct {
  size_t         n_out;
  size_t         n_in;
  const float*   weight; ///< (n_out, n_in), or NULL
  const uint8_t* codes;  ///< As in maudio_column_gemm, where that is NULL
  const float*   scales; ///< (n_out), with the codes
  const float*   bias;   ///< (n_out)
} across;

typedef struct {
  maudio_mixer head;
  size_t       d_pad; ///< pad(D)
  across       fc1;   ///< To M from S
  across       fc2;   ///< To S from M
} band_mlp;

/// Take rows of int8 for the kernel that multiplies codes
static bool take_codes(maudio_arena* arena, const maudio_rows* rows, across* a)
{
  const size_t   n_row  = maudio_column_codes(a->n_in);
  uint8_t* const codes  = maudio_arena_new(arena, a->n_out * n_row);
  float* const   scales = maudio_arena_new(arena, a->n_out * sizeof *scales);
  if (!codes || !scales) {
    return false;
  }
  for (size_t r = 0; r < a->n_out; ++r) {
    scales[r] = rows->scales[r];
    for (size_t i = 0; i < a->n_in; ++i) {
      codes[r * n_row + i] = (uint8_t)(rows->codes[r * a->n_in + i] + 128);
    }
  }
  a->codes  = codes;
  a->scales = scales;
  return true;
}

/// Read a weight whose rows are int8
static maudio_status
read_codes(maudio_binding* binding, const char* name, across* a)
{
  maudio_rows   rows;
  maudio_status status =
    maudio_rows_read(binding, name, a->n_out, a->n_in, &rows);
  if (!status && !take_codes(binding->arena, &rows, a)) {
    status = maudio_binding_no_memory(binding, name);
  }
  maudio_rows_free(&rows);
  return status;
}

/// Read `name`.weight (n_out, n_in) and `name`.bias
static maudio_status
read_across(maudio_binding* binding, const char* name, across* a)
{
  const size_t shape[] = {a->n_out, a->n_in};
  char         full[32];
  snprintf(full, sizeof full, "%s.weight", name);
  const bool is_coarse = binding->coarse && binding->kernels->column_gemm &&
                         a->n_in <= MAUDIO_COLUMN_INPUTS &&
                         maudio_tensor_is_int8(binding, full);
  maudio_status status =
    is_coarse ? read_codes(binding, full, a)
              : maudio_tensor_read_array(binding, full, 2, shape, &a->weight);
  if (!status) {
    snprintf(full, sizeof full, "%s.bias", name);
    status = maudio_tensor_read_array(binding, full, 1, shape, &a->bias);
  }
  return status;
}

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  band_mlp* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "band_mlp");
  }
  const size_t n_bands  = binding->n_bands;
  const size_t d_hidden = config->d_hidden;

  *mixer   = &m->head;
  m->d_pad = maudio_pad(binding->d_model);
  m->fc1   = (across){.n_out = d_hidden, .n_in = n_bands};
  m->fc2   = (across){.n_out = n_bands, .n_in = d_hidden};

  m->head.type            = &maudio_band_mlp;
  m->head.n_frame_scratch = 0;
  m->head.n_fixed_scratch = d_hidden * m->d_pad;
  m->head.macs =
    2.0 * (double)d_hidden * (double)n_bands * (double)binding->d_model;
  const maudio_status status = read_across(binding, "fc1", &m->fc1);
  return status ? status : read_across(binding, "fc2", &m->fc2);
}

/// y (n_out, D) = [y +] bias + weight x (n_in, D)
static void run_across(const band_mlp*       m,
                       const maudio_kernels* kernels,
                       const across*         a,
                       const float*          x,
                       float*                y,
                       bool                  add)
{
  if (a->codes) {
    kernels->column_gemm(&(maudio_column_gemm){.n_rows = a->n_out,
                                               .n_in   = a->n_in,
                                               .n      = m->d_pad,
                                               .codes  = a->codes,
                                               .scales = a->scales,
                                               .bias   = a->bias,
                                               .x      = x,
                                               .y      = y,
                                               .add    = add});
    return;
  }
  // Rows of D channels as the matrix (n_in, D) of a product
  const maudio_matrix rows = {.n_in       = a->n_in,
                              .n_out      = m->d_pad,
                              .in_step    = m->d_pad,
                              .panel_step = MAUDIO_LANES,
                              .data       = x};
  kernels->gemm(&(maudio_gemm){.w        = rows,
                               .row_bias = a->bias,
                               .x        = a->weight,
                               .x_stride = a->n_in,
                               .n_rows   = a->n_out,
                               .y        = y,
                               .y_stride = m->d_pad,
                               .add      = add});
}

static void step(const maudio_mixer* mixer, const maudio_run* run)
{
  const band_mlp* m       = (const band_mlp*)mixer;
  float* const    hidden  = run->scratch; // (M, pad(D))
  const size_t    n_frame = m->fc2.n_out * m->d_pad;
  for (size_t frame = 0; frame < run->n_frames; ++frame) {
    const float* const x = run->x + frame * n_frame;
    run_across(m, run->kernels, &m->fc1, x, hidden, false);
    run->kernels->silu(m->fc1.n_out * m->d_pad, hidden);
    run_across(m, run->kernels, &m->fc2, hidden, run->y + frame * n_frame,
               true);
  }
}

const maudio_mixer_class maudio_band_mlp = {"band_mlp", bind, step, NULL};

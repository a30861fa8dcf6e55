/* Mamba (S6), step by step: Gu and Dao 2023, arXiv:2312.00752.
 *
 * Inside, channels are padded to MAUDIO_LANES: I' = pad(d_inner).
 */
#include "matrix.h"
#include "mixer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STAGE_IN, STAGE_SCAN, STAGE_OUT, N_STAGES };

typedef struct {
  maudio_mixer  head;
  size_t        n_bands;
  size_t        d_model;
  size_t        d_inner;
  size_t        dt_rank;
  size_t        n_inner;  ///< I'
  size_t        n_x_proj; ///< pad(R + 2N)
  maudio_matrix in_proj;  ///< (D, 2I')
  maudio_matrix x_proj;   ///< (I', n_x_proj)
  maudio_matrix dt_proj;  ///< (R, I')
  maudio_matrix out_proj; ///< (I', D)
  maudio_conv   conv;
  const float*  dt_bias;  ///< (I')
  const float*  in_bias;  ///< (2I'), or NULL
  const float*  out_bias; ///< (D), or NULL
  float         eps;      ///< Of the norms
  const float*  dt_norm;  ///< (R), or NULL: no norms
  const float*  b_norm;   ///< (N)
  const float*  c_norm;   ///< (N)
  maudio_s6     s6;
} mamba;

static maudio_status bind_in_proj(mamba* m, maudio_binding* b)
{
  maudio_rows    rows;
  maudio_packing packing;
  maudio_status  status =
    maudio_rows_read(b, "in_proj.weight", 2 * m->d_inner, m->d_model, &rows);
  if (!status) {
    status = maudio_packing_new(b, "in_proj.weight", &rows, m->d_model,
                                2 * m->n_inner, &packing);
  }
  if (!status) {
    for (size_t part = 0; part < 2; ++part) { // x, z
      maudio_pack(&packing, part * m->n_inner, 0, &rows, part * m->d_inner, 0,
                  m->d_inner, m->d_model);
    }
    m->in_proj = packing.matrix;
  }
  maudio_rows_free(&rows);
  return status;
}

static maudio_status bind_conv(mamba* m, bool has_no_bias, maudio_binding* b)
{
  const size_t  shape[] = {m->d_inner, 1, m->conv.d_conv};
  float*        rows    = NULL;
  float*        taps    = NULL;
  maudio_status status =
    maudio_tensor_read(b, "conv1d.weight", 3, shape, &rows);
  if (!status) {
    status =
      maudio_floats_new(b, "conv1d.weight", m->conv.d_conv * m->n_inner, &taps);
  }
  for (size_t c = 0; !status && c < m->d_inner; ++c) {
    for (size_t k = 0; k < m->conv.d_conv; ++k) {
      taps[k * m->n_inner + c] = rows[c * m->conv.d_conv + k];
    }
  }
  m->conv.weight = taps;
  free(rows);
  if (status || !has_no_bias) {
    return status ? status
                  : maudio_tensor_read_array(b, "conv1d.bias", 1, &m->d_inner,
                                             &m->conv.bias);
  }
  float* zeros = NULL;
  status       = maudio_floats_new(b, "conv1d.bias", m->n_inner, &zeros);
  m->conv.bias = zeros;
  return status;
}

static maudio_status bind_a(mamba* m, maudio_binding* b)
{
  const size_t  shape[] = {m->d_inner, m->s6.d_state};
  float*        a_log   = NULL;
  float*        a       = NULL;
  maudio_status status  = maudio_tensor_read(b, "A_log", 2, shape, &a_log);
  if (!status) {
    status = maudio_floats_new(b, "A_log", m->n_inner * m->s6.d_state, &a);
  }
  for (size_t c = 0; !status && c < m->d_inner; ++c) {
    float* const block = a + c / MAUDIO_LANES * m->s6.d_state * MAUDIO_LANES;
    for (size_t n = 0; n < m->s6.d_state; ++n) {
      block[n * MAUDIO_LANES + c % MAUDIO_LANES] =
        -expf(a_log[c * m->s6.d_state + n]);
    }
  }
  m->s6.a = a;
  free(a_log);
  return status;
}

/// Read the biases of both projections
static maudio_status bind_biases(mamba* m, maudio_binding* b)
{
  const size_t  n      = 2 * m->d_inner;
  float*        rows   = NULL;
  float*        placed = NULL;
  maudio_status status = maudio_tensor_read(b, "in_proj.bias", 1, &n, &rows);
  if (!status) {
    status = maudio_floats_new(b, "in_proj.bias", 2 * m->n_inner, &placed);
  }
  for (size_t part = 0; !status && part < 2; ++part) { // x, z
    memcpy(placed + part * m->n_inner, rows + part * m->d_inner,
           m->d_inner * sizeof *rows);
  }
  m->in_bias = placed;
  free(rows);
  return status ? status
                : maudio_tensor_read_array(b, "out_proj.bias", 1, &m->d_model,
                                           &m->out_bias);
}

/// Read the norms of dt, B and C
static maudio_status bind_norms(mamba* m, maudio_binding* b)
{
  const size_t  n      = m->s6.d_state;
  maudio_status status = maudio_tensor_read_array(b, "dt_layernorm.weight", 1,
                                                  &m->dt_rank, &m->dt_norm);
  if (!status) {
    status =
      maudio_tensor_read_array(b, "b_layernorm.weight", 1, &n, &m->b_norm);
  }
  return status ? status
                : maudio_tensor_read_array(b, "c_layernorm.weight", 1, &n,
                                           &m->c_norm);
}

static maudio_status
bind_tensors(mamba* m, const maudio_block_config* config, maudio_binding* b)
{
  const size_t  n_x_proj = m->dt_rank + 2 * m->s6.d_state;
  maudio_status status   = bind_in_proj(m, b);
  if (!status) {
    status = bind_conv(m, config->has_no_conv_bias, b);
  }
  if (!status) {
    status =
      maudio_matrix_read(b, "x_proj.weight", n_x_proj, m->d_inner, &m->x_proj);
  }
  if (!status) {
    status = maudio_matrix_read(b, "dt_proj.weight", m->d_inner, m->dt_rank,
                                &m->dt_proj);
  }
  if (!status) {
    status =
      maudio_tensor_read_array(b, "dt_proj.bias", 1, &m->d_inner, &m->dt_bias);
  }
  if (!status) {
    status = bind_a(m, b);
  }
  if (!status) {
    status = maudio_tensor_read_array(b, "D", 1, &m->d_inner, &m->s6.d);
  }
  if (!status && config->has_bias) {
    status = bind_biases(m, b);
  }
  if (!status && config->has_inner_norms) {
    status = bind_norms(m, b);
  }
  return status ? status
                : maudio_matrix_read(b, "out_proj.weight", m->d_model,
                                     m->d_inner, &m->out_proj);
}

/// Count the work of each stage
static void count(mamba* m)
{
  const double n_channels = (double)m->n_bands * (double)m->d_inner;
  const double d_model    = (double)m->d_model;
  const double n_scan =
    (double)m->conv.d_conv + 2 * (double)m->dt_rank + 4 * (double)m->s6.d_state;

  maudio_stage* const stages = m->head.stages;
  m->head.n_stages           = N_STAGES;
  stages[STAGE_IN] =
    (maudio_stage){2 * m->n_inner / MAUDIO_LANES, 2 * n_channels * d_model};
  stages[STAGE_SCAN] = (maudio_stage){1, n_channels * n_scan};
  stages[STAGE_OUT] =
    (maudio_stage){maudio_pad(m->d_model) / MAUDIO_LANES, n_channels * d_model};
  m->head.macs =
    stages[STAGE_IN].macs + stages[STAGE_SCAN].macs + stages[STAGE_OUT].macs;
}

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  mamba* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "mamba");
  }
  *mixer         = &m->head;
  m->n_bands     = binding->n_bands;
  m->d_model     = binding->d_model;
  m->d_inner     = config->d_inner;
  m->s6.d_state  = config->d_state;
  m->conv.d_conv = config->d_conv;
  m->eps         = binding->norm_eps;
  m->dt_rank     = config->dt_rank;
  m->n_inner     = maudio_pad(m->d_inner);
  m->s6.n        = m->n_inner;
  m->conv.n      = m->n_inner;
  m->n_x_proj    = maudio_pad(m->dt_rank + 2 * m->s6.d_state);

  m->head.type = &maudio_mamba;
  m->head.n_state =
    m->n_bands * m->n_inner * (m->s6.d_state + m->conv.d_conv - 1);
  m->head.n_frame_scratch = m->n_bands * (3 * m->n_inner + m->n_x_proj);
  m->head.n_fixed_scratch =
    maudio_pad(m->dt_rank > m->s6.d_state ? m->dt_rank : m->s6.d_state);
  count(m);
  return bind_tensors(m, config, binding);
}

/// Norm n floats in place, without touching what follows them
static void norm_part(const mamba*          m,
                      const maudio_kernels* kernels,
                      const float*          weight,
                      size_t                n,
                      float*                x,
                      float*                scratch)
{
  kernels->rms_norm(1, 0, x, weight, n, m->eps, scratch);
  memcpy(x, scratch, n * sizeof *x);
}

/// Norm dt, B and C of a row (n_x_proj)
static void norm_row(const mamba*          m,
                     const maudio_kernels* kernels,
                     float*                row,
                     float*                scratch)
{
  const size_t n = m->s6.d_state;
  norm_part(m, kernels, m->dt_norm, m->dt_rank, row, scratch);
  norm_part(m, kernels, m->b_norm, n, row + m->dt_rank, scratch);
  norm_part(m, kernels, m->c_norm, n, row + m->dt_rank + n, scratch);
}

/// Every row between the projections
static void scan(const mamba* m, const maudio_run* run)
{
  const maudio_kernels* kernels = run->kernels;
  float* const          state   = run->state;
  const size_t          n_rows  = run->n_frames * run->n_bands;
  const size_t          n_past  = m->n_inner * (m->conv.d_conv - 1);
  const size_t          n_own   = m->head.n_state / m->n_bands;
  float* const          xz      = run->scratch; // (rows, 2I'): x, z
  float* const          dtbc = xz + n_rows * 2 * m->n_inner; // (rows, n_x_proj)
  float* const          dt   = dtbc + n_rows * m->n_x_proj;  // (rows, I')

  for (size_t band = 0; band < run->n_bands; ++band) {
    kernels->conv_silu(&m->conv, run->n_frames, run->n_bands * 2 * m->n_inner,
                       state + band * n_own, xz + band * 2 * m->n_inner);
  }
  kernels->gemm(&(maudio_gemm){.w        = m->x_proj,
                               .x        = xz,
                               .x_stride = 2 * m->n_inner,
                               .n_rows   = n_rows,
                               .y        = dtbc,
                               .y_stride = m->n_x_proj});
  if (m->dt_norm) {
    for (size_t r = 0; r < n_rows; ++r) {
      norm_row(m, kernels, dtbc + r * m->n_x_proj, dt + n_rows * m->n_inner);
    }
  }
  kernels->gemm(&(maudio_gemm){.w        = m->dt_proj,
                               .bias     = m->dt_bias,
                               .x        = dtbc,
                               .x_stride = m->n_x_proj,
                               .n_rows   = n_rows,
                               .y        = dt,
                               .y_stride = m->n_inner});
  kernels->softplus(n_rows * m->n_inner, dt);
  for (size_t r = 0; r < n_rows; ++r) {
    float* const row = xz + r * 2 * m->n_inner;
    float* const b   = dtbc + r * m->n_x_proj + m->dt_rank;
    kernels->s6_step(
      &m->s6, &(maudio_scan){.x  = row,
                             .z  = row + m->n_inner,
                             .b  = b,
                             .c  = b + m->s6.d_state,
                             .dt = dt + r * m->n_inner,
                             .h  = state + r % run->n_bands * n_own + n_past,
                             .y  = row});
  }
}

static void
step_piece(const maudio_mixer* mixer, const maudio_run* run, maudio_piece piece)
{
  const mamba*      m      = (const mamba*)mixer;
  const size_t      n_rows = run->n_frames * run->n_bands;
  const size_t      d_pad  = maudio_pad(m->d_model);
  const maudio_gemm in     = {.w        = m->in_proj,
                              .bias     = m->in_bias,
                              .x        = run->x,
                              .x_stride = d_pad,
                              .n_rows   = n_rows,
                              .y        = run->scratch, // (n_rows, 2I')
                              .y_stride = 2 * m->n_inner};
  const maudio_gemm out    = {.w        = m->out_proj,
                              .bias     = m->out_bias,
                              .x        = run->scratch,
                              .x_stride = 2 * m->n_inner,
                              .n_rows   = n_rows,
                              .y        = run->y,
                              .y_stride = d_pad,
                              .add      = true};
  if (piece.stage == STAGE_SCAN) {
    scan(m, run);
  } else {
    maudio_gemm_panels(run->kernels, piece.stage == STAGE_IN ? &in : &out,
                       piece.first, piece.n);
  }
}

const maudio_mixer_class maudio_mamba = {"mamba", bind, maudio_mixer_step,
                                         step_piece};

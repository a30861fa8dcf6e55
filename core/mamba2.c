#include "mamba2.h"

#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STAGE_IN, STAGE_SCAN, STAGE_OUT, N_STAGES };

static size_t group_size(const maudio_ssd_mixer* m)
{
  return m->ssd.n_heads * m->ssd.headdim;
}

/// Where channel `c` of x, B, C of a tensor is inside
static size_t channel_at(const maudio_ssd_mixer* m, size_t c)
{
  const size_t size = group_size(m); // Not 0 where there are channels
  return size && c < m->d_inner ? c / size * m->ssd.group_pad + c % size
                                : m->n_inner + c - m->d_inner;
}

/// Where row `r` of in_proj is inside
static size_t proj_at(const maudio_ssd_mixer* m, size_t r)
{
  const size_t n_dt = 2 * (m->d_inner + m->ssd.n_groups * m->ssd.d_state);
  return r < m->d_inner ? channel_at(m, r)
         : r < n_dt     ? m->n_inner + channel_at(m, r - m->d_inner)
                        : m->n_inner + m->conv.n + r - n_dt;
}

static maudio_status bind_in_proj(maudio_ssd_mixer* m, maudio_binding* b)
{
  const size_t n_rows =
    2 * (m->d_inner + m->ssd.n_groups * m->ssd.d_state) + m->n_heads;
  maudio_rows    rows;
  maudio_packing packing;
  maudio_status  status =
    maudio_rows_read(b, "in_proj.weight", n_rows, m->d_model, &rows);
  if (!status) {
    status = maudio_packing_new(b, "in_proj.weight", &rows, m->d_model,
                                m->n_proj, &packing);
  }
  if (!status) {
    for (size_t r = 0; r < n_rows; ++r) {
      maudio_pack(&packing, proj_at(m, r), 0, &rows, r, 0, 1, m->d_model);
    }
    m->in_proj = packing.matrix;
  }
  maudio_rows_free(&rows);
  return status;
}

static maudio_status bind_out_proj(maudio_ssd_mixer* m, maudio_binding* b)
{
  maudio_rows    rows;
  maudio_packing packing;
  maudio_status  status =
    maudio_rows_read(b, "out_proj.weight", m->d_model, m->d_inner, &rows);
  if (!status) {
    status = maudio_packing_new(b, "out_proj.weight", &rows, m->n_inner,
                                m->d_model, &packing);
  }
  if (!status) {
    for (size_t c = 0; c < m->d_inner; ++c) {
      maudio_pack(&packing, 0, channel_at(m, c), &rows, 0, c, m->d_model, 1);
    }
    m->out_proj = packing.matrix;
  }
  maudio_rows_free(&rows);
  return status;
}

/// Read a tensor (n_channels, [1,] n) to an array (n, n_to) of inside channels
static maudio_status bind_channels(const maudio_ssd_mixer* m,
                                   maudio_binding*         b,
                                   const char*             name,
                                   unsigned                n_dims,
                                   const size_t*           shape,
                                   size_t                  n_to,
                                   const float**           to)
{
  const size_t  n      = n_dims == 3 ? shape[2] : 1;
  float*        data   = NULL;
  float*        placed = NULL;
  maudio_status status = maudio_tensor_read(b, name, n_dims, shape, &data);
  if (!status) {
    status = maudio_floats_new(b, name, n * n_to, &placed);
  }
  for (size_t c = 0; !status && c < shape[0]; ++c) {
    for (size_t k = 0; k < n; ++k) {
      placed[k * n_to + channel_at(m, c)] = data[c * n + k];
    }
  }
  *to = placed;
  free(data);
  return status;
}

static maudio_status bind_heads(maudio_ssd_mixer* m, maudio_binding* b)
{
  float*        a_log = NULL;
  float*        d     = NULL;
  float*        a     = NULL;
  float*        skip  = NULL;
  maudio_status status =
    maudio_tensor_read_array(b, "dt_bias", 1, &m->n_heads, &m->dt_bias);
  if (!status) {
    status = maudio_tensor_read(b, "A_log", 1, &m->n_heads, &a_log);
  }
  if (!status) {
    status = maudio_tensor_read(b, "D", 1, &m->n_heads, &d);
  }
  if (!status) {
    status = maudio_floats_new(b, "A_log", maudio_pad(m->n_heads), &a);
  }
  if (!status) {
    status = maudio_floats_new(b, "D", m->n_inner, &skip);
  }
  for (size_t i = 0; !status && i < m->n_heads; ++i) {
    a[i] = -expf(a_log[i]);
  }
  for (size_t c = 0; !status && c < m->d_inner; ++c) {
    skip[channel_at(m, c)] = d[c / m->ssd.headdim];
  }
  m->a     = a;
  m->ssd.d = skip;
  free(a_log);
  free(d);
  return status;
}

/// Read the weight of the norm of each group, or of one over all of them
static maudio_status
bind_norm(maudio_ssd_mixer* m, bool norms_all, maudio_binding* b)
{
  const float*        weight = NULL;
  float*              scaled = NULL;
  const maudio_status status =
    bind_channels(m, b, "norm.weight", 1, &m->d_inner, m->n_inner, &weight);
  m->norm        = weight;
  m->n_norm      = group_size(m);
  m->n_norm_step = m->ssd.group_pad;
  if (status || !norms_all) {
    return status;
  }
  m->n_norm = m->n_norm_step = m->n_inner;
  if (m->n_inner == m->d_inner) {
    return MAUDIO_SUCCESS;
  }
  // The mean runs over the padding between groups, too, which is 0
  const double share = (double)m->d_inner / (double)m->n_inner;
  m->eps             = (float)(m->eps * share);
  if (maudio_floats_new(b, "norm.weight", m->n_inner, &scaled)) {
    return MAUDIO_ERR_NO_MEMORY;
  }
  for (size_t c = 0; c < m->n_inner; ++c) {
    scaled[c] = (float)sqrt(share) * weight[c];
  }
  m->norm = scaled;
  return MAUDIO_SUCCESS;
}

/// Read the biases of both projections
static maudio_status bind_biases(maudio_ssd_mixer* m, maudio_binding* b)
{
  const size_t n =
    2 * (m->d_inner + m->ssd.n_groups * m->ssd.d_state) + m->n_heads;
  float*        rows   = NULL;
  float*        placed = NULL;
  maudio_status status = maudio_tensor_read(b, "in_proj.bias", 1, &n, &rows);
  if (!status) {
    status = maudio_floats_new(b, "in_proj.bias", m->n_proj, &placed);
  }
  for (size_t r = 0; !status && r < n; ++r) {
    placed[proj_at(m, r)] = rows[r];
  }
  m->in_bias = placed;
  free(rows);
  return status ? status
                : maudio_tensor_read_array(b, "out_proj.bias", 1, &m->d_model,
                                           &m->out_bias);
}

/// Read the bias of the convolution, or make one of 0
static maudio_status bind_conv_bias(maudio_ssd_mixer* m,
                                    const size_t*     shape,
                                    bool              has_none,
                                    maudio_binding*   b)
{
  if (!has_none) {
    return bind_channels(m, b, "conv1d.bias", 1, shape, m->conv.n,
                         &m->conv.bias);
  }
  float*              zeros = NULL;
  const maudio_status status =
    maudio_floats_new(b, "conv1d.bias", m->conv.n, &zeros);
  m->conv.bias = zeros;
  return status;
}

static maudio_status bind_tensors(maudio_ssd_mixer*          m,
                                  const maudio_block_config* config,
                                  maudio_binding*            b)
{
  const size_t  n_channels = m->d_inner + 2 * m->ssd.n_groups * m->ssd.d_state;
  const size_t  shape[]    = {n_channels, 1, m->conv.d_conv};
  maudio_status status     = bind_in_proj(m, b);
  if (!status) {
    status = bind_channels(m, b, "conv1d.weight", 3, shape, m->conv.n,
                           &m->conv.weight);
  }
  if (!status) {
    status = bind_conv_bias(m, shape, config->has_no_conv_bias, b);
  }
  if (!status) {
    status = bind_heads(m, b);
  }
  if (!status) {
    status = bind_norm(m, config->norms_all, b);
  }
  if (!status && config->has_bias) {
    status = bind_biases(m, b);
  }
  return status ? status : bind_out_proj(m, b);
}

/// Count the work of each stage
static void count(maudio_ssd_mixer* m)
{
  const double d_inner = (double)m->d_inner;
  const double d_model = (double)m->d_model;
  const double n_bc    = 2.0 * (double)(m->ssd.n_groups * m->ssd.d_state);
  const double n_bands = (double)m->n_bands;
  const double n_in    = 2 * d_inner + n_bc + (double)m->n_heads;
  const double n_scan  = (double)m->conv.d_conv * (d_inner + n_bc) +
                        2 * d_inner * (double)m->ssd.d_state;

  maudio_stage* const stages = m->head.stages;
  m->head.n_stages           = N_STAGES;
  stages[STAGE_IN] =
    (maudio_stage){m->n_proj / MAUDIO_LANES, n_bands * n_in * d_model};
  stages[STAGE_SCAN] = (maudio_stage){1, n_bands * n_scan};
  stages[STAGE_OUT]  = (maudio_stage){maudio_pad(m->d_model) / MAUDIO_LANES,
                                      n_bands * d_inner * d_model};
  m->head.macs =
    stages[STAGE_IN].macs + stages[STAGE_SCAN].macs + stages[STAGE_OUT].macs;
}

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  maudio_ssd_mixer* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "mamba2");
  }
  *mixer           = &m->head;
  m->n_bands       = binding->n_bands;
  m->d_model       = binding->d_model;
  m->d_inner       = config->d_inner;
  m->conv.d_conv   = config->d_conv;
  m->n_heads       = config->d_inner / config->headdim;
  m->eps           = binding->norm_eps;
  m->dt_min        = config->dt_min;
  m->dt_max        = config->dt_max;
  m->ssd           = (maudio_ssd){.n_groups = config->n_groups,
                                  .n_heads  = m->n_heads / config->n_groups,
                                  .headdim  = config->headdim,
                                  .d_state  = config->d_state};
  m->ssd.group_pad = maudio_pad(group_size(m));
  m->n_inner       = m->ssd.n_groups * m->ssd.group_pad;

  const size_t n_bc = 2 * m->ssd.n_groups * m->ssd.d_state;
  m->conv.n         = maudio_pad(m->n_inner + n_bc);
  m->n_proj         = m->n_inner + m->conv.n + maudio_pad(m->n_heads);

  m->head.type = &maudio_mamba2;
  m->head.n_state =
    m->n_bands * (m->n_inner * m->ssd.d_state +
                  (m->conv.d_conv - 1) * m->conv.n + maudio_pad(m->n_heads));
  m->head.n_frame_scratch = m->n_bands * (m->n_proj + 4 * m->n_heads);
  // Of the kernel, and the padding of what is there for each head
  m->head.n_fixed_scratch =
    2 * (m->ssd.group_pad + MAUDIO_LANES) + (size_t)4 * MAUDIO_LANES;
  count(m);
  return bind_tensors(m, config, binding);
}

static void
step_piece(const maudio_mixer* mixer, const maudio_run* run, maudio_piece piece)
{
  const maudio_ssd_mixer* m      = (const maudio_ssd_mixer*)mixer;
  const size_t            n_rows = run->n_frames * run->n_bands;
  const size_t            d_pad  = maudio_pad(m->d_model);
  const maudio_gemm       in     = {.w        = m->in_proj,
                                    .bias     = m->in_bias,
                                    .x        = run->x,
                                    .x_stride = d_pad,
                                    .n_rows   = n_rows,
                                    .y = run->scratch, // (n_frames, n_bands, n_proj)
                                    .y_stride = m->n_proj};
  const maudio_gemm       out    = {.w        = m->out_proj,
                                    .bias     = m->out_bias,
                                    .x        = run->scratch,
                                    .x_stride = m->n_proj,
                                    .n_rows   = n_rows,
                                    .y        = run->y,
                                    .y_stride = d_pad,
                                    .add      = true};
  if (piece.stage == STAGE_SCAN) {
    maudio_mamba2_scan(m, run);
  } else {
    maudio_gemm_panels(run->kernels, piece.stage == STAGE_IN ? &in : &out,
                       piece.first, piece.n);
  }
}

const maudio_mixer_class maudio_mamba2 = {"mamba2", bind, maudio_mixer_step,
                                          step_piece};

#include "steer.h"

#include "matrix.h"

#include <stdlib.h>
#include <string.h>

/// Multiply-accumulates of a part of a product: few enough not to be a burst
#define PART_MACS 32768

/// Level of the time before a signal: that of silence
#define ABSENT_LEVEL 1e-4f

/// Pack the rows of each band to a matrix of its own
static maudio_status bind_gain(maudio_steer* s, maudio_binding* b)
{
  static const char name[] = "steer.gain.weight";

  const size_t   n_own = s->n_gains / s->n_bands;
  maudio_rows    rows;
  maudio_matrix* weights = NULL;
  maudio_status  status =
    maudio_rows_read(b, name, s->n_gains, b->d_model, &rows);
  if (!status) {
    weights =
      (maudio_matrix*)maudio_arena_new(b->arena, s->n_bands * sizeof *weights);
    status = weights ? MAUDIO_SUCCESS : maudio_binding_no_memory(b, name);
  }
  for (size_t i = 0; weights && !status && i < s->n_bands; ++i) {
    maudio_packing packing;
    status = maudio_packing_new(b, name, &rows, b->d_model, n_own, &packing);
    if (!status) {
      maudio_pack(&packing, 0, 0, &rows, i * n_own, 0, n_own, b->d_model);
      weights[i] = packing.matrix;
    }
  }
  maudio_rows_free(&rows);
  s->gain = weights;
  return status;
}

static maudio_status bind_gain_bias(maudio_steer* s, maudio_binding* b)
{
  static const char name[] = "steer.gain.bias";

  float*        values = NULL;
  float*        bias   = NULL;
  maudio_status status = maudio_tensor_read(b, name, 1, &s->n_gains, &values);
  if (!status) {
    status = maudio_floats_new(b, name, maudio_steer_gains(s), &bias);
  }
  if (!status) {
    memcpy(bias, values, s->n_gains * sizeof *bias);
  }
  free(values);
  s->gain_bias = bias;
  return status;
}

/// Turn the taps round: a filter is a product with samples in their order
static maudio_status
bind_filters(maudio_steer* s, size_t n_taps, maudio_binding* b)
{
  static const char name[] = "steer.filters.weight";

  const size_t  shape[] = {s->n_gains, n_taps};
  float*        values  = NULL;
  float*        filters = NULL;
  maudio_status status  = maudio_tensor_read(b, name, 2, shape, &values);
  if (!status) {
    status = maudio_floats_new(b, name, s->n_gains * s->n_taps, &filters);
  }
  for (size_t c = 0; !status && c < s->n_gains; ++c) {
    for (size_t k = 0; k < n_taps; ++k) {
      filters[(c + 1) * s->n_taps - 1 - k] = values[c * n_taps + k];
    }
  }
  free(values);
  s->filters = filters;
  return status;
}

/// Pack (E, S * D) for rows of the slow network, each padded to D'
static maudio_status bind_context(maudio_steer* s, maudio_binding* b)
{
  static const char name[] = "steer.context.weight";

  maudio_rows    rows;
  maudio_packing packing;
  maudio_status  status =
    maudio_rows_read(b, name, s->d_model, s->n_bands * b->d_model, &rows);
  if (!status) {
    status = maudio_packing_new(b, name, &rows, s->n_bands * s->d_pad,
                                s->d_model, &packing);
  }
  if (!status) {
    for (size_t i = 0; i < s->n_bands; ++i) {
      maudio_pack(&packing, 0, i * s->d_pad, &rows, 0, i * b->d_model,
                  s->d_model, b->d_model);
    }
    s->context.weight = packing.matrix;
  }
  maudio_rows_free(&rows);
  return status ? status
                : maudio_tensor_read_array(b, "steer.context.bias", 1,
                                           &s->d_model, &s->context.bias);
}

/// Pack columns of the input from `first` on, the newest sample's first, for
/// samples in their order
static maudio_status pack_in(const maudio_steer* s,
                             const maudio_rows*  rows,
                             size_t              first,
                             maudio_binding*     b,
                             maudio_matrix*      to)
{
  maudio_packing      packing;
  const maudio_status status = maudio_packing_new(
    b, "steer.in.weight", rows, s->n_past, s->d_model, &packing);
  if (!status) {
    for (size_t i = 0; i < s->n_past; ++i) {
      maudio_pack(&packing, 0, s->n_past - 1 - i, rows, 0, first + i,
                  s->d_model, 1);
    }
    *to = packing.matrix;
  }
  return status;
}

static maudio_status bind_in(maudio_steer* s, maudio_binding* b)
{
  maudio_rows   rows;
  maudio_status status =
    maudio_rows_read(b, "steer.in.weight", s->d_model, 2 * s->n_past, &rows);
  if (!status) {
    status = pack_in(s, &rows, 0, b, &s->in_x);
  }
  if (!status) {
    status = pack_in(s, &rows, s->n_past, b, &s->in_z);
  }
  maudio_rows_free(&rows);
  return status;
}

static maudio_status bind_network(const maudio_steer_config* config,
                                  maudio_binding*            b,
                                  maudio_steer*              s)
{
  const size_t out[]   = {1, s->d_model};
  const size_t d_model = b->d_model;
  const size_t n_bands = b->n_bands;
  b->d_model           = s->d_model;
  b->n_bands           = 1;
  maudio_status status = maudio_backbone_bind(
    config->blocks, config->n_blocks, "steer.norm_f.weight", b, &s->backbone);
  b->d_model = d_model;
  b->n_bands = n_bands;
  return status
           ? status
           : maudio_tensor_read_array(b, "steer.out.weight", 2, out, &s->out);
}

/// The control of gain.bias and context.bias alone
static maudio_status make_absent(maudio_steer* s, maudio_binding* b)
{
  float*              control = NULL;
  const maudio_status status =
    maudio_floats_new(b, "steer.gain.bias", maudio_steer_control(s), &control);
  s->absent = control;
  if (!status) {
    for (size_t part = 0; part < maudio_steer_tap_parts(s); ++part) {
      maudio_steer_run_taps(s, s->gain_bias, part, control);
    }
    memcpy(maudio_steer_context_of(s, control), s->context.bias,
           s->d_model * sizeof *control);
    *maudio_steer_level_of(s, control) = ABSENT_LEVEL;
  }
  return status;
}

maudio_status maudio_steer_bind(const maudio_config* config,
                                maudio_binding*      binding,
                                maudio_steer*        s)
{
  const maudio_steer_config* const c = &config->steer;
  *s                   = (maudio_steer){.kernels = binding->kernels,
                                        .n_bands = binding->n_bands,
                                        .d_pad   = maudio_pad(binding->d_model),
                                        .n_gains = c->n_gains,
                                        .n_taps  = maudio_pad(c->n_taps),
                                        .n_past  = c->n_past,
                                        .d_model = c->d_model,
                                        .e_pad   = maudio_pad(c->d_model)};
  maudio_status status = bind_gain(s, binding);
  if (!status) {
    status = bind_gain_bias(s, binding);
  }
  if (!status) {
    status = bind_filters(s, c->n_taps, binding);
  }
  if (!status) {
    status = bind_context(s, binding);
  }
  if (!status) {
    status = bind_in(s, binding);
  }
  if (!status) {
    status = bind_network(c, binding, s);
  }
  return status ? status : make_absent(s, binding);
}

size_t maudio_steer_control(const maudio_steer* s)
{
  return s->n_taps + s->e_pad + 1;
}

size_t maudio_steer_gains(const maudio_steer* s)
{
  return maudio_pad(s->n_gains) + MAUDIO_LANES;
}

double maudio_steer_hop_macs(const maudio_steer* s)
{
  const double width = (double)(s->n_bands * s->d_pad);
  return (double)s->n_gains * (double)(s->d_pad + s->n_taps) +
         width * (double)s->d_model;
}

double maudio_steer_sample_macs(const maudio_steer* s)
{
  return 2.0 * (double)s->n_taps +
         (2.0 * (double)s->n_past + 1.0) * (double)s->d_model +
         maudio_backbone_macs(&s->backbone, 0);
}

void maudio_steer_run_gains(const maudio_steer* s, const float* y, float* gains)
{
  // The padding of a band spills into the next one, which then overwrites it
  const size_t n_own = s->n_gains / s->n_bands;
  for (size_t i = 0; i < s->n_bands; ++i) {
    s->kernels->gemm(&(maudio_gemm){.w        = s->gain[i],
                                    .bias     = s->gain_bias + i * n_own,
                                    .x        = y + i * s->d_pad,
                                    .x_stride = s->d_pad,
                                    .n_rows   = 1,
                                    .y        = gains + i * n_own,
                                    .y_stride = s->gain[i].n_out});
  }
}

/// Panels of a product of `n_in` inputs that are computed at once
static size_t part_panels(size_t n_in)
{
  const size_t n = PART_MACS / (n_in * MAUDIO_LANES);
  return n ? n : 1;
}

static size_t count_parts(size_t n_in, size_t n_out)
{
  const size_t n = part_panels(n_in);
  return (n_out / MAUDIO_LANES + n - 1) / n;
}

static void
run_part(const maudio_steer* s, const maudio_gemm* gemm, size_t part)
{
  const size_t n     = part_panels(gemm->w.n_in);
  const size_t first = part * n;
  const size_t left  = gemm->w.n_out / MAUDIO_LANES - first;
  maudio_gemm_panels(s->kernels, gemm, first, left < n ? left : n);
}

size_t maudio_steer_tap_parts(const maudio_steer* s)
{
  return count_parts(s->n_gains, s->n_taps);
}

void maudio_steer_run_taps(const maudio_steer* s,
                           const float*        gains,
                           size_t              part,
                           float*              control)
{
  const maudio_matrix w = {.n_in       = s->n_gains,
                           .n_out      = s->n_taps,
                           .in_step    = s->n_taps,
                           .panel_step = MAUDIO_LANES,
                           .data       = s->filters};
  run_part(s,
           &(maudio_gemm){.w        = w,
                          .x        = gains,
                          .x_stride = s->n_gains,
                          .n_rows   = 1,
                          .y        = control,
                          .y_stride = s->n_taps},
           part);
}

size_t maudio_steer_context_parts(const maudio_steer* s)
{
  return count_parts(s->context.weight.n_in, s->e_pad);
}

void maudio_steer_run_context(const maudio_steer* s,
                              const float*        y,
                              size_t              part,
                              float*              control)
{
  run_part(s,
           &(maudio_gemm){.w        = s->context.weight,
                          .bias     = s->context.bias,
                          .x        = y,
                          .x_stride = s->n_bands * s->d_pad,
                          .n_rows   = 1,
                          .y        = maudio_steer_context_of(s, control),
                          .y_stride = s->e_pad},
           part);
}

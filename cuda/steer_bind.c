#include "error.h"
#include "steer_weights.h"

#include <stdlib.h>
#include <string.h>

/// Bands whose norms find room in the shared memory that every GPU since
/// compute capability 8.0 has for a block
#define MAX_BANDS 118

/// As in core/steer.c
#define ABSENT_LEVEL 1e-4f

/// Tensors that more than one thing is made of
typedef struct {
  float* norm_f;    ///< (D) of the slow network
  float* gain_bias; ///< (C)
  float* filters;   ///< (C, K)
  float* context;   ///< (E) bias
} sources;

static maudio_status
read_sources(gpu_steer* s, const char* norm_f, gpu_binding* b, sources* from)
{
  const size_t  n_gains   = s->config.n_gains;
  const size_t  d_model   = s->config.d_model;
  const size_t  filters[] = {n_gains, s->config.n_taps};
  maudio_status status = gpu_bind_read(b, norm_f, 1, &s->d_slow, &from->norm_f);
  if (!status) {
    status = gpu_bind_read(b, "steer.gain.bias", 1, &n_gains, &from->gain_bias);
  }
  if (!status) {
    status =
      gpu_bind_read(b, "steer.filters.weight", 2, filters, &from->filters);
  }
  return status ? status
                : gpu_bind_read(b, "steer.context.bias", 1, &d_model,
                                &from->context);
}

static void free_sources(sources* from)
{
  free(from->norm_f);
  free(from->gain_bias);
  free(from->filters);
  free(from->context);
}

/// A part of the gains for each band
static maudio_status
bind_gain(gpu_steer* s, gpu_binding* b, const sources* from)
{
  const size_t            n_own   = s->config.n_gains / s->n_bands;
  const size_t            shape[] = {s->config.n_gains, s->d_slow};
  float*                  rows    = NULL;
  const void*             bias    = NULL;
  gpu_product_part* const parts =
    (gpu_product_part*)calloc(s->n_bands, sizeof *parts);
  if (!parts) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for steer.gain.weight");
  }
  maudio_status status = gpu_bind_read(b, "steer.gain.weight", 2, shape, &rows);
  if (!status) {
    status = gpu_arena_copy(b->arena, from->gain_bias, shape[0] * sizeof *rows,
                            &bias, b->error);
  }
  if (!status) {
    gpu_scale_columns(shape[0], s->d_slow, from->norm_f, rows);
  }
  for (size_t i = 0; !status && i < s->n_bands; ++i) {
    const size_t first = i * n_own;
    parts[i]           = (gpu_product_part){.bias = (const float*)bias + first,
                                            .a_at = (int)(i * s->d_slow),
                                            .c_at = (int)first};
    status = gpu_bind_matrix(b, n_own, s->d_slow, rows + first * s->d_slow,
                             &parts[i].w);
  }
  if (!status) {
    status = gpu_bind_parts(b, s->n_bands, parts, &s->gain);
  }
  free(rows);
  free(parts);
  return status;
}

/// Filters (C, K) to a matrix (K, C)
static maudio_status
bind_taps(gpu_steer* s, gpu_binding* b, const sources* from)
{
  const size_t n_gains = s->config.n_gains;
  const size_t n_taps  = s->config.n_taps;
  float* const turned  = (float*)malloc(n_gains * n_taps * sizeof *turned);
  if (!turned) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for steer.filters.weight");
  }
  gpu_transpose(n_gains, n_taps, from->filters, turned);
  const maudio_status status =
    gpu_bind_whole(b, n_taps, n_gains, turned, NULL, &s->taps);
  free(turned);
  return status;
}

static maudio_status
bind_context(gpu_steer* s, gpu_binding* b, const sources* from)
{
  const size_t  d_model = s->config.d_model;
  const size_t  n_in    = s->n_bands * s->d_slow;
  const size_t  shape[] = {d_model, n_in};
  float*        rows    = NULL;
  const void*   bias    = NULL;
  maudio_status status =
    gpu_bind_read(b, "steer.context.weight", 2, shape, &rows);
  if (!status) {
    status = gpu_arena_copy(b->arena, from->context, d_model * sizeof *rows,
                            &bias, b->error);
  }
  if (!status) {
    for (size_t i = 0; i < d_model * s->n_bands; ++i) {
      gpu_scale_columns(1, s->d_slow, from->norm_f, rows + i * s->d_slow);
    }
    status =
      gpu_bind_whole(b, d_model, n_in, rows, (const float*)bias, &s->context);
  }
  free(rows);
  return status;
}

/// The control of gain.bias and context.bias alone, as often as it is looked
/// back on
static maudio_status
bind_absent(gpu_steer* s, gpu_binding* b, const sources* from)
{
  const size_t n_taps   = s->config.n_taps;
  const size_t d_model  = s->config.d_model;
  const size_t n        = gpu_steer_control(s);
  float* const controls = (float*)calloc(GPU_PAST_CONTROLS * n, sizeof(float));
  if (!controls) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for a control");
  }
  for (size_t c = 0; c < s->config.n_gains; ++c) {
    for (size_t k = 0; k < n_taps; ++k) {
      controls[k] += from->gain_bias[c] * from->filters[c * n_taps + k];
    }
  }
  memcpy(controls + n_taps, from->context, d_model * sizeof *controls);
  controls[n_taps + d_model] = ABSENT_LEVEL;
  for (size_t i = 1; i < GPU_PAST_CONTROLS; ++i) {
    memcpy(controls + i * n, controls, n * sizeof *controls);
  }
  const void*         copy = NULL;
  const maudio_status status =
    gpu_arena_copy(b->arena, controls, GPU_PAST_CONTROLS * n * sizeof *controls,
                   &copy, b->error);
  s->absent = (const float*)copy;
  free(controls);
  return status;
}

/// The last row, times the weight of the norm before it
static maudio_status bind_out(gpu_steer* s, gpu_binding* b)
{
  const size_t  d_model = s->config.d_model;
  const size_t  shape[] = {1, d_model};
  float*        norm    = NULL;
  float*        row     = NULL;
  const void*   copy    = NULL;
  maudio_status status =
    gpu_bind_read(b, "steer.norm_f.weight", 1, &d_model, &norm);
  if (!status) {
    status = gpu_bind_read(b, "steer.out.weight", 2, shape, &row);
  }
  if (!status) {
    gpu_scale_columns(1, d_model, norm, row);
    status =
      gpu_arena_copy(b->arena, row, d_model * sizeof *row, &copy, b->error);
  }
  s->out = (const float*)copy;
  free(norm);
  free(row);
  return status;
}

/// Read all that concerns controls
static maudio_status bind_slow(gpu_steer* s, const char* norm_f, gpu_binding* b)
{
  sources       from   = {.norm_f = NULL};
  maudio_status status = read_sources(s, norm_f, b, &from);
  if (!status) {
    status = bind_gain(s, b, &from);
  }
  if (!status) {
    status = bind_taps(s, b, &from);
  }
  if (!status) {
    status = bind_context(s, b, &from);
  }
  if (!status) {
    status = bind_absent(s, b, &from);
  }
  free_sources(&from);
  return status;
}

static maudio_status bind_fast(gpu_steer* s, gpu_binding* b)
{
  maudio_status status = gpu_bind_product(
    b,
    &(gpu_product_source){.name  = "steer.in.weight",
                          .n_out = s->config.d_model,
                          .n_in  = 2 * (size_t)s->config.n_past},
    &s->in);
  if (!status) {
    status =
      gpu_stack_bind(s->config.n_blocks, s->config.blocks, b, &s->layers);
  }
  return status ? status : bind_out(s, b);
}

maudio_status gpu_steer_new(const maudio_config*  config,
                            maudio_weights*       weights,
                            maudio_cuda_precision precision,
                            gpu_steer**           steer,
                            maudio_error*         error)
{
  *steer = NULL;
  if (config->spectral.n_bands > MAX_BANDS) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "steer.context.weight: %u bands are too many for the "
                       "GPU, %d are possible",
                       config->spectral.n_bands, MAX_BANDS);
  }
  gpu_steer* const s = (gpu_steer*)calloc(1, sizeof *s);
  if (!s) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for model '%s'",
                       config->name);
  }
  s->precision = precision;
  s->norm_eps  = config->norm_eps;
  s->n_bands   = config->spectral.n_bands;
  s->d_slow    = config->d_model;
  s->config    = config->steer;

  gpu_binding   binding = {.weights  = weights,
                           .arena    = &s->arena,
                           .prefix   = "",
                           .n_bands  = 1,
                           .d_model  = (int)config->steer.d_model,
                           .norm_eps = config->norm_eps,
                           .error    = error};
  maudio_status status  = bind_slow(s, config->norm_f, &binding);
  if (!status) {
    status = bind_fast(s, &binding);
  }
  if (status) {
    gpu_steer_free(s);
    return status;
  }
  *steer = s;
  return MAUDIO_SUCCESS;
}

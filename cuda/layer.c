#include "layer.h"

#include "error.h"
#include "mlp.h"

#include <math.h>
#include <stdlib.h>

/// Read the convolution: weight (W, 1, d_conv) to (d_conv, W)
static maudio_status bind_conv(gpu_binding* b, gpu_scan* s)
{
  const size_t n_conv  = (size_t)s->n_conv;
  const size_t d_conv  = (size_t)s->d_conv;
  const size_t shape[] = {n_conv, 1, d_conv};
  float*       rows    = NULL;
  const void*  copy    = NULL;
  float* const taps    = (float*)malloc(n_conv * d_conv * sizeof(float));
  if (!taps) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for %sconv1d.weight", b->prefix);
  }
  maudio_status status = gpu_bind_read(b, "conv1d.weight", 3, shape, &rows);
  if (!status) {
    for (size_t i = 0; i < n_conv * d_conv; ++i) {
      taps[i % d_conv * n_conv + i / d_conv] = rows[i];
    }
    status = gpu_arena_copy(b->arena, taps, n_conv * d_conv * sizeof(float),
                            &copy, b->error);
  }
  s->conv_weight = (const float*)copy;
  free(rows);
  free(taps);
  return status ? status
                : gpu_bind_floats(b, "conv1d.bias", 1, &n_conv, &s->conv_bias);
}

/// Read A_log of these dimensions and make it A
static maudio_status
bind_a(gpu_binding* b, unsigned n_dims, const size_t* shape, gpu_scan* s)
{
  const size_t  n      = shape[0] * (n_dims == 2 ? shape[1] : 1);
  float*        a      = NULL;
  const void*   copy   = NULL;
  maudio_status status = gpu_bind_read(b, "A_log", n_dims, shape, &a);
  if (!status) {
    for (size_t i = 0; i < n; ++i) {
      a[i] = -expf(a[i]);
    }
    status = gpu_arena_copy(b->arena, a, n * sizeof *a, &copy, b->error);
  }
  s->a = (const float*)copy;
  free(a);
  return status;
}

static maudio_status bind_mamba2(const maudio_block_config* config,
                                 gpu_binding*               b,
                                 const float*               norm,
                                 gpu_layer*                 l)
{
  gpu_scan* const s          = &l->scan;
  const size_t    d_inner    = config->d_inner;
  const size_t    n_bc       = (size_t)config->n_groups * config->d_state;
  const size_t    n_heads    = d_inner / config->headdim;
  const size_t    n_proj     = 2 * d_inner + 2 * n_bc + n_heads;
  float*          inner_norm = NULL;
  s->is_ssd                  = true;
  s->headdim                 = (int)config->headdim;
  s->n_groups                = (int)config->n_groups;
  s->n_conv                  = (int)(d_inner + 2 * n_bc);
  s->dt_min                  = config->dt_min;
  s->dt_max                  = config->dt_max;

  maudio_status status =
    gpu_bind_product(b,
                     &(gpu_product_source){.name  = "in_proj.weight",
                                           .n_out = n_proj,
                                           .n_in  = (size_t)l->d_model,
                                           .norm  = norm},
                     &l->in_proj);
  if (!status) {
    status = bind_conv(b, s);
  }
  if (!status) {
    status = gpu_bind_floats(b, "dt_bias", 1, &n_heads, &s->dt_bias);
  }
  if (!status) {
    status = bind_a(b, 1, &n_heads, s);
  }
  if (!status) {
    status = gpu_bind_floats(b, "D", 1, &n_heads, &s->d);
  }
  if (!status) {
    status = gpu_bind_read(b, "norm.weight", 1, &d_inner, &inner_norm);
  }
  if (!status) {
    status = gpu_bind_product(b,
                              &(gpu_product_source){.name  = "out_proj.weight",
                                                    .n_out = (size_t)l->d_model,
                                                    .n_in  = d_inner,
                                                    .norm  = inner_norm},
                              &l->out_proj);
  }
  free(inner_norm);
  l->n_norm     = (int)(d_inner / config->n_groups);
  l->proj_width = (int)((n_proj + 7) / 8 * 8);
  l->n_work     = (size_t)l->proj_width;
  return status;
}

static maudio_status bind_mamba(const maudio_block_config* config,
                                gpu_binding*               b,
                                const float*               norm,
                                gpu_layer*                 l)
{
  gpu_scan* const s       = &l->scan;
  const size_t    d_inner = config->d_inner;
  const size_t    n_x     = config->dt_rank + 2 * (size_t)config->d_state;
  const size_t    a[]     = {d_inner, config->d_state};
  s->is_ssd               = false;
  s->headdim              = 1;
  s->n_groups             = 1;
  s->n_conv               = (int)d_inner;

  const float*  dt_bias = NULL;
  maudio_status status =
    gpu_bind_product(b,
                     &(gpu_product_source){.name  = "in_proj.weight",
                                           .n_out = 2 * d_inner,
                                           .n_in  = (size_t)l->d_model,
                                           .norm  = norm},
                     &l->in_proj);
  if (!status) {
    status = bind_conv(b, s);
  }
  if (!status) {
    status = gpu_bind_product(b,
                              &(gpu_product_source){.name  = "x_proj.weight",
                                                    .n_out = n_x,
                                                    .n_in  = d_inner},
                              &l->x_proj);
  }
  if (!status) {
    status = gpu_bind_floats(b, "dt_proj.bias", 1, &d_inner, &dt_bias);
  }
  if (!status) {
    status = gpu_bind_product(b,
                              &(gpu_product_source){.name  = "dt_proj.weight",
                                                    .n_out = d_inner,
                                                    .n_in  = config->dt_rank,
                                                    .bias  = dt_bias},
                              &l->dt_proj);
  }
  if (!status) {
    status = bind_a(b, 2, a, s);
  }
  if (!status) {
    status = gpu_bind_floats(b, "D", 1, &d_inner, &s->d);
  }
  if (!status) {
    status = gpu_bind_product(b,
                              &(gpu_product_source){.name  = "out_proj.weight",
                                                    .n_out = (size_t)l->d_model,
                                                    .n_in  = d_inner},
                              &l->out_proj);
  }
  l->dt_rank    = (int)config->dt_rank;
  l->proj_width = (int)((2 * d_inner + 7) / 8 * 8);
  l->x_width    = (int)((n_x + 7) / 8 * 8);
  l->n_work     = (size_t)(l->proj_width + l->x_width) + 2 * d_inner;
  return status;
}

maudio_status gpu_layer_bind(const maudio_block_config* config,
                             gpu_binding*               b,
                             size_t*                    state_at,
                             gpu_layer*                 l)
{
  const int    n_all   = b->n_bands;
  const int    n_bands = config->n_bands ? (int)config->n_bands : n_all;
  const size_t d_model = (size_t)b->d_model;
  *l                   = (gpu_layer){.type       = config->mixer,
                                     .norm_eps   = b->norm_eps,
                                     .first_band = (int)config->first_band,
                                     .n_bands    = n_bands,
                                     .d_model    = b->d_model,
                                     .scan       = {.n_bands  = n_bands,
                                                    .d_inner  = (int)config->d_inner,
                                                    .d_state  = (int)config->d_state,
                                                    .d_conv   = (int)config->d_conv,
                                                    .state_at = (int64_t)*state_at}};
  float* norm          = NULL;
  b->prefix            = "";
  maudio_status status = gpu_bind_read(b, config->norm, 1, &d_model, &norm);
  b->prefix            = config->prefix;
  if (status) {
    return status;
  }
  b->n_bands = n_bands;
  switch (config->mixer) {
  case MAUDIO_MIXER_BAND_MLP:
    status = gpu_layer_bind_band_mlp(config, b, norm, l);
    break;
  case MAUDIO_MIXER_MAMBA2:
    status = bind_mamba2(config, b, norm, l);
    break;
  case MAUDIO_MIXER_MAMBA:
    status = bind_mamba(config, b, norm, l);
    break;
  case MAUDIO_MIXER_MLP:
    status = gpu_layer_bind_mlp(config, b, norm, l);
    break;
  default:
    status = maudio_fail(b->error, MAUDIO_ERR_UNSUPPORTED,
                         "%s: this kind of block does not run on the GPU",
                         config->prefix);
    break;
  }
  b->n_bands = n_all;
  free(norm);
  if (!status && gpu_layer_has_scan(l)) {
    *state_at += gpu_scan_state(&l->scan);
  }
  return status;
}

/// rows of `a` times a matrix, on the whole of the batch
static void multiply(const gpu_layer_run* run,
                     const gpu_layer*     l,
                     const gpu_product*   product,
                     gpu_product_rows     rows)
{
  rows.n_rows = run->batch->n_frames * l->n_bands;
  gpu_product_run(product, &rows, run->precision, run->stream);
}

static void queue_mamba2(const gpu_layer* l, const gpu_layer_run* run)
{
  float* const  proj  = run->work;
  const int64_t width = l->proj_width;
  float* const  xbc   = proj + l->scan.d_inner;
  multiply(run, l, &l->in_proj,
           (gpu_product_rows){.a        = run->x,
                              .a_stride = l->d_model,
                              .c        = proj,
                              .c_stride = width,
                              .n_norm   = l->d_model,
                              .norm_eps = l->norm_eps});
  gpu_scan_run(&l->scan,
               &(gpu_scan_rows){.x         = xbc,
                                .x_stride  = width,
                                .z         = proj,
                                .z_stride  = width,
                                .dt        = xbc + l->scan.n_conv,
                                .dt_stride = width,
                                .y         = proj,
                                .y_stride  = width},
               run->batch, run->scan, run->stream);
  gpu_scan_keep(&l->scan, xbc, width, run->batch, run->stream);
  multiply(run, l, &l->out_proj,
           (gpu_product_rows){.a        = proj,
                              .a_stride = width,
                              .c        = run->y,
                              .c_stride = l->d_model,
                              .x        = run->x,
                              .n_norm   = l->n_norm,
                              .norm_eps = l->norm_eps});
}

static void queue_mamba(const gpu_layer* l, const gpu_layer_run* run)
{
  const int64_t n_rows  = run->batch->n_frames * l->n_bands;
  const int64_t d_inner = l->scan.d_inner;
  float* const  proj    = run->work; // x, z
  float* const  dt_b_c  = proj + n_rows * l->proj_width;
  float* const  x       = dt_b_c + n_rows * l->x_width;
  float* const  dt      = x + n_rows * d_inner;
  multiply(run, l, &l->in_proj,
           (gpu_product_rows){.a        = run->x,
                              .a_stride = l->d_model,
                              .c        = proj,
                              .c_stride = l->proj_width,
                              .n_norm   = l->d_model,
                              .norm_eps = l->norm_eps});
  gpu_scan_conv(&l->scan, proj, l->proj_width, x, run->batch, run->stream);
  gpu_scan_keep(&l->scan, proj, l->proj_width, run->batch, run->stream);
  multiply(run, l, &l->x_proj,
           (gpu_product_rows){
             .a = x, .a_stride = d_inner, .c = dt_b_c, .c_stride = l->x_width});
  multiply(
    run, l, &l->dt_proj,
    (gpu_product_rows){
      .a = dt_b_c, .a_stride = l->x_width, .c = dt, .c_stride = d_inner});
  gpu_scan_run(&l->scan,
               &(gpu_scan_rows){.x         = x,
                                .x_stride  = d_inner,
                                .z         = proj + d_inner,
                                .z_stride  = l->proj_width,
                                .b         = dt_b_c + l->dt_rank,
                                .b_stride  = l->x_width,
                                .dt        = dt,
                                .dt_stride = d_inner,
                                .y         = proj,
                                .y_stride  = l->proj_width},
               run->batch, run->scan, run->stream);
  multiply(run, l, &l->out_proj,
           (gpu_product_rows){.a        = proj,
                              .a_stride = l->proj_width,
                              .c        = run->y,
                              .c_stride = l->d_model,
                              .x        = run->x});
}

static void queue_mlp(const gpu_layer* l, const gpu_layer_run* run)
{
  const int64_t width = l->proj_width;
  multiply(run, l, &l->gate_up,
           (gpu_product_rows){.a        = run->x,
                              .a_stride = l->d_model,
                              .c        = run->work,
                              .c_stride = width,
                              .n_norm   = l->d_model,
                              .norm_eps = l->norm_eps});
  gpu_mlp_hidden(run->work, run->batch->n_frames * l->n_bands, width,
                 l->d_hidden, run->stream);
  multiply(run, l, &l->down,
           (gpu_product_rows){.a        = run->work,
                              .a_stride = width,
                              .c        = run->y,
                              .c_stride = l->d_model,
                              .x        = run->x});
}

void gpu_layer_queue(const gpu_layer* layer, const gpu_layer_run* run)
{
  switch (layer->type) {
  case MAUDIO_MIXER_BAND_MLP:
    gpu_band_mlp_run(&layer->band_mlp, run->batch->n_frames, run->x, run->y,
                     run->precision, run->stream);
    break;
  case MAUDIO_MIXER_MAMBA2:
    queue_mamba2(layer, run);
    break;
  case MAUDIO_MIXER_MLP:
    queue_mlp(layer, run);
    break;
  default:
    queue_mamba(layer, run);
    break;
  }
}

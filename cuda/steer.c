#include "steer_weights.h"

#include <stdlib.h>

/// Least rows of the fast network that run together
#define MIN_ROWS ((size_t)4096)

void gpu_steer_free(gpu_steer* s)
{
  if (s) {
    gpu_arena_clear(&s->arena);
    gpu_stack_clear(&s->layers);
    free(s);
  }
}

size_t gpu_steer_control(const gpu_steer* s)
{
  return ((size_t)s->config.n_taps + s->config.d_model + 1 + 3) / 4 * 4;
}

size_t gpu_steer_gains(const gpu_steer* s)
{
  return s->config.n_gains;
}

size_t gpu_steer_state(const gpu_steer* s, size_t n_phases)
{
  return s->layers.n_state * n_phases;
}

const float* gpu_steer_absent(const gpu_steer* s)
{
  return s->absent;
}

/// Floats of a row besides x and y
static size_t row_work(const gpu_steer* s)
{
  const size_t n_past = 2 * (size_t)s->config.n_past;
  const size_t n_work = gpu_stack_work(&s->layers);
  return n_past > n_work ? n_past : n_work;
}

size_t gpu_steer_choose_rows(gpu_steer* s, size_t n_bytes)
{
  const size_t n_row =
    sizeof(float) * (2 * (size_t)s->config.d_model + row_work(s));
  const size_t n = n_bytes / n_row;
  s->n_rows = n > GPU_FAST_ROWS ? GPU_FAST_ROWS : n > MIN_ROWS ? n : MIN_ROWS;
  return s->n_rows * n_row;
}

size_t gpu_steer_rows(const gpu_steer* s)
{
  return s->n_rows;
}

int gpu_steer_blocks(const gpu_steer* s)
{
  return gpu_stack_blocks(&s->layers);
}

gpu_fast gpu_steer_sizes(const gpu_steer* s, size_t n_phases)
{
  return (gpu_fast){.n_taps   = (int)s->config.n_taps,
                    .n_past   = (int)s->config.n_past,
                    .d_model  = (int)s->config.d_model,
                    .stride   = (int)gpu_steer_control(s),
                    .n_phases = (int)n_phases,
                    .delay    = (int)(n_phases * s->config.delay_frames),
                    .fade     = (int)(n_phases * s->config.fade_frames),
                    .n_past_z = (int)(n_phases * (s->config.n_past - 1)),
                    .norm_eps = s->norm_eps,
                    .out      = s->out};
}

void gpu_steer_controls(const gpu_steer* s,
                        int64_t          n_frames,
                        const float*     y,
                        float*           gains,
                        float*           controls,
                        cudaStream_t     stream)
{
  const int64_t    n_gains = s->config.n_gains;
  gpu_product_rows rows    = {.a        = y,
                              .a_stride = (int64_t)(s->n_bands * s->d_slow),
                              .c_stride = n_gains,
                              .n_rows   = n_frames,
                              .n_norm   = (int)s->d_slow,
                              .norm_eps = s->norm_eps};
  rows.c                   = gains;
  gpu_product_run(&s->gain, &rows, s->precision, stream);
  rows.c        = controls + s->config.n_taps;
  rows.c_stride = (int64_t)gpu_steer_control(s);
  gpu_product_run(&s->context, &rows, s->precision, stream);
  gpu_product_run(&s->taps,
                  &(gpu_product_rows){.a        = gains,
                                      .a_stride = n_gains,
                                      .c        = controls,
                                      .c_stride = rows.c_stride,
                                      .n_rows   = n_frames},
                  s->precision, stream);
}

maudio_status gpu_steer_run(gpu_steer*            s,
                            const gpu_fast*       fast,
                            const gpu_fast_batch* batch,
                            const gpu_fast_round* round,
                            const gpu_batch*      sequences,
                            cudaStream_t          stream,
                            maudio_error*         error)
{
  const gpu_stack_run run    = {.batch     = sequences,
                                .n_bands   = fast->n_phases,
                                .precision = s->precision,
                                .stream    = stream};
  const maudio_status status = gpu_stack_reserve(
    &s->layers, &run, (size_t)round->n_rows * row_work(s), error);
  if (status) {
    return status;
  }
  float* const x    = (float*)s->layers.x.data;
  float* const u    = (float*)s->layers.y.data;
  float* const past = (float*)s->layers.work.data;
  gpu_fast_enter(fast, batch, round, past, x, stream);
  gpu_product_run(&s->in,
                  &(gpu_product_rows){.a        = past,
                                      .a_stride = 2 * (int64_t)fast->n_past,
                                      .c        = u,
                                      .c_stride = fast->d_model,
                                      .n_rows   = round->n_rows,
                                      .x        = x},
                  s->precision, stream);
  gpu_fast_leave(fast, batch, round, gpu_stack_queue(&s->layers, &run, u, x),
                 stream);
  return MAUDIO_SUCCESS;
}

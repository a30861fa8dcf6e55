#include "stack.h"

#include "bands.h"
#include "error.h"

#include <stdlib.h>

maudio_status gpu_stack_bind(size_t                     n_layers,
                             const maudio_block_config* config,
                             gpu_binding*               b,
                             gpu_stack*                 s)
{
  *s = (gpu_stack){
    .n_bands = b->n_bands, .d_model = b->d_model, .n_layers = n_layers};
  s->layers = (gpu_layer*)calloc(n_layers, sizeof *s->layers);
  if (!s->layers) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY, "No memory for layers");
  }
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < n_layers; ++i) {
    status = gpu_layer_bind(&config[i], b, &s->n_state, &s->layers[i]);
  }
  b->prefix = "";
  return status;
}

void gpu_stack_clear(gpu_stack* s)
{
  gpu_buffer_clear(&s->x);
  gpu_buffer_clear(&s->y);
  gpu_buffer_clear(&s->some);
  gpu_buffer_clear(&s->work);
  gpu_buffer_clear(&s->scan);
  free(s->layers);
  *s = (gpu_stack){.n_layers = 0};
}

size_t gpu_stack_work(const gpu_stack* s)
{
  size_t most = 0;
  for (size_t i = 0; i < s->n_layers; ++i) {
    most = s->layers[i].n_work > most ? s->layers[i].n_work : most;
  }
  return most;
}

int gpu_stack_blocks(const gpu_stack* s)
{
  int least = 0;
  for (size_t i = 0; i < s->n_layers; ++i) {
    if (gpu_layer_has_scan(&s->layers[i])) {
      const int blocks =
        gpu_scan_blocks(&s->layers[i].scan) * s->layers[i].n_bands / s->n_bands;
      least = least && least < blocks ? least : blocks;
    }
  }
  return least ? least : 1;
}

/// A layer for as many bands as `run` has; the states of layers before it take
/// room for each of them
static gpu_layer
layer_for(const gpu_stack* s, size_t i, const gpu_stack_run* run)
{
  gpu_layer l     = s->layers[i];
  l.n_bands       = l.n_bands * run->n_bands / s->n_bands;
  l.scan.n_bands  = l.n_bands;
  l.scan.state_at = l.scan.state_at * run->n_bands / s->n_bands;
  return l;
}

/// Most bands of a layer that is not for all of them
static int most_of_some(const gpu_stack* s)
{
  int most = 0;
  for (size_t i = 0; i < s->n_layers; ++i) {
    const int n = s->layers[i].n_bands;
    most        = n < s->n_bands && n > most ? n : most;
  }
  return most;
}

size_t gpu_stack_frame(const gpu_stack* s)
{
  const size_t d_model = (size_t)s->d_model;
  return (size_t)s->n_bands * (2 * d_model + gpu_stack_work(s)) +
         (size_t)most_of_some(s) * d_model;
}

maudio_status gpu_stack_reserve(gpu_stack*           s,
                                const gpu_stack_run* run,
                                size_t               least_work,
                                maudio_error*        error)
{
  const size_t n_rows = (size_t)run->batch->n_frames * (size_t)run->n_bands;
  const size_t size   = sizeof(float) * n_rows * (size_t)s->d_model;
  size_t       n_work = n_rows * gpu_stack_work(s);
  size_t       n_scan = 0;
  n_work              = n_work > least_work ? n_work : least_work;
  for (size_t i = 0; i < s->n_layers; ++i) {
    const gpu_layer l = layer_for(s, i, run);
    if (gpu_layer_has_scan(&l)) {
      const size_t own =
        gpu_scan_work(&l.scan, (size_t)run->batch->n_cut_segments);
      n_scan = own > n_scan ? own : n_scan;
    }
  }
  maudio_status status = gpu_buffer_reserve(&s->x, size, error);
  if (!status) {
    status = gpu_buffer_reserve(&s->y, size, error);
  }
  if (!status) {
    status = gpu_buffer_reserve(
      &s->some, size / (size_t)run->n_bands * (size_t)most_of_some(s), error);
  }
  if (!status) {
    status = gpu_buffer_reserve(&s->work, sizeof(float) * n_work, error);
  }
  return status ? status
                : gpu_buffer_reserve(&s->scan, sizeof(float) * n_scan, error);
}

/// Queue a layer, x to y
static void queue_layer(const gpu_stack*     s,
                        const gpu_stack_run* run,
                        const gpu_layer*     l,
                        const float*         x,
                        float*               y)
{
  gpu_layer_queue(l, &(gpu_layer_run){.batch     = run->batch,
                                      .x         = x,
                                      .y         = y,
                                      .work      = (float*)s->work.data,
                                      .scan      = (float*)s->scan.data,
                                      .precision = run->precision,
                                      .stream    = run->stream});
}

/// Queue a layer that is for some bands, in place
static void queue_some(const gpu_stack*     s,
                       const gpu_stack_run* run,
                       const gpu_layer*     l,
                       float*               x,
                       float*               rows)
{
  const int64_t n_frames = run->batch->n_frames;
  const int64_t stride   = (int64_t)run->n_bands * s->d_model;
  const int64_t n_own    = (int64_t)l->n_bands * s->d_model;
  float* const  own      = x + (int64_t)l->first_band * s->d_model;
  float* const  result   = (float*)s->some.data;
  gpu_bands_copy(own, stride, rows, n_own, n_own, n_frames, run->stream);
  queue_layer(s, run, l, rows, result);
  gpu_bands_copy(result, n_own, own, stride, n_own, n_frames, run->stream);
}

float* gpu_stack_queue(const gpu_stack*     s,
                       const gpu_stack_run* run,
                       float*               x,
                       float*               y)
{
  for (size_t i = 0; i < s->n_layers; ++i) {
    const gpu_layer l = layer_for(s, i, run);
    if (l.n_bands < run->n_bands) {
      queue_some(s, run, &l, x, y);
      continue;
    }
    queue_layer(s, run, &l, x, y);
    float* const previous = x;
    x                     = y;
    y                     = previous;
  }
  return x;
}

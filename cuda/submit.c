#include "error.h"
#include "plan.h"

#include <stdlib.h>

/// Make room for what a batch keeps to itself
static maudio_status
reserve_slot(gpu_slot* slot, const gpu_plan* plan, maudio_error* error)
{
  const size_t  size   = plan->n_samples * sizeof(float);
  maudio_status status = gpu_buffer_reserve(&slot->in, size, error);
  if (!status) {
    status = gpu_buffer_reserve(&slot->out, size, error);
  }
  if (!status) {
    status = gpu_buffer_reserve(&slot->plan, plan->size, error);
  }
  if (!status && plan->size > slot->host_size) {
    cudaFreeHost(slot->host_plan);
    slot->host_plan = NULL;
    slot->host_size = 0;
    status          = gpu_check(
               cudaHostAlloc(&slot->host_plan, plan->size, cudaHostAllocDefault),
               "page-locked memory", error);
    slot->host_size = status ? 0 : plan->size;
  }
  return status;
}

/// Make room for what batches share
static maudio_status
reserve_shared(maudio_cuda_engine* e, const gpu_plan* plan, maudio_error* error)
{
  const size_t n_frames = (size_t)plan->batch.n_frames;
  const bool   is_mask  = !e->steer;
  const struct {
    gpu_buffer* buffer;
    size_t      n_floats;
  } needs[] = {
    {&e->spectra, 2 * plan->n_spectra},
    {&e->tails, is_mask ? plan->n_tails : 0},
    {&e->features, n_frames * gpu_network_features(e->network)},
    {&e->mask, n_frames * gpu_network_out(e->network)},
    {&e->high, is_mask ? n_frames * sizeof(gpu_high) / sizeof(float) : 0},
    {&e->time, plan->most_time},
    {&e->masked, is_mask ? 2 * plan->most_bins : 0},
    {&e->z, is_mask ? 0 : plan->n_samples},
  };
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < sizeof needs / sizeof *needs; ++i) {
    status = gpu_buffer_reserve(needs[i].buffer,
                                needs[i].n_floats * sizeof(float), error);
  }
  return status;
}

/// Rows of the transform that begins with row `first`
static int64_t rows_from(const gpu_group* group, int64_t first)
{
  const int64_t n = group->n_rows - first;
  return n < GPU_FFT_ROWS ? n : GPU_FFT_ROWS;
}

/// Samples to features
static void analyse(maudio_cuda_engine* e, const gpu_group* group)
{
  const gpu_spectral* s       = &group->format->spectral;
  float* const        time    = (float*)e->time.data;
  float2* const       spectra = (float2*)e->spectra.data + group->spectra_at;
  for (int64_t row = 0; row < group->n_rows; row += GPU_FFT_ROWS) {
    gpu_front_gather(s, &group->front, row, rows_from(group, row), time,
                     e->compute);
    cufftExecR2C(group->format->forward, time,
                 (cufftComplex*)(spectra + row * s->n_bins));
  }
  if (group->front.n_frames) {
    gpu_front_features(s, &group->front, spectra, (float*)e->features.data,
                       (int64_t)gpu_network_features(e->network), e->compute);
  }
}

/// Masks to samples
static void synthesise(maudio_cuda_engine* e, const gpu_group* group)
{
  const gpu_spectral* s       = &group->format->spectral;
  float* const        time    = (float*)e->time.data;
  float2* const       masked  = (float2*)e->masked.data;
  float2* const       spectra = (float2*)e->spectra.data + group->spectra_at;
  float* const        tails   = (float*)e->tails.data + group->tails_at;
  float* const        mask    = (float*)e->mask.data;
  gpu_high* const     high    = (gpu_high*)e->high.data;
  const int64_t       stride  = (int64_t)gpu_network_out(e->network);
  if (group->front.n_frames) {
    gpu_front_raise(s, &group->front, mask, stride, e->compute);
    if (s->high.n_bands) {
      gpu_front_high(s, &group->front, spectra, mask, stride, high, e->compute);
    }
  }
  for (int64_t row = 0; row < group->n_rows; row += GPU_FFT_ROWS) {
    const int64_t n = rows_from(group, row);
    gpu_front_mask(s, &group->front, row, n, spectra, mask, stride, high,
                   masked, e->compute);
    if (s->n_filtered) {
      gpu_front_filter(s, &group->front, row, n, spectra, mask, stride, masked,
                       e->compute);
    }
    cufftExecC2R(group->format->inverse, (cufftComplex*)masked, time);
    gpu_front_tails(s, n, time, tails + row * 2 * s->hop, e->compute);
  }
  gpu_front_play(s, &group->front, tails, e->compute);
  if (s->n_kept) {
    gpu_front_keep_frames(s, &group->front, spectra, e->compute);
  }
}

/// Controls to samples, through the fast network
static maudio_status play_fast(maudio_cuda_engine* e,
                               const gpu_plan*     plan,
                               size_t              group,
                               maudio_error*       error)
{
  const gpu_group*     g     = &plan->groups[group];
  const gpu_fast       sizes = gpu_steer_sizes(e->steer, g->format->n_phases);
  const gpu_fast_batch batch = {.spectral = g->format->spectral,
                                .front    = g->front,
                                .slices   = gpu_fast_plan_slices(plan, group),
                                .controls = (float*)e->mask.data};
  gpu_fast_levels(&sizes, &batch, e->compute);
  gpu_fast_filter(&sizes, &batch, e->compute);
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < plan->fast.n_steps; ++i) {
    const gpu_fast_step* step = &plan->fast.steps[i];
    if (step->group == group) {
      status = gpu_steer_run(e->steer, &sizes, &batch, &step->round,
                             &step->batch, e->compute, error);
    }
  }
  gpu_fast_keep(&sizes, &batch, e->compute);
  return status;
}

/// Copy the samples of all slices in the order of the plan, one way or the
/// other
static void copy_samples(const gpu_plan*          plan,
                         const maudio_cuda_slice* slices,
                         float*                   samples,
                         bool                     is_in,
                         cudaStream_t             stream)
{
  for (size_t i = 0; i < plan->n_slices; ++i) {
    const maudio_cuda_slice* s    = &slices[plan->order[i]];
    const size_t             size = s->n_frames * sizeof(float);
    for (unsigned c = 0; c < s->signal->n_channels; ++c) {
      if (is_in) {
        cudaMemcpyAsync(samples, s->in[c], size, cudaMemcpyHostToDevice,
                        stream);
      } else {
        cudaMemcpyAsync(s->out[c], samples, size, cudaMemcpyDeviceToHost,
                        stream);
      }
      samples += s->n_frames;
    }
  }
}

/// Queue a batch that has been laid out and has its memory
static maudio_status queue(maudio_cuda_engine*      e,
                           gpu_slot*                slot,
                           gpu_plan*                plan,
                           const maudio_cuda_slice* slices,
                           maudio_error*            error)
{
  gpu_plan_fill(plan, slices, slot->host_plan, slot->plan.data,
                (float*)slot->in.data, (float*)slot->out.data,
                (float*)e->z.data);
  cudaMemcpyAsync(slot->plan.data, slot->host_plan, plan->size,
                  cudaMemcpyHostToDevice, e->to_gpu);
  copy_samples(plan, slices, (float*)slot->in.data, true, e->to_gpu);
  cudaEventRecord(slot->copied, e->to_gpu);

  cudaStreamWaitEvent(e->compute, slot->copied, 0);
  for (size_t g = 0; g < plan->n_groups; ++g) {
    analyse(e, &plan->groups[g]);
  }
  maudio_status status =
    gpu_network_run(e->network, &plan->batch, (const float*)e->features.data,
                    (float*)e->mask.data, e->compute, error);
  if (!status) { // cuFFT would forget it
    status = gpu_check(cudaGetLastError(), "computing", error);
  }
  for (size_t g = 0; !status && g < plan->n_groups; ++g) {
    if (e->steer) {
      status = play_fast(e, plan, g, error);
    } else {
      synthesise(e, &plan->groups[g]);
    }
  }
  cudaEventRecord(slot->computed, e->compute);

  cudaStreamWaitEvent(e->from_gpu, slot->computed, 0);
  copy_samples(plan, slices, (float*)slot->out.data, false, e->from_gpu);
  cudaEventRecord(slot->done, e->from_gpu);
  return status ? status : gpu_check(cudaGetLastError(), "computing", error);
}

maudio_status maudio_cuda_submit(maudio_cuda_engine*      engine,
                                 size_t                   n_slices,
                                 const maudio_cuda_slice* slices,
                                 uint64_t*                ticket,
                                 maudio_error*            error)
{
  gpu_slot* const slot   = &engine->slots[engine->n_tickets % GPU_SLOTS];
  gpu_plan        plan   = {.n_slices = 0};
  maudio_status   status = gpu_engine_use(engine, error);
  if (!status && engine->n_tickets >= GPU_SLOTS) {
    status = gpu_check(cudaEventSynchronize(slot->done), "computing", error);
  }
  if (!status) {
    status = gpu_plan_make(engine, n_slices, slices, &plan, error);
  }
  if (!status) {
    status = reserve_slot(slot, &plan, error);
  }
  if (!status) {
    status = reserve_shared(engine, &plan, error);
  }
  if (!status) {
    status = queue(engine, slot, &plan, slices, error);
  }
  gpu_plan_clear(&plan);
  if (!status) {
    *ticket = engine->n_tickets++;
  }
  return status;
}

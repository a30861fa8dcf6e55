#include "plan.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

/// Most slices of a batch: a dimension of a grid
#define MAX_SLICES 65535

static int64_t hops_of(const maudio_cuda_slice* slice)
{
  return (int64_t)(slice->n_frames / maudio_cuda_signal_hop(slice->signal));
}

static maudio_status check_slices(const maudio_cuda_engine* e,
                                  size_t                    n_slices,
                                  const maudio_cuda_slice*  slices,
                                  maudio_error*             error)
{
  size_t n_hops = 0;
  for (size_t i = 0; i < n_slices; ++i) {
    const maudio_cuda_slice* s   = &slices[i];
    const size_t             hop = maudio_cuda_signal_hop(s->signal);
    const size_t             n   = (s->n_frames + hop - 1) / hop;
    if (s->signal->engine != e) {
      return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                         "Slice %zu is of a signal of another engine", i);
    }
    if (n > e->info.slice_hops) {
      return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                         "Slice %zu has %zu hops, at most %zu are possible", i,
                         n, e->info.slice_hops);
    }
    n_hops += n * s->signal->n_channels;
  }
  if (n_hops > e->info.batch_hops || n_slices > MAX_SLICES) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "A batch of %zu slices with %zu hops, at most %d and "
                       "%zu are possible",
                       n_slices, n_hops, MAX_SLICES, e->info.batch_hops);
  }
  return MAUDIO_SUCCESS;
}

/// Put slices of one rate together: `order`, and the groups
static void
group_slices(gpu_plan* plan, size_t n_slices, const maudio_cuda_slice* slices)
{
  size_t n = 0;
  for (size_t i = 0; i < n_slices; ++i) {
    gpu_format* const format = slices[i].signal->format;
    bool              is_new = slices[i].n_frames > 0;
    for (size_t g = 0; g < plan->n_groups; ++g) {
      is_new = is_new && plan->groups[g].format != format;
    }
    if (!is_new) {
      continue;
    }
    gpu_group* const group   = &plan->groups[plan->n_groups++];
    *group                   = (gpu_group){.format     = format,
                                           .spectra_at = plan->n_spectra,
                                           .tails_at   = plan->n_tails};
    group->front.first_frame = plan->batch.n_frames;
    for (size_t j = i; j < n_slices; ++j) {
      const maudio_cuda_slice* s = &slices[j];
      if (s->signal->format != format || !s->n_frames) {
        continue;
      }
      const int64_t n_samples = (int64_t)s->n_frames;
      plan->order[n++]        = j;
      ++group->front.n_slices;
      group->front.n_frames += hops_of(s);
      group->n_rows += hops_of(s) * s->signal->n_channels;
      if (n_samples > group->front.most_samples) {
        group->front.most_samples = n_samples;
      }
      plan->n_samples += s->n_frames * s->signal->n_channels;
    }
    const gpu_spectral* f      = &format->spectral;
    const size_t        n_fft  = (size_t)GPU_FFT_ROWS * (size_t)f->n_fft;
    const size_t        n_bins = (size_t)GPU_FFT_ROWS * (size_t)f->n_bins;
    const size_t        n_whole =
      ((size_t)group->n_rows + GPU_FFT_ROWS - 1) / GPU_FFT_ROWS;
    plan->most_time = n_fft > plan->most_time ? n_fft : plan->most_time;
    plan->most_bins = n_bins > plan->most_bins ? n_bins : plan->most_bins;
    plan->n_spectra += n_whole * n_bins;
    plan->n_tails += (size_t)group->n_rows * 2 * (size_t)f->hop;
    plan->batch.n_frames += group->front.n_frames;
  }
  plan->n_slices = n;
}

/// Count sequences, segments and cuts
static void count_segments(const maudio_cuda_engine* e,
                           const maudio_cuda_slice*  slices,
                           gpu_plan*                 plan)
{
  plan->length = gpu_segment_length(
    e->n_processors, gpu_network_blocks(e->network), plan->batch.n_frames);
  for (size_t i = 0; i < plan->n_slices; ++i) {
    const int64_t n_frames = hops_of(&slices[plan->order[i]]);
    if (n_frames) {
      gpu_batch_count(&plan->batch, n_frames, plan->length);
    }
  }
}

maudio_status gpu_plan_make(maudio_cuda_engine*      engine,
                            size_t                   n_slices,
                            const maudio_cuda_slice* slices,
                            gpu_plan*                plan,
                            maudio_error*            error)
{
  *plan                = (gpu_plan){.n_slices = 0};
  maudio_status status = check_slices(engine, n_slices, slices, error);
  if (status) {
    return status;
  }
  const size_t n = n_slices ? n_slices : 1;
  plan->groups   = (gpu_group*)calloc(n, sizeof *plan->groups);
  plan->order    = (size_t*)calloc(n, sizeof *plan->order);
  if (!plan->groups || !plan->order) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for a batch");
  }
  group_slices(plan, n_slices, slices);
  count_segments(engine, slices, plan);
  plan->size =
    plan->n_slices * sizeof *plan->slices + gpu_batch_size(&plan->batch);
  if (engine->config.steer.n_gains) {
    status = gpu_fast_plan_make(engine, slices, plan, error);
    plan->size += plan->fast.size;
  }
  return status;
}

void gpu_plan_clear(gpu_plan* plan)
{
  free(plan->groups);
  free(plan->order);
  gpu_fast_plan_clear(&plan->fast);
  *plan = (gpu_plan){.n_slices = 0};
}

/// Point to the arrays in `host` and to where they will be on the GPU
static void place(gpu_plan* plan, char* host, const char* device)
{
  plan->slices = (gpu_front_slice*)(void*)host;
  size_t done  = 0;
  for (size_t g = 0; g < plan->n_groups; ++g) {
    plan->groups[g].front.slices =
      (const gpu_front_slice*)(const void*)device + done;
    done += (size_t)plan->groups[g].front.n_slices;
  }
  const size_t at = plan->n_slices * sizeof *plan->slices;
  gpu_batch_place(&plan->batch, plan->length, host + at, device + at,
                  &plan->filler);
}

static void fill_slices(gpu_plan*                plan,
                        const maudio_cuda_slice* slices,
                        const float*             in,
                        float*                   out)
{
  int64_t frame = 0;
  size_t  at    = 0; // In `order`
  for (size_t g = 0; g < plan->n_groups; ++g) {
    int64_t row = 0;
    for (int i = 0; i < plan->groups[g].front.n_slices; ++i, ++at) {
      const maudio_cuda_slice*  from   = &slices[plan->order[at]];
      const maudio_cuda_signal* signal = from->signal;
      gpu_front_slice* const    to     = &plan->slices[at];
      *to                              = (gpu_front_slice){.first_row   = row,
                                                           .first_frame = frame,
                                                           .n_frames    = hops_of(from),
                                                           .n_samples   = (int64_t)from->n_frames,
                                                           .n_channels  = (int32_t)signal->n_channels,
                                                           .strength    = signal->strength,
                                                           .floor       = signal->floor,
                                                           .noise       = signal->noise};
      for (unsigned c = 0; c < signal->n_channels; ++c) {
        to->in[c]       = in;
        to->out[c]      = out;
        to->channels[c] = signal->channels[c];
        in += from->n_frames;
        out += from->n_frames;
      }
      row += to->n_frames * to->n_channels;
      frame += to->n_frames;
    }
  }
}

static void fill_segments(gpu_plan* plan, const maudio_cuda_slice* slices)
{
  for (size_t i = 0; i < plan->n_slices; ++i) {
    const gpu_front_slice* s = &plan->slices[i];
    if (s->n_frames) {
      gpu_batch_add(
        &plan->filler,
        (gpu_sequence){.first    = s->first_frame,
                       .n_frames = s->n_frames,
                       .state = (float*)slices[plan->order[i]].signal->state});
    }
  }
}

void gpu_plan_fill(gpu_plan*                plan,
                   const maudio_cuda_slice* slices,
                   void*                    host,
                   const void*              device,
                   const float*             in,
                   float*                   out,
                   float*                   z)
{
  place(plan, (char*)host, (const char*)device);
  fill_slices(plan, slices, in, out);
  fill_segments(plan, slices);
  const size_t at = plan->size - plan->fast.size;
  gpu_fast_plan_fill(plan, slices, (char*)host + at, (const char*)device + at,
                     in, z);
}

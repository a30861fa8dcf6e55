#include "fast_plan.h"

#include "error.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

/// Return an array with room for one more element of `size` bytes behind
/// `n_used`, NULL without memory
static void* grow(void* array, size_t n_used, size_t size)
{
  // Where the number is a power of two there is no room left
  const bool is_full = !(n_used & (n_used - 1));
  return is_full ? realloc(array, (n_used ? 2 * n_used : 1) * size) : array;
}

/// Return a new round, NULL without memory
static gpu_fast_step* add_step(gpu_fast_plan* fast, size_t group)
{
  gpu_fast_step* const steps =
    (gpu_fast_step*)grow(fast->steps, fast->n_steps, sizeof *steps);
  if (!steps) {
    return NULL;
  }
  fast->steps               = steps;
  gpu_fast_step* const step = &steps[fast->n_steps++];
  *step = (gpu_fast_step){.group = group, .first_piece = fast->n_pieces};
  return step;
}

static bool
add_piece(gpu_fast_plan* fast, gpu_fast_step* step, const gpu_fast_piece* piece)
{
  gpu_fast_piece* const pieces =
    (gpu_fast_piece*)grow(fast->pieces, fast->n_pieces, sizeof *pieces);
  if (!pieces) {
    return false;
  }
  fast->pieces             = pieces;
  pieces[fast->n_pieces++] = *piece;
  ++step->round.n_pieces;
  step->batch.n_frames += piece->n_frames;
  return true;
}

/// Share out one channel of a slice: rounds have `most` frames
static bool add_channel(gpu_fast_plan* fast,
                        size_t         group,
                        int64_t        most,
                        gpu_fast_piece piece,
                        int64_t        n_frames)
{
  while (piece.from < n_frames) {
    gpu_fast_step* step =
      fast->n_steps ? &fast->steps[fast->n_steps - 1] : NULL;
    if (!step || step->group != group || step->batch.n_frames == most) {
      step = add_step(fast, group);
    }
    if (!step) {
      return false;
    }
    const int64_t room = most - step->batch.n_frames;
    const int64_t left = n_frames - piece.from;
    piece.first        = step->batch.n_frames;
    piece.n_frames     = left < room ? left : room;
    if (!add_piece(fast, step, &piece)) {
      return false;
    }
    piece.from += piece.n_frames;
  }
  return true;
}

/// Share out the slices of a group, the first of which is `at` in the order
static bool add_group(const maudio_cuda_engine* e,
                      const maudio_cuda_slice*  slices,
                      const size_t*             order,
                      const gpu_group*          group,
                      size_t                    number,
                      gpu_fast_plan*            fast)
{
  const int64_t n_phases = (int64_t)group->format->n_phases;
  const int64_t rows     = (int64_t)gpu_steer_rows(e->steer);
  const int64_t most     = rows > n_phases ? rows / n_phases : 1;
  for (int i = 0; i < group->front.n_slices; ++i) {
    const maudio_cuda_slice* s = &slices[order[i]];
    const int64_t n = ((int64_t)s->n_frames + n_phases - 1) / n_phases;
    for (unsigned c = 0; c < s->signal->n_channels; ++c) {
      if (!add_channel(fast, number, most,
                       (gpu_fast_piece){.slice = i, .channel = (int32_t)c},
                       n)) {
        return false;
      }
    }
  }
  return true;
}

/// Choose segments for a step, and count them
static void
count_step(const maudio_cuda_engine* e, const gpu_plan* plan, gpu_fast_step* s)
{
  const int n_phases = (int)plan->groups[s->group].format->n_phases;
  s->round.n_rows    = s->batch.n_frames * n_phases;
  s->length          = gpu_segment_length(
             e->n_processors, n_phases * gpu_steer_blocks(e->steer), s->batch.n_frames);
  for (int i = 0; i < s->round.n_pieces; ++i) {
    gpu_batch_count(&s->batch,
                    plan->fast.pieces[s->first_piece + (size_t)i].n_frames,
                    s->length);
  }
}

maudio_status gpu_fast_plan_make(const maudio_cuda_engine* engine,
                                 const maudio_cuda_slice*  slices,
                                 gpu_plan*                 plan,
                                 maudio_error*             error)
{
  gpu_fast_plan* const fast = &plan->fast;
  const size_t*        next = plan->order;
  for (size_t g = 0; g < plan->n_groups; ++g) {
    if (!add_group(engine, slices, next, &plan->groups[g], g, fast)) {
      return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for a batch");
    }
    next += plan->groups[g].front.n_slices;
  }
  fast->size = plan->n_slices * sizeof *fast->slices +
               fast->n_pieces * sizeof *fast->pieces;
  for (size_t i = 0; i < fast->n_steps; ++i) {
    count_step(engine, plan, &fast->steps[i]);
    fast->size += gpu_batch_size(&fast->steps[i].batch);
  }
  return MAUDIO_SUCCESS;
}

/// The first slice of a group in the order of all
static size_t first_slice(const gpu_plan* plan, size_t group)
{
  size_t first = 0;
  for (size_t g = 0; g < group; ++g) {
    first += (size_t)plan->groups[g].front.n_slices;
  }
  return first;
}

const gpu_fast_slice* gpu_fast_plan_slices(const gpu_plan* plan, size_t group)
{
  return plan->fast.slices + first_slice(plan, group);
}

/// Lay out the sequences of a step
static void fill_step(const gpu_plan*          plan,
                      const maudio_cuda_slice* slices,
                      gpu_fast_step*           s,
                      char*                    host,
                      const char*              device)
{
  gpu_filler filler;
  gpu_batch_place(&s->batch, s->length, host, device, &filler);
  const size_t first = first_slice(plan, s->group);
  for (int i = 0; i < s->round.n_pieces; ++i) {
    const gpu_fast_piece* p = &plan->fast.pieces[s->first_piece + (size_t)i];
    const size_t          number = plan->order[first + (size_t)p->slice];
    gpu_batch_add(
      &filler,
      (gpu_sequence){.first    = p->first,
                     .n_frames = p->n_frames,
                     .state = slices[number].signal->fast.network[p->channel]});
  }
}

void gpu_fast_plan_fill(gpu_plan*                plan,
                        const maudio_cuda_slice* slices,
                        char*                    host,
                        const char*              device,
                        const float*             in,
                        float*                   z)
{
  gpu_fast_plan* const  fast = &plan->fast;
  gpu_fast_slice* const own  = (gpu_fast_slice*)(void*)host;
  size_t                at   = plan->n_slices * sizeof *own;
  const gpu_fast_piece* pieces =
    (const gpu_fast_piece*)(const void*)(device + at);
  fast->slices = (const gpu_fast_slice*)(const void*)device;
  for (size_t i = 0; fast->n_steps && i < plan->n_slices; ++i) {
    const maudio_cuda_signal* signal = slices[plan->order[i]].signal;
    own[i]                           = signal->fast;
    for (unsigned c = 0; c < signal->n_channels; ++c) {
      own[i].z[c] = z + (plan->slices[i].in[c] - in);
    }
  }
  if (fast->n_pieces) {
    memcpy(host + at, fast->pieces, fast->n_pieces * sizeof *pieces);
  }
  at += fast->n_pieces * sizeof *pieces;
  for (size_t i = 0; i < fast->n_steps; ++i) {
    gpu_fast_step* const s = &fast->steps[i];
    s->round.pieces        = pieces + s->first_piece;
    fill_step(plan, slices, s, host + at, device + at);
    at += gpu_batch_size(&s->batch);
  }
}

void gpu_fast_plan_clear(gpu_fast_plan* fast)
{
  free(fast->steps);
  free(fast->pieces);
  *fast = (gpu_fast_plan){.n_steps = 0};
}

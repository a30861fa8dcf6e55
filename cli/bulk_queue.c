#include "bulk_queue.h"

#include <stdbool.h>

void bulk_queue_push(bulk_queue* queue, bulk_file* file, bulk_stage stage)
{
  if (file->queued[stage]) {
    return;
  }
  file->queued[stage] = true;
  file->next[stage]   = NULL;
  if (queue->first) {
    queue->last->next[stage] = file;
  } else {
    queue->first = file;
  }
  queue->last = file;
}

bulk_file* bulk_queue_pop(bulk_queue* queue, bulk_stage stage)
{
  bulk_file* const file = queue->first;
  if (file) {
    queue->first        = file->next[stage];
    file->queued[stage] = false;
  }
  return file;
}

void bulk_ready_push(bulk_ready* ready, bulk_slot* slot)
{
  slot->next_ready = NULL;
  if (ready->first) {
    ready->last->next_ready = slot;
  } else {
    ready->first = slot;
  }
  ready->last = slot;
}

/// Append a slice for each signal of a slot
static void add_slices(maudio_cuda_slice* slices, const bulk_slot* slot)
{
  const bulk_file* const file = slot->file;
  const size_t           each = file->n_channels / file->n_signals;
  for (size_t s = 0; s < file->n_signals; ++s) {
    slices[s] = (maudio_cuda_slice){.signal   = file->signals[s],
                                    .n_frames = slot->n_frames};
    for (size_t c = 0; c < each; ++c) {
      float* const row = slot->samples + (s * each + c) * file->slot_frames;
      slices[s].in[c]  = row;
      slices[s].out[c] = row;
    }
  }
}

bulk_slot* bulk_ready_take(bulk_ready*        ready,
                           uint64_t           number,
                           size_t             max_hops,
                           maudio_cuda_slice* slices,
                           size_t*            n_slices)
{
  bulk_ready taken  = {NULL, NULL};
  bulk_ready left   = {NULL, NULL};
  size_t     n_hops = 0;
  bool       full   = false;
  *n_slices         = 0;
  while (ready->first) {
    bulk_slot* const slot = ready->first;
    bulk_file* const file = slot->file;
    const size_t     more =
      (slot->n_frames + file->hop - 1) / file->hop * file->n_channels;
    ready->first = slot->next_ready;
    // What does not fit ends the batch, lest it be overtaken for ever
    full = full || n_hops + more > max_hops ||
           *n_slices + file->n_signals > BULK_MAX_SLICES;
    if (full || file->in_batch == number) {
      bulk_ready_push(&left, slot);
    } else {
      add_slices(slices + *n_slices, slot);
      *n_slices += file->n_signals;
      n_hops += more;
      file->in_batch = number;
      bulk_ready_push(&taken, slot);
    }
  }
  *ready = left;
  return taken.first;
}

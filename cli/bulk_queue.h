/** @file
 * Files that wait for a thread, and slots that wait for a GPU.
 */
#ifndef CLI_BULK_QUEUE_H
#define CLI_BULK_QUEUE_H

#include "bulk_file.h"

#include <stddef.h>
#include <stdint.h>

/// Most slices of a batch, and most signals of a file
#define BULK_MAX_SLICES 2048

/// Files in order, by `next` of a stage
typedef struct {
  bulk_file* first;
  bulk_file* last;
} bulk_queue;

/// Append a file to a queue, unless it is in there
void bulk_queue_push(bulk_queue* queue, bulk_file* file, bulk_stage stage);

/// Take the oldest file out, or return NULL
bulk_file* bulk_queue_pop(bulk_queue* queue, bulk_stage stage);

/// Slots in order, by `next_ready`
typedef struct {
  bulk_slot* first;
  bulk_slot* last;
} bulk_ready;

/// Append a slot
void bulk_ready_push(bulk_ready* ready, bulk_slot* slot);

/**
 * Take a batch out, one slot of each file.
 *
 * @param number Of the batch, other than before.
 * @param max_hops Most hops of all slices and channels.
 * @param[out] slices BULK_MAX_SLICES of them.
 */
bulk_slot* bulk_ready_take(bulk_ready*        ready,
                           uint64_t           number,
                           size_t             max_hops,
                           maudio_cuda_slice* slices,
                           size_t*            n_slices);

#endif /* CLI_BULK_QUEUE_H */

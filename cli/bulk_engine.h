/** @file
 * A GPU at work on slots of many files, and the thread that feeds it.
 *
 * Whatever is ready when there is room for a batch goes into it, so that
 * batches grow when the GPU is behind and shrink when it is ahead, and nothing
 * waits for the end of anything else.
 */
#ifndef CLI_BULK_ENGINE_H
#define CLI_BULK_ENGINE_H

#include "bulk_queue.h"
#include "cuda_device.h"
#include "process_run.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/// What the threads of a run share
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t  work;     ///< There may be some
  bulk_queue      to_write; ///< Files whose oldest slot is done
} bulk_shared;

/// What a GPU may take of page-locked memory
typedef struct {
  size_t max_slots;
  size_t slot_samples; ///< Samples of a slot, of all channels
} bulk_limits;

/**
 * Start the thread of a GPU, or complain and return NULL.
 *
 * @param i Which of `devices`.
 */
bulk_engine* bulk_engine_start(process_run*        run,
                               bulk_shared*        shared,
                               const cuda_devices* devices,
                               size_t              i,
                               const bulk_limits*  limits);

/// End the thread, when all files are closed, and free all. NULL is fine
void bulk_engine_stop(bulk_engine* e);

// The functions below are called under the lock

/// Return whether the GPU takes files: not after several failures in a row
bool bulk_engine_works(const bulk_engine* e);

/// Return the number of files that it has taken and not given back
size_t bulk_engine_load(const bulk_engine* e);

/// Take a file; when its signals are there it can be read
void bulk_engine_take(bulk_engine* e, bulk_file* file);

/// Have a closed file freed
void bulk_engine_give_back(bulk_engine* e, bulk_file* file);

/// Queue a file to be read
void bulk_engine_to_read(bulk_engine* e, bulk_file* file);

/// Take a file to read, with a slot for it, or NULL if it has failed; or return
/// false
bool bulk_engine_next_read(bulk_engine* e, bulk_file** file, bulk_slot** slot);

/// Send a slot of a file to the GPU
void bulk_engine_send(bulk_engine* e, bulk_slot* slot);

/// Free a slot
void bulk_engine_free_slot(bulk_engine* e, bulk_slot* slot);

#endif /* CLI_BULK_ENGINE_H */

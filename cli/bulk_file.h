/** @file
 * One file on its way over a GPU: read into slots, and written from them.
 *
 * Slots are what a file has on its way at once, so that memory does not depend
 * on lengths. One thread at a time reads a file, and one writes; both may be at
 * work at the same time.
 */
#ifndef CLI_BULK_FILE_H
#define CLI_BULK_FILE_H

#include "conversion.h"
#include "cuda_device.h"
#include "process_run.h"
#include "residue.h"
#include "warm_up.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Most slots that a file has at once
#define BULK_FILE_SLOTS 4

typedef struct bulk_file   bulk_file;
typedef struct bulk_slot   bulk_slot;
typedef struct bulk_engine bulk_engine;

/// Some frames of a file
struct bulk_slot {
  float*     samples;    ///< (n_channels, slot_frames), page-locked
  double*    residues;   ///< (n_frames, n_channels), or NULL
  size_t     n_samples;  ///< Most samples, of all channels
  size_t     n_frames;   ///< Whole hops, but in the last of a file
  bulk_file* file;       ///< NULL: the slot is free
  bool       is_done;    ///< The GPU has processed it
  bulk_slot* next;       ///< Of the file, or of the free ones
  bulk_slot* next_ready; ///< In the queue to the GPU
};

/// Which thread works on the file next: with a link for a queue each
typedef enum { BULK_READ, BULK_WRITE } bulk_stage;

struct bulk_file {
  conversion   c;
  process_run* run;
  bulk_engine* engine;
  size_t       n_channels;
  bool         is_fine; ///< Samples may have more bits than 32-bit float

  // Set when the engine has taken the file
  maudio_cuda_signal** signals; ///< (n_signals,)
  size_t               n_signals;
  size_t               latency;     ///< In frames
  size_t               hop;         ///< In frames
  size_t               slot_frames; ///< Most frames of a slot, whole hops

  // Of the thread that reads
  warm_up    before;  ///< What is read before the file
  sf_count_t n_read;  ///< Of the file
  size_t     n_flush; ///< Silent frames to come after the input
  bool       at_end;  ///< Of the input

  // Of the thread that writes
  residue_delay residues;
  size_t        to_skip; ///< Frames to come that precede the output

  // Under the lock of the run
  bulk_file* next[2];   ///< In a queue of each stage
  bool       queued[2]; ///< Is in it
  bool       busy[2];   ///< A thread is at it
  bulk_slot* first;     ///< Its slots on their way, in order
  bulk_slot* last;
  size_t     n_slots;
  uint64_t   in_batch; ///< Newest batch with a slot of it
  bool       all_read; ///< There will be no more slots
  bool       failed;   ///< And so will be discarded
};

/// Open both files, or complain and return NULL
bulk_file* bulk_file_open(process_run* run, const job* work);

/// Close both files; false if the output did not appear
bool bulk_file_close(bulk_file* file);

/// Free a closed file, whose signals somebody else has taken. NULL is fine
void bulk_file_free(bulk_file* file);

/// Count a file as failed, of which this thread has complained, once
void bulk_file_failed(bulk_file* file);

/// Make ready to read, with the signals there, or complain and return false
bool bulk_file_prepare(bulk_file* file);

/**
 * Read into a slot; none of its frames are left at the end.
 *
 * @param scratch (DENOISE_BLOCK, n_channels)
 * @return False after a complaint, or when a signal asked us to end.
 */
bool bulk_file_read(bulk_file* file, bulk_slot* slot, double* scratch);

/// Return whether bulk_file_read() has come to the end
bool bulk_file_is_read(const bulk_file* file);

/// Write from a slot, or complain and return false
bool bulk_file_write(bulk_file* file, const bulk_slot* slot, double* scratch);

#endif /* CLI_BULK_FILE_H */

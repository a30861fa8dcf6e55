/** @file
 * Lays out the sequences of a batch: counted first, then filled in.
 */
#ifndef MAUDIO_SEGMENTS_H
#define MAUDIO_SEGMENTS_H

#include "batch.h"

#include <stddef.h>

/// The arrays of a batch in page-locked memory, and how far they are filled
typedef struct {
  gpu_sequence* sequences;
  gpu_segment*  segments;
  gpu_cut*      cuts;
  int64_t       length; ///< Frames of a segment
  int           n_sequences;
  int           n_cuts;
  int           next_cut;   ///< Next segment of a sequence that is cut
  int           next_whole; ///< Next one that is a whole sequence
} gpu_filler;

/// Return the frames of a segment that fill the GPU, where `n_blocks` blocks of
/// threads run for each
int64_t gpu_segment_length(int n_processors, int n_blocks, int64_t n_frames);

/// Count a sequence
void gpu_batch_count(gpu_batch* batch, int64_t n_frames, int64_t length);

/// Return the bytes of the arrays of a batch that has been counted
size_t gpu_batch_size(const gpu_batch* batch);

/// Point to the arrays at `host` and to where they will be on the GPU
void gpu_batch_place(gpu_batch*  batch,
                     int64_t     length,
                     char*       host,
                     const char* device,
                     gpu_filler* filler);

/// Fill in the next sequence, in the order of counting
void gpu_batch_add(gpu_filler* filler, gpu_sequence sequence);

#endif /* MAUDIO_SEGMENTS_H */

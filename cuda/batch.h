/** @file
 * Which frames a batch holds, and how they are shared out along time.
 *
 * Frames of all slices stand one after the other without gaps; a frame is a row
 * for each band. A band of a slice is a sequence of its own. Where there are
 * too few of them to fill the GPU they are cut into segments, which first run
 * from a state of zeros for what they add to the state, and then once more from
 * the state that they really start with.
 */
#ifndef MAUDIO_BATCH_H
#define MAUDIO_BATCH_H

#include <stdint.h>

/// Least frames of a segment: shorter ones repeat more than they gain
#ifndef GPU_MIN_SEGMENT
#  define GPU_MIN_SEGMENT 256
#endif

/// The frames of a slice
typedef struct {
  int64_t first;    ///< In the batch
  int64_t n_frames; ///< At least 1
  float*  state;    ///< Of the network, of this signal
} gpu_sequence;

/// Some frames of a slice
typedef struct {
  int64_t first; ///< In the slice
  int64_t n_frames;
  int32_t sequence;
  int32_t is_cut;  ///< Starts from the state that belongs to its number
  int32_t is_last; ///< Of the slice
} gpu_segment;

/// The segments of a slice that is cut
typedef struct {
  int32_t sequence;
  int32_t first_segment;
  int32_t n_segments;
} gpu_cut;

/// Arrays are on the GPU
typedef struct {
  int64_t             n_frames;
  int                 n_sequences;
  int                 n_segments;
  int                 n_cuts;
  int                 n_cut_segments; ///< They come first
  const gpu_sequence* sequences;
  const gpu_segment*  segments;
  const gpu_cut*      cuts;
} gpu_batch;

#endif /* MAUDIO_BATCH_H */

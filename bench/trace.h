/** @file
 * The work of a stream's hops in parts, each with its time: what
 * maudio_stream_process() does for a model that makes a mask, taken apart.
 */
#ifndef TRACE_H
#define TRACE_H

#include "stream.h"

#include <stdbool.h>

/// The rows before those of layers begin with three that are run before them
enum { TRACE_N_BEFORE = 3, TRACE_N_ENDS = 7 };

/// A part of a hop
typedef struct {
  char   name[64];
  double macs;  ///< Multiply-accumulates of a hop, 0: not counted
  double bytes; ///< Weights and state of a hop, 0: not counted
  float* times; ///< (n_passes) seconds
} trace_row;

typedef struct {
  maudio_stream* stream;   ///< Of one channel; it has the memory, no more
  const float*   signal;   ///< The first window of it is 0
  size_t         n_passes; ///< Most of a run
  trace_row*     rows;     ///< (n_rows + 1), the last one the sum of the others
  size_t         n_rows;
  size_t (*layers)[2]; ///< Rows of a layer: whole or products; scan
  size_t n_room;
  double clock; ///< Seconds that reading it takes
  double last;  ///< When the row before ended
  size_t pass;
  bool   is_counted; ///< Bytes instead of times
} trace;

/// Prepare rows: one for each layer, or one for all layers of a kind
bool trace_new(maudio_stream* stream,
               const float*   signal,
               size_t         n_passes,
               bool           by_kind,
               trace*         t);

void trace_free(trace* t);

/// Fill in the bytes of the rows
void trace_count(trace* t);

/**
 * Run passes of `n_hops` hops from the start of the signal; their times are in
 * the rows.
 *
 * @param[out] out (n_passes * n_hops * hop) What a stream would play one hop
 * later, or NULL.
 */
void trace_run(trace* t, size_t n_hops, size_t n_passes, float* out);

/// Sort the times of a row of `n_passes` passes; return the median of a hop in
/// seconds
double trace_median(const trace* t, size_t row, size_t n_hops, size_t n_passes);

#endif /* TRACE_H */

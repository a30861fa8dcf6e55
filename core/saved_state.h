/** @file
 * States as bytes: of streams and of sequences.
 *
 * A state is a header, some bytes of what is not a signal, and segments of
 * floats. What is loaded is not trusted.
 */
#ifndef MAUDIO_SAVED_STATE_H
#define MAUDIO_SAVED_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A piece of the state
typedef struct {
  float* data;
  size_t n;
} maudio_segment;

/// What a state has to agree with before it is believed
typedef struct {
  char     magic[8];
  uint64_t fingerprint; ///< Of the model
  uint64_t shape[2];    ///< What sizes depend on besides
  uint64_t size;        ///< Bytes of everything
} maudio_state_header;

/// The parts of a state, of which the first two are only read
typedef struct {
  maudio_state_header   header; ///< Its size is that of maudio_state_size()
  const void*           scalars;
  size_t                n_scalars; ///< Bytes of them
  const maudio_segment* segments;
  size_t                n_segments;
} maudio_state;

/// Return the bytes of everything
size_t maudio_state_size(const maudio_state* state);

/// Write everything to `data`
void maudio_state_save(const maudio_state* state, void* data);

/**
 * Return where the scalars of a saved state are, or NULL if it does not belong
 * here or holds what is no number.
 *
 * @param state What it has to agree with.
 */
const void*
maudio_state_check(const maudio_state* state, const void* data, size_t size);

/// Copy the floats of a saved state, which has been checked, to the segments
void maudio_state_load(const maudio_state* state, const void* data);

#endif /* MAUDIO_SAVED_STATE_H */

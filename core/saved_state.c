#include "saved_state.h"

#include <string.h>

size_t maudio_state_size(const maudio_state* state)
{
  size_t size = sizeof state->header + state->n_scalars;
  for (size_t i = 0; i < state->n_segments; ++i) {
    size += state->segments[i].n * sizeof(float);
  }
  return size;
}

void maudio_state_save(const maudio_state* state, void* data)
{
  char* to = data;
  memcpy(to, &state->header, sizeof state->header);
  to += sizeof state->header;
  if (state->n_scalars) {
    memcpy(to, state->scalars, state->n_scalars);
  }
  to += state->n_scalars;
  for (size_t i = 0; i < state->n_segments; ++i) {
    const size_t n_bytes = state->segments[i].n * sizeof(float);
    memcpy(to, state->segments[i].data, n_bytes);
    to += n_bytes;
  }
}

static bool is_same_header(const maudio_state_header* a,
                           const maudio_state_header* b)
{
  return !memcmp(a->magic, b->magic, sizeof a->magic) &&
         a->fingerprint == b->fingerprint && a->shape[0] == b->shape[0] &&
         a->shape[1] == b->shape[1] && a->size == b->size;
}

/// Is every float of `size` bytes, at any alignment, a number?
static bool are_numbers(const char* data, size_t size)
{
  for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
    uint32_t bits = 0;
    memcpy(&bits, data + i, sizeof bits);
    if ((bits & 0x7F800000U) == 0x7F800000U) {
      return false;
    }
  }
  return true;
}

const void*
maudio_state_check(const maudio_state* state, const void* data, size_t size)
{
  const char* const   from    = data;
  const size_t        n_fixed = sizeof state->header + state->n_scalars;
  maudio_state_header header;
  if (size != state->header.size) {
    return NULL;
  }
  memcpy(&header, from, sizeof header);
  return is_same_header(&header, &state->header) &&
             are_numbers(from + n_fixed, size - n_fixed)
           ? from + sizeof header
           : NULL;
}

void maudio_state_load(const maudio_state* state, const void* data)
{
  const char* from =
    (const char*)data + sizeof state->header + state->n_scalars;
  for (size_t i = 0; i < state->n_segments; ++i) {
    const size_t n_bytes = state->segments[i].n * sizeof(float);
    memcpy(state->segments[i].data, from, n_bytes);
    from += n_bytes;
  }
}

#include "ring.h"

#include <stdatomic.h>
#include <stdlib.h>

/// The counts only grow; they wrap around as the size is a power of two
struct ring {
  atomic_size_t n_written;
  char          apart[64]; // Each thread writes to a cache line of its own
  atomic_size_t n_read;
  size_t        size; ///< Frames, a power of two
  size_t        n_channels;
  float         frames[]; ///< (size, n_channels)
};

ring* ring_new(unsigned n_channels, size_t n_frames)
{
  size_t size = 1;
  while (size < n_frames) {
    size *= 2;
  }
  ring* const r =
    (ring*)calloc(1, sizeof(ring) + size * n_channels * sizeof(float));
  if (r) {
    r->size       = size;
    r->n_channels = n_channels;
  }
  return r;
}

void ring_free(ring* r)
{
  free(r);
}

bool ring_write(ring* r, const float* const* channels, size_t n_frames)
{
  const size_t at   = atomic_load_explicit(&r->n_written, memory_order_relaxed);
  const size_t read = atomic_load_explicit(&r->n_read, memory_order_acquire);
  if (n_frames > r->size - (at - read)) {
    return false;
  }
  for (size_t i = 0; i < n_frames; ++i) {
    float* const frame = r->frames + ((at + i) & (r->size - 1)) * r->n_channels;
    for (size_t c = 0; c < r->n_channels; ++c) {
      frame[c] = channels[c][i];
    }
  }
  atomic_store_explicit(&r->n_written, at + n_frames, memory_order_release);
  return true;
}

size_t ring_fill(const ring* r)
{
  return atomic_load_explicit(&r->n_written, memory_order_acquire) -
         atomic_load_explicit(&r->n_read, memory_order_relaxed);
}

size_t ring_peek(const ring* r, const float** frames)
{
  const size_t fill = ring_fill(r);
  const size_t at =
    atomic_load_explicit(&r->n_read, memory_order_relaxed) & (r->size - 1);
  *frames = r->frames + at * r->n_channels;
  return fill < r->size - at ? fill : r->size - at;
}

void ring_skip(ring* r, size_t n_frames)
{
  const size_t at = atomic_load_explicit(&r->n_read, memory_order_relaxed);
  atomic_store_explicit(&r->n_read, at + n_frames, memory_order_release);
}

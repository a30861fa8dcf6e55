#include "ring.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/// Write frames first, first + 1, ...; the second channel is negative
static bool write_frames(ring* r, size_t first, size_t n)
{
  float left[64];
  float right[64];
  for (size_t i = 0; i < n; ++i) {
    left[i]  = (float)(first + i);
    right[i] = -left[i];
  }
  const float* const channels[] = {left, right};
  return ring_write(r, channels, n);
}

/// Read what is there in one piece, expecting `first`, first + 1, ...
static size_t read_frames(ring* r, size_t first)
{
  const float* frames = NULL;
  const size_t n      = ring_peek(r, &frames);
  for (size_t i = 0; i < n; ++i) {
    assert_true(frames[2 * i] == (float)(first + i));
    assert_true(frames[2 * i + 1] == -(float)(first + i));
  }
  ring_skip(r, n);
  return n;
}

static void frames_come_out_in_order(void** state)
{
  (void)state;
  ring* const r       = ring_new(2, 100);
  size_t      written = 0;
  size_t      read    = 0;
  for (size_t round = 0; round < 1000; ++round) {
    const size_t n = round * 7 % 64;
    assert_true(write_frames(r, written, n));
    written += n;
    assert_int_equal(ring_fill(r), written - read);
    while (ring_fill(r)) {
      const size_t n_read = read_frames(r, read);
      assert_true(n_read > 0);
      read += n_read;
    }
  }
  assert_int_equal(read, written);
  ring_free(r);
}

static void a_full_ring_refuses_a_whole_block(void** state)
{
  (void)state;
  ring* const r = ring_new(2, 100);
  assert_true(write_frames(r, 0, 64));
  assert_true(write_frames(r, 64, 60));
  assert_false(write_frames(r, 124, 5));
  assert_int_equal(ring_fill(r), 124);
  assert_true(write_frames(r, 124, 4));
  assert_int_equal(read_frames(r, 0), 128);
  assert_int_equal(ring_fill(r), 0);
  ring_free(r);
}

#define N_THREADED 300000

static void* write_all_frames(void* data)
{
  ring* const r = (ring*)data;
  for (size_t at = 0; at < N_THREADED;) {
    const size_t n = 1 + at % 61;
    // Exact in a float
    if (write_frames(r, at % 65536, n)) {
      at += n;
    }
  }
  return NULL;
}

static void two_threads_pass_every_frame(void** state)
{
  (void)state;
  ring* const r = ring_new(2, 256);
  pthread_t   writer;
  assert_int_equal(pthread_create(&writer, NULL, write_all_frames, r), 0);
  size_t at = 0;
  while (at < N_THREADED) {
    // A block of the writer is all there or not at all
    if (ring_fill(r)) {
      const size_t n     = 1 + at % 61;
      const size_t first = at % 65536;
      for (size_t i = 0; i < n; ++i) {
        const float* frames = NULL;
        assert_true(ring_peek(r, &frames) > 0);
        assert_true(frames[0] == (float)(first + i));
        assert_true(frames[1] == -(float)(first + i));
        ring_skip(r, 1);
      }
      at += n;
    }
  }
  pthread_join(writer, NULL);
  assert_int_equal(ring_fill(r), 0);
  ring_free(r);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(frames_come_out_in_order),
    cmocka_unit_test(a_full_ring_refuses_a_whole_block),
    cmocka_unit_test(two_threads_pass_every_frame),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

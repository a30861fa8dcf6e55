#include "bulk_queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { HOP = 10 };

static void a_file_waits_once(void** state)
{
  (void)state;
  bulk_queue queue = {NULL, NULL};
  bulk_file  a     = {.n_slots = 0};
  bulk_file  b     = {.n_slots = 0};
  for (int round = 0; round < 2; ++round) {
    bulk_queue_push(&queue, &a, BULK_READ);
    bulk_queue_push(&queue, &b, BULK_READ);
    bulk_queue_push(&queue, &a, BULK_READ);
    assert_ptr_equal(bulk_queue_pop(&queue, BULK_READ), &a);
    assert_ptr_equal(bulk_queue_pop(&queue, BULK_READ), &b);
    assert_null(bulk_queue_pop(&queue, BULK_READ));
  }
}

static void a_file_waits_for_both_stages(void** state)
{
  (void)state;
  bulk_queue to_read  = {NULL, NULL};
  bulk_queue to_write = {NULL, NULL};
  bulk_file  a        = {.n_slots = 0};
  bulk_file  b        = {.n_slots = 0};
  bulk_queue_push(&to_read, &a, BULK_READ);
  bulk_queue_push(&to_read, &b, BULK_READ);
  bulk_queue_push(&to_write, &b, BULK_WRITE);
  bulk_queue_push(&to_write, &a, BULK_WRITE);
  assert_ptr_equal(bulk_queue_pop(&to_read, BULK_READ), &a);
  assert_ptr_equal(bulk_queue_pop(&to_write, BULK_WRITE), &b);
  assert_ptr_equal(bulk_queue_pop(&to_read, BULK_READ), &b);
  assert_ptr_equal(bulk_queue_pop(&to_write, BULK_WRITE), &a);
}

/// A file of `n_channels`, whose slots have `n_frames`
static void make_file(bulk_file*           file,
                      maudio_cuda_signal** signals,
                      size_t               n_channels,
                      bulk_slot*           slots,
                      size_t               n_slots,
                      size_t               n_frames,
                      float*               samples)
{
  *file = (bulk_file){.n_channels  = n_channels,
                      .n_signals   = n_channels == 2 ? 1 : n_channels,
                      .signals     = signals,
                      .hop         = HOP,
                      .slot_frames = 100};
  for (size_t i = 0; i < n_slots; ++i) {
    slots[i] =
      (bulk_slot){.samples = samples, .n_frames = n_frames, .file = file};
  }
}

static void a_batch_has_a_slot_of_each_file(void** state)
{
  (void)state;
  maudio_cuda_slice   slices[BULK_MAX_SLICES];
  maudio_cuda_signal* signals[8] = {NULL};
  float               samples[300];
  bulk_file           mono;
  bulk_file           stereo;
  bulk_file           many;
  bulk_slot           of_mono[2];
  bulk_slot           of_stereo[1];
  bulk_slot           of_many[1];
  make_file(&mono, signals, 1, of_mono, 2, 21, samples);
  make_file(&stereo, signals, 2, of_stereo, 1, 20, samples);
  make_file(&many, signals, 3, of_many, 1, 1, samples);

  bulk_ready ready = {NULL, NULL};
  bulk_ready_push(&ready, &of_mono[0]);
  bulk_ready_push(&ready, &of_mono[1]);
  bulk_ready_push(&ready, &of_stereo[0]);
  bulk_ready_push(&ready, &of_many[0]);

  // 3 hops, 2 of two channels, 1 of three
  size_t           n_slices = 0;
  bulk_slot* const first    = bulk_ready_take(&ready, 1, 10, slices, &n_slices);
  assert_ptr_equal(first, &of_mono[0]);
  assert_ptr_equal(first->next_ready, &of_stereo[0]);
  assert_ptr_equal(first->next_ready->next_ready, &of_many[0]);
  assert_null(of_many[0].next_ready);
  assert_int_equal(n_slices, 5);
  assert_int_equal(slices[0].n_frames, 21);
  assert_ptr_equal(slices[1].in[1], samples + 100);
  assert_ptr_equal(slices[4].out[0], samples + 200);

  bulk_slot* const second = bulk_ready_take(&ready, 2, 10, slices, &n_slices);
  assert_ptr_equal(second, &of_mono[1]);
  assert_null(second->next_ready);
  assert_int_equal(n_slices, 1);
  assert_null(bulk_ready_take(&ready, 3, 10, slices, &n_slices));
}

/// A great slot is not overtaken by small ones behind it
static void what_does_not_fit_is_next(void** state)
{
  (void)state;
  maudio_cuda_slice   slices[BULK_MAX_SLICES];
  maudio_cuda_signal* signals[1] = {NULL};
  bulk_file           files[3];
  bulk_slot           slots[3];
  float               samples[100];
  bulk_ready          ready    = {NULL, NULL};
  size_t              n_slices = 0;
  for (size_t i = 0; i < 3; ++i) {
    make_file(&files[i], signals, 1, &slots[i], 1, i == 1 ? 80 : 20, samples);
    bulk_ready_push(&ready, &slots[i]);
  }
  assert_ptr_equal(bulk_ready_take(&ready, 1, 8, slices, &n_slices), &slots[0]);
  assert_int_equal(n_slices, 1);
  assert_ptr_equal(bulk_ready_take(&ready, 2, 8, slices, &n_slices), &slots[1]);
  assert_int_equal(n_slices, 1);
  assert_ptr_equal(bulk_ready_take(&ready, 3, 8, slices, &n_slices), &slots[2]);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_file_waits_once),
    cmocka_unit_test(a_file_waits_for_both_stages),
    cmocka_unit_test(a_batch_has_a_slot_of_each_file),
    cmocka_unit_test(what_does_not_fit_is_next),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

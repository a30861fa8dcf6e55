#include "network.h"
#include "rt_guard.h"

#include "float_mode.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double rates[] = {8000,  11025, 16000, 22050,  32000, 44100,
                               48000, 88200, 96000, 176400, 192000};

/// Called through this, so that no compiler can leave the calls out
static void* (*volatile planted_malloc)(size_t)          = malloc;
static void* (*volatile planted_calloc)(size_t, size_t)  = calloc;
static void* (*volatile planted_realloc)(void*, size_t)  = realloc;
static void* (*volatile planted_aligned)(size_t, size_t) = aligned_alloc;

static void the_guard_sees_planted_calls(void** state)
{
  (void)state;
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  rt_guard_enter();
  assert_int_equal(rt_guard_leave(), 0);

  rt_guard_enter();
  void* memory = planted_malloc(10);
  memory       = planted_realloc(memory, 20);
  free(memory);
  free(planted_calloc(2, 10));
  free(planted_aligned(64, 64));
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
  assert_int_equal(rt_guard_leave(), 8);

  free(planted_malloc(10)); // Nobody is watching
  rt_guard_enter();
  assert_int_equal(rt_guard_leave(), 0);
}

static void
check_calls(const maudio_model* model, double rate_hz, unsigned n_channels)
{
  const size_t         n      = (size_t)(0.2 * rate_hz);
  float* const         in     = network_signal(n, rate_hz, 1);
  float* const         out    = (float*)calloc(2 * n, sizeof *out);
  maudio_stream* const stream = network_stream(model, rate_hz, n_channels);
  const size_t         size   = maudio_stream_state_size(stream);
  void* const          saved  = malloc(size);
  assert_non_null(out);
  assert_non_null(saved);
  in[n / 2]                 = NAN;
  const float* const ins[]  = {in, in};
  float* const       outs[] = {out, out + n};

  rt_guard_enter();
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, 0.5f);
  network_process(stream, n_channels, ins, outs, n, 0);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 20.0f);
  network_process(stream, n_channels, ins, outs, n, n);
  maudio_stream_save_state(stream, saved);
  maudio_stream_reset(stream);
  const maudio_status loaded = maudio_stream_load_state(stream, saved, size);
  const maudio_status refused =
    maudio_stream_load_state(stream, saved, size - 1);
  maudio_stream_set(stream, MAUDIO_PARAM_ENABLED, 0.0f);
  network_process(stream, n_channels, ins, outs, n, 64);
  const float    reduction = maudio_stream_reduction_db(stream);
  const uint64_t n_bad     = maudio_stream_bad_samples(stream);
  const size_t   latency   = maudio_stream_latency(stream);
  const unsigned n_calls   = rt_guard_leave();

  assert_int_equal(n_calls, 0);
  assert_int_equal(loaded, MAUDIO_SUCCESS);
  assert_int_equal(refused, MAUDIO_ERR_BAD_STATE);
  assert_true(reduction >= 0.0f);
  assert_int_equal(n_bad, 3 * n_channels);
  assert_true(latency > 0);
  maudio_stream_free(stream);
  free(saved);
  free(out);
  free(in);
}

static void the_audio_thread_neither_allocates_nor_locks(void** state)
{
  (void)state;
  for (size_t m = 0; m < 2; ++m) {
    maudio_model* const model = network_open(m ? "whole" : "bands");
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r) {
      check_calls(model, rates[r], 1);
      check_calls(model, rates[r], 2);
    }
    maudio_model_free(model);
  }
}

static void the_float_mode_is_restored(void** state)
{
  (void)state;
  maudio_model* const  model  = network_open("bands");
  maudio_stream* const stream = network_stream(model, 48000, 1);
  float                x[100] = {0};
  const float* const   in[]   = {x};
  float* const         out[]  = {x};
  const uint64_t       before = maudio_float_mode_enter();
  maudio_float_mode_leave(before);
  maudio_stream_process(stream, in, out, 100);
  assert_int_equal(maudio_float_mode_enter(), before);
  maudio_float_mode_leave(before);

  volatile float small = 1e-30f;
  assert_true(small * 1e-10f > 0.0f);
  maudio_float_mode_enter();
  assert_true(small * 1e-10f == 0.0f);
  maudio_float_mode_leave(before);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_guard_sees_planted_calls),
    cmocka_unit_test(the_audio_thread_neither_allocates_nor_locks),
    cmocka_unit_test(the_float_mode_is_restored)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

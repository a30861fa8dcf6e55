#include "network.h"
#include "realtime_checks.h"

#include "float_mode.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/// Changes of the stream that an effect plays
#define ROUNDS 4

/// What an audio thread works with, and what came of it
typedef struct {
  unsigned       n_channels;
  size_t         n_frames;
  float*         in;
  float*         out;    ///< (n_channels, n_frames)
  maudio_stream* stream; ///< Alone, or heard first
  maudio_stream* other;
  maudio_effect* effect;
  void*          saved;
  size_t         n_saved;
  maudio_status  loaded;
  maudio_status  refused;
  maudio_status  set;
  float          reduction_db;
  uint64_t       n_bad;
  size_t         latency;
  bool           has_latency;
  unsigned       n_retired;
} audio_thread;

static audio_thread
prepare(const maudio_model* model, double rate_hz, unsigned n_channels)
{
  const size_t      n = (size_t)(0.2 * rate_hz);
  audio_thread      a = {.n_channels = n_channels,
                         .n_frames   = n,
                         .in         = network_signal(n, rate_hz, 1),
                         .out        = (float*)calloc(2 * n, sizeof(float)),
                         .stream = network_stream(model, rate_hz, n_channels),
                         .other  = network_stream(model, rate_hz, n_channels)};
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  a.has_latency = info.latency_ms > 0.0;
  a.n_saved     = maudio_stream_state_size(a.stream);
  a.saved       = malloc(a.n_saved);
  assert_non_null(a.out);
  assert_non_null(a.saved);
  a.in[n / 2] = NAN;
  if (maudio_effect_new(rate_hz, n_channels, a.stream, &a.effect, NULL)) {
    fail_msg("No effect");
  }
  return a;
}

static void clear(const audio_thread* a)
{
  maudio_effect_free(a->effect);
  maudio_stream_free(a->other);
  maudio_stream_free(a->stream);
  free(a->saved);
  free(a->out);
  free(a->in);
}

/// Call every function of streams that an audio thread may call
static void use_stream(void* user)
{
  audio_thread* const  a      = (audio_thread*)user;
  maudio_stream* const stream = a->stream;
  const size_t         n      = a->n_frames;
  const unsigned       c      = a->n_channels;
  const float* const   ins[]  = {a->in, a->in};
  float* const         outs[] = {a->out, a->out + n};
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, 0.5f);
  network_process(stream, c, ins, outs, n, 0);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 20.0f);
  network_process(stream, c, ins, outs, n, n);
  maudio_stream_save_state(stream, a->saved);
  maudio_stream_reset(stream);
  a->loaded  = maudio_stream_load_state(stream, a->saved, a->n_saved);
  a->refused = maudio_stream_load_state(stream, a->saved, a->n_saved - 1);
  maudio_stream_set(stream, MAUDIO_PARAM_ENABLED, 0.0f);
  network_process(stream, c, ins, outs, n, 64);
  a->reduction_db = maudio_stream_reduction_db(stream);
  a->n_bad        = maudio_stream_bad_samples(stream);
  a->latency      = maudio_stream_latency(stream);
}

/// Call every function of effects that an audio thread may call
static void use_effect(void* user)
{
  static const size_t blocks[]    = {0, 1, 17, 64, 480, 8192};
  static const float  values[][2] = {
     {0.5f, 1.0f}, {6.0f, 100.0f}, {0.0f, 1.0f}, {0.3f, 1.0f}, {-12.0f, 0.0f}};
  audio_thread* const  a      = (audio_thread*)user;
  maudio_effect* const effect = a->effect;
  maudio_stream*       next   = a->other;
  const float* const   ins[]  = {a->in, a->in};
  float* const         outs[] = {a->out, a->out + a->n_frames};
  a->n_retired                = 0;
  a->set                      = MAUDIO_SUCCESS;
  for (unsigned round = 0; round < ROUNDS; ++round) {
    // Each of the streams is heard in turn; every third change is cut short
    maudio_stream* const unheard = maudio_effect_play(effect, next);
    next                         = unheard;
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
      const size_t n = blocks[b] < a->n_frames ? blocks[b] : a->n_frames;
      for (unsigned i = 0; i < 5; ++i) {
        a->set |= maudio_effect_set(effect, (maudio_param)i,
                                    values[i][(round + b) % 2]);
      }
      maudio_effect_process(effect, ins, outs, n);
    }
    maudio_effect_process(effect, ins, outs, a->n_frames);
    if (round % 3 == 2) {
      maudio_effect_reset(effect);
    }
    a->latency      = maudio_effect_latency(effect);
    a->reduction_db = maudio_effect_reduction_db(effect);
    for (unsigned i = 0; !next && i < 10; ++i) {
      next = maudio_effect_retired(effect);
      maudio_effect_process(effect, ins, outs, a->n_frames);
    }
    a->n_retired += next != NULL;
  }
}

static void check_stream(const audio_thread* a)
{
  assert_int_equal(a->loaded, MAUDIO_SUCCESS);
  assert_int_equal(a->refused, MAUDIO_ERR_BAD_STATE);
  assert_true(a->reduction_db >= 0.0f);
  assert_int_equal(a->n_bad, 3 * a->n_channels);
  assert_int_equal(a->latency > 0, a->has_latency);
}

static void check_effect(const audio_thread* a)
{
  assert_int_equal(a->set, MAUDIO_SUCCESS);
  assert_true(a->reduction_db >= 0.0f);
  assert_int_equal(a->latency > 0, a->has_latency);
  assert_int_equal(a->n_retired, ROUNDS);
}

/// Prepare for each rate and number of channels; the model is freed
static void each_thread(maudio_model* model, void (*visit)(audio_thread*))
{
  for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
    for (unsigned c = 1; c <= 2; ++c) {
      audio_thread a = prepare(model, network_rates[r], c);
      visit(&a);
      clear(&a);
    }
  }
  maudio_model_free(model);
}

static void watch_stream(audio_thread* a)
{
  check_guarded(use_stream, a);
  check_stream(a);
}

static void watch_effect(audio_thread* a)
{
  check_guarded(use_effect, a);
  check_effect(a);
}

static void confine_both(audio_thread* a)
{
  check_confined(use_stream, a);
  check_confined(use_effect, a);
}

static void streams_neither_allocate_nor_lock_nor_wait(void** state)
{
  (void)state;
  each_thread(network_open("bands"), watch_stream);
  each_thread(network_open("whole"), watch_stream);
  each_thread(network_open_int8("whole"), watch_stream);
  each_thread(network_open("steer"), watch_stream);
  each_thread(network_open_int8("steer"), watch_stream);
  each_thread(network_open("ahead"), watch_stream);
}

static void effects_neither_allocate_nor_lock_nor_wait(void** state)
{
  (void)state;
  each_thread(network_open("bands"), watch_effect);
  each_thread(network_open("whole"), watch_effect);
  each_thread(network_open_int8("whole"), watch_effect);
  each_thread(network_open("steer"), watch_effect);
  each_thread(network_open("ahead"), watch_effect);
}

static void the_system_is_never_called(void** state)
{
  (void)state;
  each_thread(network_open("bands"), confine_both);
  each_thread(network_open("whole"), confine_both);
  each_thread(network_open_int8("whole"), confine_both);
  each_thread(network_open("steer"), confine_both);
  each_thread(network_open("ahead"), confine_both);
}

static void the_float_mode_is_restored(void** state)
{
  (void)state;
  maudio_model* const model  = network_open("bands");
  audio_thread        a      = prepare(model, 48000, 1);
  float               x[100] = {0};
  const float* const  in[]   = {x};
  float* const        out[]  = {x};
  const uint64_t      before = maudio_float_mode_enter();
  maudio_float_mode_leave(before);
  maudio_stream_process(a.stream, in, out, 100);
  assert_int_equal(maudio_float_mode_enter(), before);
  maudio_float_mode_leave(before);
  maudio_effect_process(a.effect, in, out, 100);
  assert_int_equal(maudio_float_mode_enter(), before);
  maudio_float_mode_leave(before);

  volatile float small = 1e-30f;
  assert_true(small * 1e-10f > 0.0f);
  maudio_float_mode_enter();
  assert_true(small * 1e-10f == 0.0f);
  maudio_float_mode_leave(before);
  clear(&a);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(streams_neither_allocate_nor_lock_nor_wait),
    cmocka_unit_test(effects_neither_allocate_nor_lock_nor_wait),
    cmocka_unit_test(the_system_is_never_called),
    cmocka_unit_test(the_float_mode_is_restored)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Meant for ThreadSanitizer and AddressSanitizer, which see what goes wrong
   here: streams and their models are freed for real while others play. */
#include "network.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#define RATE_HZ 8000.0
#define N_CHANGES 2000U
#define MAX_BLOCK 300U

typedef struct {
  maudio_effect* effect;
  atomic_bool    is_over;
  atomic_uint    n_freed;
  unsigned       n_retired; ///< The reaper's
  unsigned       n_bad;     ///< The audio thread's
  unsigned       n_blocks;
} stage;

static maudio_stream* make_stream(unsigned i)
{
  static const double hops_ms[] = {4, 2, 1};
  maudio_model* const model =
    network_make_constant(8, hops_ms[i % 3], i % 4, (float)(i % 5) * 0.25f);
  return network_stream(model, RATE_HZ, 1);
}

static void free_stream(stage* s, maudio_stream* stream)
{
  // Free takes a model that is not const, and this one was made here
  maudio_model* const model = (maudio_model*)maudio_stream_model(stream);
  maudio_stream_free(stream);
  maudio_model_free(model);
  atomic_fetch_add(&s->n_freed, 1);
}

static void rest(long nanoseconds)
{
  const struct timespec time = {0, nanoseconds};
  nanosleep(&time, NULL);
}

static void* play_audio(void* user)
{
  stage* const s = (stage*)user;
  float        x[MAX_BLOCK];
  const float* in[]  = {x};
  float* const out[] = {x};
  while (!atomic_load(&s->is_over)) {
    const size_t n = s->n_blocks * 7 % (MAX_BLOCK + 1);
    for (size_t i = 0; i < n; ++i) {
      x[i] = 0.5f * sinf(0.3f * (float)i);
    }
    maudio_effect_process(s->effect, in, out, n);
    for (size_t i = 0; i < n; ++i) {
      s->n_bad += !isfinite(x[i]) || fabsf(x[i]) > 100.0f;
    }
    if (++s->n_blocks % 503 == 0) {
      maudio_effect_reset(s->effect);
    }
  }
  return NULL;
}

/// Free what was replaced, and watch the meters
static void* reap(void* user)
{
  stage* const s = (stage*)user;
  while (!atomic_load(&s->is_over)) {
    maudio_stream* const old = maudio_effect_retired(s->effect);
    if (old) {
      free_stream(s, old);
      ++s->n_retired;
    }
    if (maudio_effect_latency(s->effect) > (size_t)(0.020 * RATE_HZ) ||
        !(maudio_effect_reduction_db(s->effect) >= 0.0f)) {
      return s; // No meter shows that
    }
    rest(20000);
  }
  return NULL;
}

static void models_and_parameters_change_while_audio_runs(void** state)
{
  (void)state;
  static stage   s;
  maudio_stream* last = make_stream(0);
  assert_int_equal(maudio_effect_new(RATE_HZ, 1, last, &s.effect, NULL),
                   MAUDIO_SUCCESS);
  pthread_t audio;
  pthread_t reaper;
  assert_int_equal(pthread_create(&audio, NULL, play_audio, &s), 0);
  assert_int_equal(pthread_create(&reaper, NULL, reap, &s), 0);

  for (unsigned i = 1; i <= N_CHANGES; ++i) {
    last                          = make_stream(i);
    maudio_stream* const unplayed = maudio_effect_play(s.effect, last);
    if (unplayed) {
      free_stream(&s, unplayed);
    }
    maudio_effect_set(s.effect, (maudio_param)(i % 5), (float)(i % 7) / 6.0f);
    rest(i % 10 ? 100000 : 3000000); // Some replace a change, some a sound
  }

  void* wrong = NULL;
  atomic_store(&s.is_over, true);
  pthread_join(audio, NULL);
  pthread_join(reaper, &wrong);
  assert_null(wrong);
  assert_int_equal(s.n_bad, 0);
  print_message("%u changes, %u of them heard, in %u blocks\n", N_CHANGES,
                s.n_retired, s.n_blocks);
  assert_true(s.n_retired > N_CHANGES / 20);

  // What is still under way: a change, one that waits, one retired
  const float* const in[]  = {NULL};
  float* const       out[] = {NULL};
  for (unsigned i = 0; i < 3; ++i) {
    maudio_effect_reset(s.effect);
    maudio_stream* const old = maudio_effect_retired(s.effect);
    if (old) {
      free_stream(&s, old);
    }
    maudio_effect_process(s.effect, in, out, 0);
  }
  maudio_effect_free(s.effect);
  free_stream(&s, last);
  assert_int_equal(atomic_load(&s.n_freed), N_CHANGES + 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(models_and_parameters_change_while_audio_runs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

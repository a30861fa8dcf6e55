#include "maudio.h"
#include "network.h"
#include "realtime_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_FRAMES 500U

/// What a thread that must not wait works with, and what came of it
typedef struct {
  const maudio_model* model;
  maudio_generator*   generator;
  size_t              size;
  void*               saved;
  maudio_status       set;
  maudio_status       refused;
  maudio_status       loaded;
  float               samples[N_FRAMES];
  uint8_t             codes[N_FRAMES];
  float               logits[N_FRAMES * MAUDIO_N_CODES];
} realtime_thread;

/// Call every function of generators that an audio thread may call
static void use_generator(void* user)
{
  realtime_thread* const  t = (realtime_thread*)user;
  maudio_generator* const g = t->generator;
  maudio_generator_reset(g, 3);
  maudio_generator_run(g, t->samples, N_FRAMES);
  t->set     = maudio_generator_set(g, MAUDIO_PARAM_TOP_P, 0.9f);
  t->refused = maudio_generator_set(g, MAUDIO_PARAM_MIX, 1.0f);
  maudio_generator_prompt(g, t->samples, N_FRAMES);
  maudio_codes_from_samples(t->samples, N_FRAMES, t->codes);
  maudio_samples_from_codes(t->codes, N_FRAMES, t->samples);
  maudio_generator_save_state(g, t->saved);
  maudio_generator_score(g, t->codes, N_FRAMES, t->logits);
  maudio_generator_score(g, t->codes, N_FRAMES, NULL);
  t->loaded = maudio_generator_load_state(g, t->saved, t->size);
  maudio_generator_run(g, t->samples, 1);
  t->model = maudio_generator_model(g);
}

/// Prepare a thread for models in float32 and in int8
static void each_thread(void (*visit)(realtime_thread*))
{
  static realtime_thread t;
  for (unsigned i = 0; i < 3; ++i) {
    maudio_model* const model = i == 0   ? network_make_tiers()
                                : i == 1 ? network_open("tiers")
                                         : network_open_int8("tiers");
    t.generator               = network_generator(model);
    t.size                    = maudio_generator_state_size(t.generator);
    t.saved                   = malloc(t.size);
    assert_non_null(t.saved);
    visit(&t);
    free(t.saved);
    maudio_generator_free(t.generator);
    maudio_model_free(model);
  }
}

static void watch(realtime_thread* t)
{
  check_guarded(use_generator, t);
  assert_int_equal(t->set, MAUDIO_SUCCESS);
  assert_int_equal(t->loaded, MAUDIO_SUCCESS);
  assert_int_equal(t->refused, MAUDIO_ERR_BAD_ARG);
  assert_non_null(t->model);
}

static void confine(realtime_thread* t)
{
  check_confined(use_generator, t);
}

static void check_float_mode(realtime_thread* t)
{
  check_float_mode_kept(use_generator, t);
}

static void generators_neither_allocate_nor_lock_nor_wait(void** state)
{
  (void)state;
  each_thread(watch);
}

static void the_system_is_never_called(void** state)
{
  (void)state;
  each_thread(confine);
}

static void the_float_mode_is_restored(void** state)
{
  (void)state;
  each_thread(check_float_mode);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(generators_neither_allocate_nor_lock_nor_wait),
    cmocka_unit_test(the_system_is_never_called),
    cmocka_unit_test(the_float_mode_is_restored)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

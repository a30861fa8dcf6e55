#include "maudio.h"
#include "realtime_checks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_VOCAB 40U
#define N_STEPS 50U

/// What a thread that must not wait works with, and what came of it
typedef struct {
  maudio_sequence* sequence;
  size_t           size;
  void*            saved;
  maudio_status    stepped;
  maudio_status    refused;
  maudio_status    loaded;
  float            logits[N_STEPS * N_VOCAB];
} realtime_thread;

/// Call every function of sequences that an audio thread may call
static void use_sequence(void* user)
{
  realtime_thread* const t       = (realtime_thread*)user;
  const uint32_t         unknown = N_VOCAB;
  uint32_t               ids[N_STEPS];
  for (uint32_t i = 0; i < N_STEPS; ++i) {
    ids[i] = i * 11 % N_VOCAB;
  }
  t->stepped = maudio_sequence_step(t->sequence, 1, ids, t->logits);
  t->stepped |= maudio_sequence_step(t->sequence, N_STEPS, ids, t->logits);
  maudio_sequence_save_state(t->sequence, t->saved);
  maudio_sequence_reset(t->sequence);
  t->loaded  = maudio_sequence_load_state(t->sequence, t->saved, t->size);
  t->refused = maudio_sequence_step(t->sequence, 1, &unknown, NULL);
  t->stepped |= maudio_sequence_step(t->sequence, N_STEPS, ids, NULL);
}

/// Prepare a thread for each of the types; attention wraps around
static void each_thread(void (*visit)(realtime_thread*))
{
  static const char* const names[] = {"mamba", "mamba2",     "jamba",
                                      "bamba", "nemotron_h", "nemotron_h_moe"};
  static realtime_thread   t;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    char          path[512];
    maudio_model* model = NULL;
    maudio_error  error = {.message = ""};
    snprintf(path, sizeof path, "%s/conformance/small_%s", MAUDIO_TEST_DIR,
             names[i]);
    if (maudio_model_open(path, &model, &error) ||
        maudio_sequence_new(model, 17, &t.sequence, &error)) {
      fail_msg("%s", error.message);
    }
    t.size  = maudio_sequence_state_size(t.sequence);
    t.saved = malloc(t.size);
    assert_non_null(t.saved);
    visit(&t);
    free(t.saved);
    maudio_sequence_free(t.sequence);
    maudio_model_free(model);
  }
}

static void watch(realtime_thread* t)
{
  check_guarded(use_sequence, t);
  assert_int_equal(t->stepped, MAUDIO_SUCCESS);
  assert_int_equal(t->loaded, MAUDIO_SUCCESS);
  assert_int_equal(t->refused, MAUDIO_ERR_BAD_ARG);
}

static void confine(realtime_thread* t)
{
  check_confined(use_sequence, t);
}

static void check_float_mode(realtime_thread* t)
{
  check_float_mode_kept(use_sequence, t);
}

static void sequences_neither_allocate_nor_lock_nor_wait(void** state)
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
    cmocka_unit_test(sequences_neither_allocate_nor_lock_nor_wait),
    cmocka_unit_test(the_system_is_never_called),
    cmocka_unit_test(the_float_mode_is_restored)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "maudio.h"

#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_VOCAB 40U
#define N_STEPS 70U
#define N_BEFORE 37U ///< Saved here
#define CONTEXT 20U  ///< The window of attention wraps

static const char* const names[] = {"mamba", "mamba2",     "jamba",
                                    "bamba", "nemotron_h", "nemotron_h_moe"};

static maudio_model* open_model(const char* name)
{
  char          path[512];
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  snprintf(path, sizeof path, "%s/conformance/small_%s", MAUDIO_TEST_DIR, name);
  if (maudio_model_open(path, &model, &error)) {
    fail_msg("%s", error.message);
  }
  return model;
}

static maudio_sequence* new_sequence(const maudio_model* model, size_t context)
{
  maudio_sequence* sequence = NULL;
  maudio_error     error    = {.message = ""};
  if (maudio_sequence_new(model, context, &sequence, &error)) {
    fail_msg("%s", error.message);
  }
  return sequence;
}

/// Take the tokens from `begin` to `end`, `chunk` at a time
static void run(maudio_sequence* sequence,
                size_t           begin,
                size_t           end,
                size_t           chunk,
                float*           logits)
{
  uint32_t ids[N_STEPS];
  for (uint32_t i = 0; i < N_STEPS; ++i) {
    ids[i] = (i * i * 7 + i * 3) % N_VOCAB;
  }
  for (size_t at = begin; at < end; at += chunk) {
    const size_t n = end - at < chunk ? end - at : chunk;
    assert_int_equal(
      maudio_sequence_step(sequence, n, ids + at, logits + at * N_VOCAB),
      MAUDIO_SUCCESS);
  }
}

typedef struct {
  float logits[N_STEPS * N_VOCAB];
} result;

static void sequences_continue_to_the_last_bit(void** state)
{
  (void)state;
  static result whole;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    static result          rest;
    maudio_model* const    model = open_model(names[i]);
    maudio_sequence* const first = new_sequence(model, CONTEXT);
    maudio_sequence* const other = new_sequence(model, CONTEXT);
    const size_t           size  = maudio_sequence_state_size(first);
    char* const            saved = (char*)calloc(size + 2, 1);
    assert_non_null(saved);
    assert_true(size < maudio_sequence_memory(first));

    run(first, 0, N_BEFORE, 5, whole.logits);
    maudio_sequence_save_state(first, saved + 1); // At any alignment
    assert_int_equal(saved[size + 1], 0);
    run(first, N_BEFORE, N_STEPS, 16, whole.logits);

    // Also into one that was busy with something else
    rest = whole;
    memset(rest.logits + N_BEFORE * N_VOCAB, 0,
           (N_STEPS - N_BEFORE) * N_VOCAB * sizeof(float));
    run(other, 3, 11, 2, rest.logits);
    assert_int_equal(maudio_sequence_load_state(other, saved + 1, size),
                     MAUDIO_SUCCESS);
    run(other, N_BEFORE, N_STEPS, 3, rest.logits);
    assert_memory_equal(rest.logits + N_BEFORE * N_VOCAB,
                        whole.logits + N_BEFORE * N_VOCAB,
                        (N_STEPS - N_BEFORE) * N_VOCAB * sizeof(float));

    maudio_sequence_reset(other);
    run(other, 0, N_STEPS, N_STEPS, rest.logits);
    assert_memory_equal(rest.logits, whole.logits, sizeof whole.logits);
    free(saved);
    maudio_sequence_free(other);
    maudio_sequence_free(first);
    maudio_model_free(model);
  }
  maudio_sequence_free(NULL);
}

static void a_context_as_long_as_the_input_is_full_attention(void** state)
{
  (void)state;
  static result full;
  static result exact;
  static result little;
  maudio_model* model      = open_model("bamba");
  const size_t  contexts[] = {0, N_STEPS, N_STEPS - 1};
  result* const results[]  = {&full, &exact, &little};
  for (size_t i = 0; i < 3; ++i) {
    maudio_sequence* const sequence = new_sequence(model, contexts[i]);
    run(sequence, 0, N_STEPS, 7, results[i]->logits);
    maudio_sequence_free(sequence);
  }
  const size_t last = (N_STEPS - 1) * N_VOCAB;
  assert_memory_equal(full.logits, exact.logits, sizeof full.logits);
  assert_memory_equal(full.logits, little.logits, last * sizeof(float));
  assert_memory_not_equal(full.logits + last, little.logits + last,
                          N_VOCAB * sizeof(float));
  maudio_model_free(model);
}

static void logits_are_only_made_when_asked_for(void** state)
{
  (void)state;
  static result          whole;
  float                  last[N_VOCAB];
  const uint32_t         ids[]    = {3, 1, 4, 1, 5, 9, 2, 6};
  maudio_model* const    model    = open_model("jamba");
  maudio_sequence* const sequence = new_sequence(model, 0);
  assert_int_equal(maudio_sequence_step(sequence, 8, ids, whole.logits), 0);
  maudio_sequence_reset(sequence);
  assert_int_equal(maudio_sequence_step(sequence, 7, ids, NULL), 0);
  assert_int_equal(maudio_sequence_step(sequence, 1, ids + 7, last), 0);
  assert_int_equal(maudio_sequence_step(sequence, 0, NULL, NULL), 0);
  assert_memory_equal(last, whole.logits + (size_t)7 * N_VOCAB, sizeof last);
  maudio_sequence_free(sequence);
  maudio_model_free(model);
}

static void unknown_tokens_change_nothing(void** state)
{
  (void)state;
  const uint32_t         good[] = {1, 2, N_VOCAB - 1};
  const uint32_t         bad[]  = {1, 2, N_VOCAB};
  float                  a[3 * N_VOCAB];
  float                  b[3 * N_VOCAB];
  maudio_model* const    model    = open_model("mamba");
  maudio_sequence* const sequence = new_sequence(model, 0);
  assert_int_equal(maudio_sequence_step(sequence, 3, good, a), MAUDIO_SUCCESS);
  maudio_sequence_reset(sequence);
  assert_int_equal(maudio_sequence_step(sequence, 3, bad, b),
                   MAUDIO_ERR_BAD_ARG);
  assert_int_equal(maudio_sequence_step(sequence, 3, good, b), MAUDIO_SUCCESS);
  assert_memory_equal(a, b, sizeof a);
  maudio_sequence_free(sequence);
  maudio_model_free(model);
}

static void damaged_states_are_refused(void** state)
{
  (void)state;
  static const size_t    places[] = {3, 8, 17, 24, 33};
  maudio_model* const    model    = open_model("bamba");
  maudio_model* const    other    = open_model("jamba");
  maudio_sequence* const sequence = new_sequence(model, CONTEXT);
  maudio_sequence* const longer   = new_sequence(model, CONTEXT + 16);
  maudio_sequence* const foreign  = new_sequence(other, CONTEXT);
  const size_t           size     = maudio_sequence_state_size(sequence);
  const uint32_t         nan      = 0x7FC00000U;
  char* const            saved    = (char*)calloc(size + 1, 1);
  assert_non_null(saved);
  maudio_sequence_save_state(sequence, saved);
  assert_int_equal(maudio_sequence_load_state(sequence, saved, size), 0);
  assert_int_equal(maudio_sequence_load_state(longer, saved, size),
                   MAUDIO_ERR_BAD_STATE);
  assert_int_equal(maudio_sequence_load_state(foreign, saved, size),
                   MAUDIO_ERR_BAD_STATE);
  assert_int_equal(maudio_sequence_load_state(sequence, saved, size - 1),
                   MAUDIO_ERR_BAD_STATE);
  assert_int_equal(maudio_sequence_load_state(sequence, saved, 0),
                   MAUDIO_ERR_BAD_STATE);
  for (size_t i = 0; i < sizeof places / sizeof *places; ++i) {
    saved[places[i]] ^= 1; // Magic, model, context, nothing, size
    assert_int_equal(maudio_sequence_load_state(sequence, saved, size),
                     MAUDIO_ERR_BAD_STATE);
    saved[places[i]] ^= 1;
  }
  memcpy(saved + size - sizeof nan, &nan, sizeof nan);
  assert_int_equal(maudio_sequence_load_state(sequence, saved, size),
                   MAUDIO_ERR_BAD_STATE);
  free(saved);
  maudio_sequence_free(foreign);
  maudio_sequence_free(longer);
  maudio_sequence_free(sequence);
  maudio_model_free(other);
  maudio_model_free(model);
}

static void models_of_the_other_kind_are_refused(void** state)
{
  (void)state;
  maudio_model* const tokens   = open_model("mamba2");
  maudio_model* const audio    = network_open("bands");
  maudio_stream*      stream   = (maudio_stream*)tokens;
  maudio_sequence*    sequence = (maudio_sequence*)tokens;
  maudio_error        error    = {.message = ""};
  assert_int_equal(maudio_stream_new(tokens, 48000, 1, &stream, &error),
                   MAUDIO_ERR_BAD_ARG);
  assert_null(stream);
  assert_non_null(strstr(error.message, "small_mamba2"));
  assert_int_equal(maudio_sequence_new(audio, 0, &sequence, &error),
                   MAUDIO_ERR_BAD_ARG);
  assert_null(sequence);
  assert_non_null(strstr(error.message, "bands"));
  assert_int_equal(
    maudio_sequence_new(tokens, ((size_t)1 << 24) + 1, &sequence, &error),
    MAUDIO_ERR_BAD_ARG);
  assert_null(sequence);
  maudio_model_free(audio);
  maudio_model_free(tokens);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sequences_continue_to_the_last_bit),
    cmocka_unit_test(a_context_as_long_as_the_input_is_full_attention),
    cmocka_unit_test(logits_are_only_made_when_asked_for),
    cmocka_unit_test(unknown_tokens_change_nothing),
    cmocka_unit_test(damaged_states_are_refused),
    cmocka_unit_test(models_of_the_other_kind_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

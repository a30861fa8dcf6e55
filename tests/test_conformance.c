#include "golden.h"
#include "maudio.h"

#include "file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_STEPS 96
#define MAX_VOCAB 256
#define N_GREEDY 48

/// The greatest difference of a logit, whose standard deviation is about 0.6
#define LIMIT 2e-4f

/// Two greatest logits that are closer may change places
#define TIE 1e-3f

static const char* const names[] = {"mamba",
                                    "mamba2",
                                    "jamba",
                                    "bamba",
                                    "nemotron_h",
                                    "small_mamba",
                                    "small_mamba2",
                                    "small_jamba",
                                    "small_bamba",
                                    "small_nemotron_h",
                                    "small_nemotron_h_moe"};

/// A model, and what its reference makes of some tokens
typedef struct {
  const char*       name;
  maudio_model*     model;
  maudio_model_info info;
  size_t            n_steps;
  bool              has_greedy;
  uint32_t          ids[MAX_STEPS];
  uint32_t          greedy[N_GREEDY];
  float*            logits; ///< (n_steps, n_vocab)
} reference;

static void read_ids(golden* file, const char* name, size_t n, uint32_t* ids)
{
  float* const floats = golden_read(file, name, 1, &n);
  for (size_t i = 0; i < n; ++i) {
    ids[i] = (uint32_t)floats[i];
  }
  free(floats);
}

static reference open_reference(const char* name)
{
  char         path[512];
  maudio_error error = {.message = ""};
  reference    r = {.name = name, .has_greedy = strncmp(name, "small", 5) != 0};
  r.n_steps      = r.has_greedy ? 96 : 40;
  snprintf(path, sizeof path, "%s/conformance/%s", MAUDIO_TEST_DIR, name);
  if (maudio_model_open(path, &r.model, &error)) {
    fail_msg("%s", error.message);
  }
  maudio_model_get_info(r.model, &r.info);
  assert_int_equal(r.info.task, MAUDIO_TASK_TOKENS);
  assert_true(r.info.n_vocab <= MAX_VOCAB);

  snprintf(path, sizeof path, "../conformance/%s/expected", name);
  golden       file    = golden_open(path);
  const size_t shape[] = {r.n_steps, r.info.n_vocab};
  read_ids(&file, "ids", r.n_steps, r.ids);
  r.logits = golden_read(&file, "logits", 2, shape);
  if (r.has_greedy) {
    read_ids(&file, "greedy", N_GREEDY, r.greedy);
  }
  golden_close(&file);
  return r;
}

static void close_reference(const reference* r)
{
  maudio_model_free(r->model);
  free(r->logits);
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

/// The logits after every token, fed `chunk` at a time; to be freed
static float* run(const reference* r, size_t chunk)
{
  maudio_sequence* const sequence = new_sequence(r->model, r->n_steps);
  float* const           logits =
    (float*)calloc(r->n_steps * r->info.n_vocab, sizeof *logits);
  assert_non_null(logits);
  for (size_t at = 0; at < r->n_steps; at += chunk) {
    const size_t left = r->n_steps - at;
    const size_t n    = left < chunk ? left : chunk;
    assert_int_equal(maudio_sequence_step(sequence, n, r->ids + at,
                                          logits + at * r->info.n_vocab),
                     MAUDIO_SUCCESS);
  }
  maudio_sequence_free(sequence);
  return logits;
}

static void check_logits(const reference* r)
{
  static const size_t chunks[] = {7, 16, 64, MAX_STEPS};
  const size_t        n        = r->n_steps * r->info.n_vocab;
  float* const        steps    = run(r, 1);
  char                what[64];
  snprintf(what, sizeof what, "%s, %s", r->name, maudio_kernels_name());
  golden_compare(what, steps, r->logits, n, LIMIT);
  for (size_t i = 0; i < sizeof chunks / sizeof *chunks; ++i) {
    float* const again = run(r, chunks[i]);
    assert_memory_equal(again, steps, n * sizeof *steps);
    free(again);
  }
  free(steps);
}

/// The token of the greatest logit; `*margin` is how far the second one is
static uint32_t greatest(const float* logits, size_t n, float* margin)
{
  size_t best   = 0;
  float  second = -INFINITY;
  for (size_t i = 1; i < n; ++i) {
    if (logits[i] > logits[best]) {
      second = logits[best];
      best   = i;
    } else if (logits[i] > second) {
      second = logits[i];
    }
  }
  *margin = logits[best] - second;
  return (uint32_t)best;
}

/// Continue with the most likely token, as far as it is clear which that is
static void check_greedy(const reference* r)
{
  maudio_sequence* const sequence = new_sequence(r->model, 0);
  float                  logits[MAX_VOCAB];
  size_t                 n_same = 0;
  assert_false(maudio_sequence_step(sequence, r->n_steps - 1, r->ids, NULL));
  uint32_t id = r->ids[r->n_steps - 1];
  for (; n_same < N_GREEDY; ++n_same) {
    float margin = 0.0f;
    assert_false(maudio_sequence_step(sequence, 1, &id, logits));
    id = greatest(logits, r->info.n_vocab, &margin);
    if (margin <= TIE) {
      break;
    }
    assert_int_equal(id, r->greedy[n_same]);
  }
  printf("%-28s %zu greedy tokens\n", r->name, n_same);
  assert_true(n_same > 0);
  maudio_sequence_free(sequence);
}

static void every_logit_agrees_with_its_reference(void** state)
{
  (void)state;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
      const reference r = open_reference(names[i]);
      check_logits(&r);
      close_reference(&r);
    }
  }
  unsetenv("MAUDIO_KERNELS");
}

static void greedy_continuations_agree(void** state)
{
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    const reference r = open_reference(names[i]);
    if (r.has_greedy) {
      check_greedy(&r);
    }
    close_reference(&r);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_logit_agrees_with_its_reference),
    cmocka_unit_test(greedy_continuations_agree)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

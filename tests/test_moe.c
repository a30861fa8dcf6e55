#include "golden.h"
#include "small_mixer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define D_MODEL 10U
#define D_HIDDEN 6U
#define EXPERTS 5U
#define N_FRAMES 40U
#define LIMIT 1e-5f ///< Of values up to 10

/// Experts that are equal to a factor: expert e is e + 1 times the first
static small_mixer
open_moe(uint32_t n_chosen, bool normalises, const float* router)
{
  const maudio_block_config config   = {.mixer      = MAUDIO_MIXER_MOE,
                                        .d_hidden   = D_HIDDEN,
                                        .hidden     = MAUDIO_HIDDEN_RELU2,
                                        .n_experts  = EXPERTS,
                                        .n_chosen   = n_chosen,
                                        .normalises = normalises};
  const size_t              up[]     = {D_HIDDEN, D_MODEL};
  const size_t              down[]   = {D_MODEL, D_HIDDEN};
  const size_t              routes[] = {EXPERTS, D_MODEL};

  float* const up_values   = small_mixer_signal(up[0] * up[1], 2);
  float* const down_values = small_mixer_signal(up[0] * up[1], 3);
  float        scaled[D_MODEL * D_HIDDEN];

  model_builder* const builder = model_builder_new(NULL);
  model_builder_add(builder, "router.weight", 2, routes, router);
  for (unsigned e = 0; e < EXPERTS; ++e) {
    char name[48];
    for (size_t i = 0; i < D_MODEL * D_HIDDEN; ++i) {
      scaled[i] = (float)(e + 1) * down_values[i];
    }
    snprintf(name, sizeof name, "experts.%u.up_proj.weight", e);
    model_builder_add(builder, name, 2, up, up_values);
    snprintf(name, sizeof name, "experts.%u.down_proj.weight", e);
    model_builder_add(builder, name, 2, down, scaled);
  }
  free(down_values);
  free(up_values);
  return small_mixer_open(builder, &config, D_MODEL);
}

/// The sum of the factors of the experts chosen, as weighed
static double
plain_factor(uint32_t n_chosen, bool normalises, const double* scores)
{
  double weights[EXPERTS];
  bool   used[EXPERTS] = {false};
  double all           = 0.0;
  double kept          = 0.0;
  double factor        = 0.0;
  for (size_t e = 0; e < EXPERTS; ++e) {
    weights[e] = exp(scores[e]);
    all += weights[e];
  }
  for (uint32_t k = 0; k < n_chosen; ++k) {
    size_t best = EXPERTS;
    for (size_t e = 0; e < EXPERTS; ++e) {
      if (!used[e] && (best == EXPERTS || weights[e] > weights[best])) {
        best = e;
      }
    }
    used[best] = true;
    kept += weights[best];
    factor += weights[best] * (double)(best + 1);
  }
  return factor / (normalises ? kept : all);
}

/// One frame, in double
static void plain(const small_mixer* m,
                  const float*       router,
                  uint32_t           n_chosen,
                  bool               normalises,
                  const float*       in,
                  float*             out)
{
  const size_t up[]   = {D_HIDDEN, D_MODEL};
  const size_t down[] = {D_MODEL, D_HIDDEN};
  double       x[D_MODEL];
  double       hidden[D_HIDDEN];
  double       scores[EXPERTS];
  float* const up_weight =
    small_mixer_tensor(m, "experts.0.up_proj.weight", 2, up);
  float* const down_weight =
    small_mixer_tensor(m, "experts.0.down_proj.weight", 2, down);
  for (size_t i = 0; i < D_MODEL; ++i) {
    x[i] = in[i];
  }
  small_mixer_linear(router, NULL, EXPERTS, D_MODEL, x, scores);
  small_mixer_linear(up_weight, NULL, D_HIDDEN, D_MODEL, x, hidden);
  for (size_t i = 0; i < D_HIDDEN; ++i) {
    hidden[i] = hidden[i] > 0.0 ? hidden[i] * hidden[i] : 0.0;
  }
  small_mixer_linear(down_weight, NULL, D_MODEL, D_HIDDEN, hidden, x);
  const double factor = plain_factor(n_chosen, normalises, scores);
  for (size_t i = 0; i < D_MODEL; ++i) {
    out[i] = (float)(factor * x[i]);
  }
  free(down_weight);
  free(up_weight);
}

static void check(uint32_t n_chosen, bool normalises, const float* router)
{
  static float expected[N_FRAMES * D_MODEL];
  static float y[N_FRAMES * D_MODEL];
  small_mixer  m = open_moe(n_chosen, normalises, router);
  float* const x = small_mixer_signal(N_FRAMES * D_MODEL, 5);
  for (size_t t = 0; t < N_FRAMES; ++t) {
    plain(&m, router, n_chosen, normalises, x + t * D_MODEL,
          expected + t * D_MODEL);
  }
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    char what[32];
    snprintf(what, sizeof what, "%u of %u, %s", n_chosen, EXPERTS, (*k)->name);
    for (size_t t = 0; t < N_FRAMES; ++t) {
      small_mixer_run(&m, *k, 1, 1, x + t * D_MODEL, NULL, y + t * D_MODEL);
    }
    golden_compare(what, y, expected, N_FRAMES * D_MODEL, LIMIT);
    small_mixer_check_chunks(&m, *k, N_FRAMES, 1, x, y);
  }
  free(x);
  small_mixer_close(&m);
}

static void any_number_of_experts_agrees_with_plain_loops(void** state)
{
  (void)state;
  float* const router = small_mixer_signal((size_t)EXPERTS * D_MODEL, 4);
  for (uint32_t n_chosen = 1; n_chosen <= EXPERTS; ++n_chosen) {
    check(n_chosen, false, router);
    check(n_chosen, true, router);
  }
  free(router);
}

static void of_equal_experts_the_first_are_chosen(void** state)
{
  (void)state;
  const float router[EXPERTS * D_MODEL] = {0.0f};
  check(2, false, router);
}

/// Whatever the router says, no expert beyond the last is asked
static void a_router_that_overflows_does_no_harm(void** state)
{
  (void)state;
  float  router[EXPERTS * D_MODEL];
  float  x[D_MODEL];
  float  y[D_MODEL];
  size_t n = 0;
  for (; n < EXPERTS * D_MODEL; ++n) {
    router[n] = n % 2 ? 3e38f : -3e38f;
  }
  for (n = 0; n < D_MODEL; ++n) {
    x[n] = n % 3 ? 1e10f : -1e10f;
  }
  small_mixer m = open_moe(3, true, router);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    small_mixer_run(&m, *k, 1, 1, x, NULL, y);
  }
  small_mixer_close(&m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(any_number_of_experts_agrees_with_plain_loops),
    cmocka_unit_test(of_equal_experts_the_first_are_chosen),
    cmocka_unit_test(a_router_that_overflows_does_no_harm)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "steer_fast.h"

#include "golden.h"
#include "model.h"
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_HOPS 12U
#define HOP 32U

/// A fast path and its only channel
typedef struct {
  maudio_fast         fast;
  maudio_fast_channel channel;
  char*               memory;
} path;

static path path_new(const maudio_model* model, size_t n_phases, size_t fade)
{
  path          p       = {.fast = {.steer    = &model->steer,
                                    .n_phases = n_phases,
                                    .hop      = n_phases * HOP,
                                    .delay    = n_phases * 9,
                                    .fade     = n_phases * fade}};
  maudio_carver measure = {.base = NULL};
  maudio_fast_carve(&p.fast, &measure);
  maudio_fast_carve_channel(&p.fast, &p.channel, &measure);
  p.memory = (char*)aligned_alloc(64, measure.size);
  assert_non_null(p.memory);
  memset(p.memory, 0, measure.size);
  maudio_carver carver = {.base = p.memory};
  maudio_fast_carve(&p.fast, &carver);
  maudio_fast_carve_channel(&p.fast, &p.channel, &carver);
  return p;
}

/// Two controls that differ
typedef struct {
  float*          floats;
  maudio_controls controls;
} control_pair;

static control_pair controls_new(const maudio_model* model)
{
  const maudio_steer* s      = &model->steer;
  const size_t        n      = maudio_steer_control(s);
  float* const        floats = network_signal(2 * n, 16000, 5);
  const control_pair  pair   = {floats, {floats, floats + n}};
  *maudio_steer_level_of(s, pair.controls.older) = 0.1f;
  *maudio_steer_level_of(s, pair.controls.newer) = 0.3f;
  return pair;
}

/// Run N_HOPS hops in runs of at most `block` samples; return what comes out
static float* run(const path*            p,
                  const maudio_controls* controls,
                  const float*           in,
                  size_t                 block)
{
  const size_t hop = p->fast.hop;
  float* const out = network_floats(N_HOPS * hop);
  for (size_t i = 0; i < N_HOPS; ++i) {
    for (size_t at = 0; at < hop;) {
      const size_t n = hop - at < block ? hop - at : block;
      maudio_fast_run(&p->fast, &p->channel, controls, at, n, in + i * hop + at,
                      out + i * hop + at);
      at += n;
    }
    maudio_fast_advance(&p->fast, &p->channel);
  }
  return out;
}

static void runs_may_be_cut_anywhere(void** state)
{
  (void)state;
  static const size_t blocks[] = {1, 2, 7, 31, MAUDIO_FAST_RUN};
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const model = network_open("steer");
    const control_pair  pair  = controls_new(model);
    for (size_t m = 1; m <= 3; ++m) {
      const size_t n     = N_HOPS * HOP * m;
      float* const in    = network_signal(n, 16000, 1);
      float*       first = NULL;
      for (size_t b = 0; b < sizeof blocks / sizeof *blocks; ++b) {
        const path   p   = path_new(model, m, 12);
        float* const out = run(&p, &pair.controls, in, blocks[b]);
        if (first) {
          assert_memory_equal(out, first, n * sizeof *out);
          free(out);
        } else {
          first = out;
        }
        free(p.memory);
      }
      free(first);
      free(in);
    }
    free(pair.floats);
    maudio_model_free(model);
  }
  unsetenv("MAUDIO_KERNELS");
}

static void phases_are_signals_of_their_own(void** state)
{
  (void)state;
  enum { N_PHASES = 3 };
  const size_t          n      = N_HOPS * HOP;
  maudio_model* const   model  = network_make_steer();
  const control_pair    pair   = controls_new(model);
  const maudio_controls steady = {pair.controls.newer, pair.controls.newer};
  float* const          in     = network_signal(N_PHASES * n, 48000, 1);
  float* const          own    = network_floats(n);
  const path            all    = path_new(model, N_PHASES, 1);
  float* const          out    = run(&all, &steady, in, 50);
  for (size_t m = 0; m < N_PHASES; ++m) {
    for (size_t i = 0; i < n; ++i) {
      own[i] = in[N_PHASES * i + m];
    }
    const path   p     = path_new(model, 1, 1);
    float* const alone = run(&p, &steady, own, 20);
    for (size_t i = 0; i < n; ++i) {
      own[i] = out[N_PHASES * i + m];
    }
    golden_compare("a phase", own, alone, n, 1e-5f);
    free(alone);
    free(p.memory);
  }
  free(out);
  free(all.memory);
  free(own);
  free(in);
  free(pair.floats);
  maudio_model_free(model);
}

static void controls_fade(void** state)
{
  (void)state;
  enum { DELAY = 9, FADE = 8 };
  maudio_model* const   model = network_make_steer();
  const control_pair    pair  = controls_new(model);
  const maudio_controls old   = {pair.controls.older, pair.controls.older};
  const maudio_controls new   = {pair.controls.newer, pair.controls.newer};
  const size_t last           = model->steer.n_taps - 1;

  // Of an impulse in silence the filter gives its first tap at once
  for (size_t at = 0; at < HOP; ++at) {
    const path  p       = path_new(model, 1, FADE);
    float       in[HOP] = {0};
    float       out[HOP];
    const float part = at < DELAY          ? 1.0f
                       : at < DELAY + FADE ? (float)(at - DELAY + 1) / FADE
                                           : 1.0f;
    in[at]           = 1.0f;
    maudio_fast_run(&p.fast, &p.channel, &pair.controls, 0, HOP, in, out);
    const float expected =
      (1.0f - part) * old.newer[last] + part * new.newer[last];
    assert_true(p.fast.filters[at] - expected < 1e-6f);
    assert_true(expected - p.fast.filters[at] < 1e-6f);
    free(p.memory);
  }
  free(pair.floats);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(runs_may_be_cut_anywhere),
    cmocka_unit_test(phases_are_signals_of_their_own),
    cmocka_unit_test(controls_fade)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

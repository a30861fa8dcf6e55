#include "golden.h"
#include "small_mixer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define D_MODEL 11U
#define D_HIDDEN 19U
#define N_FRAMES 40U
#define LIMIT 1e-5f ///< Of values up to 10

static small_mixer open_mlp(maudio_hidden hidden)
{
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MLP,
                                      .d_hidden = D_HIDDEN,
                                      .hidden   = hidden,
                                      .has_bias = true};

  model_builder* const builder = model_builder_new(NULL);
  if (hidden == MAUDIO_HIDDEN_GATED_SILU) {
    small_mixer_add(builder, "gate_proj.weight", 2, D_HIDDEN, D_MODEL);
    small_mixer_add(builder, "gate_proj.bias", 1, D_HIDDEN, 1);
  }
  small_mixer_add(builder, "up_proj.weight", 2, D_HIDDEN, D_MODEL);
  small_mixer_add(builder, "up_proj.bias", 1, D_HIDDEN, 1);
  small_mixer_add(builder, "down_proj.weight", 2, D_MODEL, D_HIDDEN);
  small_mixer_add(builder, "down_proj.bias", 1, D_MODEL, 1);
  return small_mixer_open(builder, &config, D_MODEL);
}

static void project(const small_mixer* m,
                    const char*        name,
                    size_t             n_out,
                    size_t             n_in,
                    const double*      x,
                    double*            y)
{
  char         full[32];
  const size_t shape[] = {n_out, n_in};
  snprintf(full, sizeof full, "%s.weight", name);
  float* const weight = small_mixer_tensor(m, full, 2, shape);
  snprintf(full, sizeof full, "%s.bias", name);
  float* const bias = small_mixer_tensor(m, full, 1, shape);
  small_mixer_linear(weight, bias, n_out, n_in, x, y);
  free(bias);
  free(weight);
}

/// One frame, in double
static void
plain(const small_mixer* m, maudio_hidden hidden, const float* in, float* out)
{
  double x[D_MODEL];
  double up[D_HIDDEN];
  double gate[D_HIDDEN];
  for (size_t i = 0; i < D_MODEL; ++i) {
    x[i] = in[i];
  }
  project(m, "up_proj", D_HIDDEN, D_MODEL, x, up);
  if (hidden == MAUDIO_HIDDEN_GATED_SILU) {
    project(m, "gate_proj", D_HIDDEN, D_MODEL, x, gate);
  }
  for (size_t i = 0; i < D_HIDDEN; ++i) {
    switch (hidden) {
    case MAUDIO_HIDDEN_GATED_SILU:
      up[i] *= gate[i] / (1.0 + exp(-gate[i]));
      break;
    case MAUDIO_HIDDEN_SILU:
      up[i] = up[i] / (1.0 + exp(-up[i]));
      break;
    case MAUDIO_HIDDEN_RELU2:
      up[i] = up[i] > 0.0 ? up[i] * up[i] : 0.0;
      break;
    }
  }
  project(m, "down_proj", D_MODEL, D_HIDDEN, up, x);
  for (size_t i = 0; i < D_MODEL; ++i) {
    out[i] = (float)x[i];
  }
}

static void check(maudio_hidden hidden, const char* name)
{
  static float expected[N_FRAMES * D_MODEL];
  static float y[N_FRAMES * D_MODEL];
  small_mixer  m = open_mlp(hidden);
  float* const x = small_mixer_signal(N_FRAMES * D_MODEL, 5);
  for (size_t t = 0; t < N_FRAMES; ++t) {
    plain(&m, hidden, x + t * D_MODEL, expected + t * D_MODEL);
  }
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    char what[32];
    snprintf(what, sizeof what, "%s, %s", name, (*k)->name);
    for (size_t t = 0; t < N_FRAMES; ++t) {
      small_mixer_run(&m, *k, 1, 1, x + t * D_MODEL, NULL, y + t * D_MODEL);
    }
    golden_compare(what, y, expected, N_FRAMES * D_MODEL, LIMIT);
    small_mixer_check_chunks(&m, *k, N_FRAMES, 1, x, y);
  }
  free(x);
  small_mixer_close(&m);
}

static void every_activation_agrees_with_plain_loops(void** state)
{
  (void)state;
  check(MAUDIO_HIDDEN_GATED_SILU, "gated silu");
  check(MAUDIO_HIDDEN_SILU, "silu");
  check(MAUDIO_HIDDEN_RELU2, "relu2");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_activation_agrees_with_plain_loops)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

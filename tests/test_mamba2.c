#include "golden.h"
#include "small_mixer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void agrees_with_pytorch(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                      .d_inner  = 24,
                                      .d_state  = 5,
                                      .d_conv   = 4,
                                      .headdim  = 8,
                                      .n_groups = 1,
                                      .dt_max   = INFINITY};
  golden_check_layer("mamba2", &config, 12, 3);
}

static void groups_have_their_own_b_c_and_norm(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                      .d_inner  = 40,
                                      .d_state  = 6,
                                      .d_conv   = 3,
                                      .headdim  = 10,
                                      .n_groups = 2,
                                      .dt_max   = INFINITY};
  golden_check_layer("mamba2_groups", &config, 20, 2);
}

static void dt_is_clamped_to_its_limit(void** state)
{
  (void)state;
  const maudio_block_config config = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                      .d_inner  = 64,
                                      .d_state  = 16,
                                      .d_conv   = 4,
                                      .headdim  = 32,
                                      .n_groups = 1,
                                      .dt_min   = 0.01f,
                                      .dt_max   = 0.05f};
  golden_check_layer("mamba2_limit", &config, 9, 2);
}

enum {
  D_MODEL  = 7,
  HEADDIM  = 16,
  N_HEADS  = 5,
  D_INNER  = N_HEADS * HEADDIM,
  D_STATE  = 9,
  N_CONV   = D_INNER + 2 * D_STATE,
  N_PROJ   = D_INNER + N_CONV + N_HEADS,
  N_FRAMES = 600
};

typedef struct {
  float* in_proj;
  float* conv_weight;
  float* conv_bias;
  float* dt_bias;
  float* a_log;
  float* d;
  float* norm;
  float* out_proj;
} tensors;

static tensors read_tensors(const small_mixer* m)
{
  static const size_t in[]    = {N_PROJ, D_MODEL};
  static const size_t conv[]  = {N_CONV, 1, 1};
  static const size_t heads[] = {N_HEADS};
  static const size_t inner[] = {D_INNER};
  static const size_t out[]   = {D_MODEL, D_INNER};
  return (tensors){small_mixer_tensor(m, "in_proj.weight", 2, in),
                   small_mixer_tensor(m, "conv1d.weight", 3, conv),
                   small_mixer_tensor(m, "conv1d.bias", 1, conv),
                   small_mixer_tensor(m, "dt_bias", 1, heads),
                   small_mixer_tensor(m, "A_log", 1, heads),
                   small_mixer_tensor(m, "D", 1, heads),
                   small_mixer_tensor(m, "norm.weight", 1, inner),
                   small_mixer_tensor(m, "out_proj.weight", 2, out)};
}

static void free_tensors(tensors t)
{
  free(t.in_proj);
  free(t.conv_weight);
  free(t.conv_bias);
  free(t.dt_bias);
  free(t.a_log);
  free(t.d);
  free(t.norm);
  free(t.out_proj);
}

static double silu(double x)
{
  return x / (1.0 + exp(-x));
}

/// One frame by the equations, in double; h (D_INNER, D_STATE)
static void plain_step(const tensors* t, const float* in, double* h, float* out)
{
  double x[D_MODEL];
  double proj[N_PROJ];
  double y[D_INNER];
  double squares = 0.0;
  for (size_t i = 0; i < D_MODEL; ++i) {
    x[i] = in[i];
  }
  small_mixer_linear(t->in_proj, NULL, N_PROJ, D_MODEL, x, proj);
  double* const xbc = proj + D_INNER;
  for (size_t i = 0; i < N_CONV; ++i) {
    xbc[i] = silu(t->conv_bias[i] + t->conv_weight[i] * xbc[i]);
  }
  for (size_t i = 0; i < D_INNER; ++i) {
    const size_t head  = i / HEADDIM;
    const double dt    = log1p(exp(xbc[N_CONV + head] + t->dt_bias[head]));
    const double decay = exp(-dt * exp((double)t->a_log[head]));
    double       sum   = t->d[head] * xbc[i];
    for (size_t k = 0; k < D_STATE; ++k) {
      double* const hk = &h[i * D_STATE + k];
      *hk              = decay * *hk + dt * xbc[i] * xbc[D_INNER + k];
      sum += *hk * xbc[D_INNER + D_STATE + k];
    }
    y[i] = sum * silu(proj[i]);
    squares += y[i] * y[i];
  }
  for (size_t i = 0; i < D_INNER; ++i) {
    y[i] *= t->norm[i] / sqrt(squares / D_INNER + 1e-5);
  }
  small_mixer_linear(t->out_proj, NULL, D_MODEL, D_INNER, y, x);
  for (size_t i = 0; i < D_MODEL; ++i) {
    out[i] = (float)x[i];
  }
}

/// A mixer whose heads forget in 2000 frames, in 30, in one and in much less
static small_mixer open_forgetful(void)
{
  static const float        a_log[] = {-7.0f, -3.0f, 0.5f, 3.5f, 8.0f};
  static const size_t       heads[] = {N_HEADS};
  static const size_t       conv[]  = {N_CONV, 1, 1};
  float* const              weight  = small_mixer_signal(N_CONV, 99);
  const maudio_block_config config  = {.mixer    = MAUDIO_MIXER_MAMBA2,
                                       .d_inner  = D_INNER,
                                       .d_state  = D_STATE,
                                       .d_conv   = 1,
                                       .headdim  = HEADDIM,
                                       .n_groups = 1,
                                       .dt_max   = INFINITY};
  model_builder* const      builder = model_builder_new(NULL);
  small_mixer_add(builder, "in_proj.weight", 2, N_PROJ, D_MODEL);
  model_builder_add(builder, "conv1d.weight", 3, conv, weight);
  small_mixer_add(builder, "conv1d.bias", 1, N_CONV, 1);
  small_mixer_add(builder, "dt_bias", 1, N_HEADS, 1);
  model_builder_add(builder, "A_log", 1, heads, a_log);
  small_mixer_add(builder, "D", 1, N_HEADS, 1);
  small_mixer_add(builder, "norm.weight", 1, D_INNER, 1);
  small_mixer_add(builder, "out_proj.weight", 2, D_MODEL, D_INNER);
  free(weight);
  return small_mixer_open(builder, &config, D_MODEL);
}

static void heads_forget_soon_or_late(void** state)
{
  (void)state;
  small_mixer   m = open_forgetful();
  const tensors t = read_tensors(&m);
  float* const  x = small_mixer_signal((size_t)N_FRAMES * D_MODEL, 3);
  static float  expected[N_FRAMES * D_MODEL];
  static float  y[N_FRAMES * D_MODEL];
  static double h[D_INNER * D_STATE];
  for (size_t i = 0; i < N_FRAMES; ++i) {
    plain_step(&t, x + i * D_MODEL, h, expected + i * D_MODEL);
  }
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    float* const own = small_mixer_state(&m, 1);
    for (size_t i = 0; i < N_FRAMES; ++i) {
      small_mixer_run(&m, *k, 1, 1, x + i * D_MODEL, own, y + i * D_MODEL);
    }
    for (size_t i = 0; i < (size_t)N_FRAMES * D_MODEL; ++i) {
      assert_true(fabsf(y[i] - expected[i]) < 1e-4f); // Of values up to 9
    }
    small_mixer_check_chunks(&m, *k, N_FRAMES, 1, x, y);
    free(own);
  }
  free(x);
  free_tensors(t);
  small_mixer_close(&m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(agrees_with_pytorch),
    cmocka_unit_test(groups_have_their_own_b_c_and_norm),
    cmocka_unit_test(dt_is_clamped_to_its_limit),
    cmocka_unit_test(heads_forget_soon_or_late)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

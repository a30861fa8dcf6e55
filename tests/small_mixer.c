#include "small_mixer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float* new_floats(size_t n)
{
  float* const floats = (float*)calloc(n + 1, sizeof *floats);
  assert_non_null(floats);
  return floats;
}

void small_mixer_add(model_builder* builder,
                     const char*    name,
                     unsigned       n_dims,
                     size_t         n_out,
                     size_t         n_in)
{
  static uint32_t seed    = 1;
  const size_t    shape[] = {n_out, n_in};
  float* const    values  = small_mixer_signal(n_out * n_in, ++seed);
  model_builder_add(builder, name, n_dims, shape, values);
  free(values);
}

small_mixer small_mixer_open(model_builder*             builder,
                             const maudio_block_config* config,
                             size_t                     d_model)
{
  size_t       size  = 0;
  small_mixer  m     = {.file    = model_builder_finish(builder, &size),
                        .d_model = d_model};
  maudio_error error = {.message = ""};
  model_builder_free(builder);
  if (maudio_weights_open(m.file, size, "mixer", &m.weights, &error)) {
    fail_msg("%s", error.message);
  }
  maudio_binding binding = {.weights  = m.weights,
                            .arena    = &m.arena,
                            .kernels  = &maudio_kernels_scalar,
                            .prefix   = "",
                            .d_model  = d_model,
                            .n_bands  = 1,
                            .norm_eps = 1e-5f,
                            .error    = &error};
  if (maudio_mixer_find(config->mixer)->bind(config, &binding, &m.mixer) ||
      maudio_weights_check_all_used(m.weights, &error)) {
    fail_msg("%s", error.message);
  }
  return m;
}

void small_mixer_close(small_mixer* m)
{
  maudio_arena_clear(&m->arena);
  maudio_weights_free(m->weights);
  free(m->file);
}

float* small_mixer_tensor(const small_mixer* m,
                          const char*        name,
                          unsigned           n_dims,
                          const size_t*      shape)
{
  maudio_error error = {.message = ""};
  float* const data  = new_floats(shape[0] * (n_dims > 1 ? shape[1] : 1));
  if (maudio_weights_get(m->weights, name, n_dims, shape, data, &error)) {
    fail_msg("%s", error.message);
  }
  return data;
}

float* small_mixer_state(const small_mixer* m, size_t window)
{
  return new_floats(maudio_mixer_state(m->mixer, window));
}

void small_mixer_run(const small_mixer*    m,
                     const maudio_kernels* kernels,
                     size_t                n_frames,
                     size_t                window,
                     const float*          x,
                     float*                state,
                     float*                y)
{
  const size_t d_pad = maudio_pad(m->d_model);
  float* const in    = new_floats(n_frames * d_pad);
  float* const out   = new_floats(n_frames * d_pad);
  float* const scratch =
    new_floats(maudio_mixer_scratch(m->mixer, n_frames, window));
  for (size_t t = 0; t < n_frames; ++t) {
    memcpy(in + t * d_pad, x + t * m->d_model, m->d_model * sizeof *in);
  }
  m->mixer->type->step(m->mixer, &(maudio_run){.kernels  = kernels,
                                               .n_frames = n_frames,
                                               .n_bands  = 1,
                                               .window   = window,
                                               .x        = in,
                                               .y        = out,
                                               .state    = state,
                                               .scratch  = scratch});
  for (size_t t = 0; t < n_frames; ++t) {
    memcpy(y + t * m->d_model, out + t * d_pad, m->d_model * sizeof *y);
  }
  free(scratch);
  free(out);
  free(in);
}

void small_mixer_check_chunks(const small_mixer*    m,
                              const maudio_kernels* kernels,
                              size_t                n_frames,
                              size_t                window,
                              const float*          x,
                              const float*          expected)
{
  static const size_t lengths[] = {7, 1, 16, 3, 2};

  float* const state = small_mixer_state(m, window);
  float* const y     = new_floats(n_frames * m->d_model);
  for (size_t at = 0, i = 0; at < n_frames; ++i) {
    const size_t length = lengths[i % 5];
    const size_t left   = n_frames - at;
    const size_t n      = left < length ? left : length;
    small_mixer_run(m, kernels, n, window, x + at * m->d_model, state,
                    y + at * m->d_model);
    at += n;
  }
  assert_memory_equal(y, expected, n_frames * m->d_model * sizeof *y);
  free(y);
  free(state);
}

float* small_mixer_signal(size_t n, uint32_t seed)
{
  float* const x = new_floats(n);
  for (size_t i = 0; i < n; ++i) {
    seed = seed * 1664525U + 1013904223U;
    x[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return x;
}

void small_mixer_linear(const float*  weight,
                        const float*  bias,
                        size_t        n_out,
                        size_t        n_in,
                        const double* x,
                        double*       y)
{
  for (size_t o = 0; o < n_out; ++o) {
    y[o] = bias ? bias[o] : 0.0;
    for (size_t i = 0; i < n_in; ++i) {
      y[o] += (double)weight[o * n_in + i] * x[i];
    }
  }
}

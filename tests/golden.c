#include "golden.h"

#include "file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_FRAMES 40U ///< Frames of a layer's golden vectors
#define WINDOW 64U   ///< Frames that attention sees
#define EPS 1e-5f

golden golden_open(const char* name)
{
  golden       file  = {.data = NULL};
  maudio_error error = {.message = ""};
  char         path[512];
  snprintf(path, sizeof path, "%s/golden/%s.safetensors", MAUDIO_TEST_DIR,
           name);
  if (maudio_file_read(path, &file.data, &file.size, &error) ||
      maudio_weights_open(file.data, file.size, path, &file.weights, &error)) {
    fail_msg("%s", error.message);
  }
  return file;
}

void golden_close(golden* file)
{
  maudio_weights_free(file->weights);
  free(file->data);
}

float* golden_read(golden*       file,
                   const char*   name,
                   unsigned      n_dims,
                   const size_t* shape)
{
  size_t n = 1;
  for (unsigned i = 0; i < n_dims; ++i) {
    n *= shape[i];
  }
  maudio_error error = {.message = ""};
  float*       data  = (float*)calloc(n, sizeof *data);
  assert_non_null(data);
  if (maudio_weights_get(file->weights, name, n_dims, shape, data, &error)) {
    fail_msg("%s", error.message);
  }
  return data;
}

void golden_compare(const char*  what,
                    const float* found,
                    const float* expected,
                    size_t       n,
                    float        tolerance)
{
  float  worst = 0.0f;
  size_t at    = 0;
  for (size_t i = 0; i < n; ++i) {
    const float difference = fabsf(found[i] - expected[i]);
    if (!(difference <= worst)) {
      worst = difference;
      at    = i;
    }
  }
  printf("%-28s max difference %.2e (limit %.0e)\n", what, worst, tolerance);
  if (!(worst <= tolerance)) {
    fail_msg("%s: [%zu] is %.9g, expected %.9g", what, at, found[at],
             expected[at]);
  }
}

const maudio_kernels* const* golden_kernels(void)
{
  static const char* const names[] = {"scalar", "avx2", "avx512", "avx512vnni",
                                      "neon"};
  static const maudio_kernels* kernels[6];
  size_t                       n = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
    kernels[n] = maudio_kernels_find(names[i]);
    n += kernels[n] != NULL;
  }
  return kernels;
}

static float* new_floats(size_t n)
{
  float* const floats = (float*)calloc(n + 1, sizeof *floats);
  assert_non_null(floats);
  return floats;
}

/// A mixer under test, and what it reads and is to write: (T, S, D)
typedef struct {
  const char*         name;
  const maudio_mixer* mixer;
  maudio_binding      binding;
  const float*        norm; ///< (D), padded
  const float*        x;
  const float*        y;
} layer;

/// y (n_frames, S, D) = mixer(norm(x))
static void run_layer(const layer*          l,
                      const maudio_kernels* kernels,
                      size_t                n_frames,
                      const float*          x,
                      float*                state,
                      float*                y)
{
  const size_t d_model = l->binding.d_model;
  const size_t d_pad   = maudio_pad(d_model);
  const size_t n_rows  = n_frames * l->binding.n_bands;
  float* const h       = new_floats(n_rows * d_pad);
  float* const sums    = new_floats(n_rows * d_pad);
  float* const scratch =
    new_floats(maudio_mixer_scratch(l->mixer, n_frames, WINDOW));
  for (size_t r = 0; r < n_rows; ++r) {
    memcpy(h + r * d_pad, x + r * d_model, d_model * sizeof *h);
  }
  kernels->rms_norm(n_rows, d_pad, h, l->norm, d_model, EPS, h);
  l->mixer->type->step(l->mixer, &(maudio_run){.kernels  = kernels,
                                               .n_frames = n_frames,
                                               .n_bands  = l->binding.n_bands,
                                               .window   = WINDOW,
                                               .x        = h,
                                               .y        = sums,
                                               .state    = state,
                                               .scratch  = scratch});
  for (size_t r = 0; r < n_rows; ++r) {
    memcpy(y + r * d_model, sums + r * d_pad, d_model * sizeof *y);
  }
  free(scratch);
  free(sums);
  free(h);
}

static void check_kernels(const layer* l, const maudio_kernels* kernels)
{
  const size_t width   = l->binding.n_bands * l->binding.d_model;
  const size_t n_state = maudio_mixer_state(l->mixer, WINDOW);
  float* const state   = new_floats(n_state);
  float* const again   = new_floats(n_state);
  float* const steps   = new_floats(N_FRAMES * width);
  float* const in_runs = new_floats(N_FRAMES * width);

  // Frame by frame, and in runs: the same to the last bit
  for (size_t t = 0; t < N_FRAMES; ++t) {
    run_layer(l, kernels, 1, l->x + t * width, state, steps + t * width);
  }
  static const size_t runs[] = {7, 1, 16, 3, 13};
  size_t              t      = 0;
  for (size_t i = 0; i < sizeof runs / sizeof runs[0]; ++i) {
    const size_t at = t * width;
    run_layer(l, kernels, runs[i], l->x + at, again, in_runs + at);
    t += runs[i];
  }
  assert_int_equal(t, N_FRAMES);
  assert_memory_equal(steps, in_runs, N_FRAMES * width * sizeof *steps);
  assert_memory_equal(state, again, n_state * sizeof *state);

  char what[64];
  snprintf(what, sizeof what, "%s, %s", l->name, kernels->name);
  golden_compare(what, steps, l->y, N_FRAMES * width, 2e-6f);
  free(in_runs);
  free(steps);
  free(again);
  free(state);
}

void golden_check_layer(const char*                name,
                        const maudio_block_config* config,
                        size_t                     d_model,
                        size_t                     n_bands)
{
  char file_name[64];
  snprintf(file_name, sizeof file_name, "layer_%s", name);
  golden       file  = golden_open(file_name);
  maudio_arena arena = {NULL};
  maudio_error error = {.message = ""};
  layer        l     = {.name    = name,
                        .binding = {.weights  = file.weights,
                                    .arena    = &arena,
                                    .prefix   = "",
                                    .d_model  = d_model,
                                    .n_bands  = n_bands,
                                    .norm_eps = EPS,
                                    .error    = &error}};
  if (maudio_tensor_read_array(&l.binding, "norm.weight", 1, &d_model,
                               &l.norm)) {
    fail_msg("%s", error.message);
  }
  l.binding.prefix = "mixer.";
  if (maudio_mixer_find(config->mixer)->bind(config, &l.binding, &l.mixer)) {
    fail_msg("%s", error.message);
  }

  const size_t shape[] = {N_FRAMES, n_bands, d_model};
  float* const x       = golden_read(&file, "x", 3, shape);
  float* const y       = golden_read(&file, "y", 3, shape);
  l.x                  = x;
  l.y                  = y;
  if (maudio_weights_check_all_used(file.weights, &error)) {
    fail_msg("%s", error.message);
  }
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    check_kernels(&l, *k);
  }
  free(y);
  free(x);
  maudio_arena_clear(&arena);
  golden_close(&file);
}

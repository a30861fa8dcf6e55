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

#define D_MODEL 12U
#define HEADS 6U
#define KV_HEADS 2U
#define WIDTH 5U
#define ROTARY 4U
#define THETA 100.0
#define N_FRAMES 40U
#define LIMIT 1e-5f ///< Of values up to 10

enum { Q = HEADS * WIDTH, K = KV_HEADS * WIDTH };

static const maudio_block_config config = {.mixer      = MAUDIO_MIXER_ATTENTION,
                                           .n_heads    = HEADS,
                                           .n_kv_heads = KV_HEADS,
                                           .headwidth  = WIDTH,
                                           .n_rotary   = ROTARY,
                                           .rope_theta = THETA,
                                           .rope_scale = 1.0,
                                           .has_bias   = true};

static small_mixer open_attention(void)
{
  model_builder* const builder = model_builder_new(NULL);
  small_mixer_add(builder, "q_proj.weight", 2, Q, D_MODEL);
  small_mixer_add(builder, "q_proj.bias", 1, Q, 1);
  small_mixer_add(builder, "k_proj.weight", 2, K, D_MODEL);
  small_mixer_add(builder, "k_proj.bias", 1, K, 1);
  small_mixer_add(builder, "v_proj.weight", 2, K, D_MODEL);
  small_mixer_add(builder, "v_proj.bias", 1, K, 1);
  small_mixer_add(builder, "o_proj.weight", 2, D_MODEL, Q);
  small_mixer_add(builder, "o_proj.bias", 1, D_MODEL, 1);
  return small_mixer_open(builder, &config, D_MODEL);
}

/// y (N_FRAMES, n_out) of x (N_FRAMES, n_in)
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
  for (size_t t = 0; t < N_FRAMES; ++t) {
    small_mixer_linear(weight, bias, n_out, n_in, x + t * n_in, y + t * n_out);
  }
  free(bias);
  free(weight);
}

static void rotate(size_t position, double* head)
{
  for (size_t i = 0; i < ROTARY / 2; ++i) {
    const double angle =
      (double)position * pow(THETA, -2.0 * (double)i / ROTARY);
    const double re      = head[i];
    const double im      = head[i + ROTARY / 2];
    head[i]              = re * cos(angle) - im * sin(angle);
    head[i + ROTARY / 2] = im * cos(angle) + re * sin(angle);
  }
}

static double dot(const double* a, const double* b)
{
  double sum = 0.0;
  for (size_t i = 0; i < WIDTH; ++i) {
    sum += a[i] * b[i];
  }
  return sum;
}

/// One head of one frame: the values from `first` on, weighed
static void attend(size_t        first,
                   size_t        t,
                   const double* q,
                   const double* k,
                   const double* v,
                   double*       result)
{
  double total = 0.0;
  memset(result, 0, WIDTH * sizeof *result);
  for (size_t s = first; s <= t; ++s) {
    const double weight = exp(dot(q, k + s * K) / sqrt(WIDTH));
    total += weight;
    for (size_t i = 0; i < WIDTH; ++i) {
      result[i] += weight * v[s * K + i];
    }
  }
  for (size_t i = 0; i < WIDTH; ++i) {
    result[i] /= total;
  }
}

/// The same as the textbook has it, in double
static void
plain(const small_mixer* m, size_t window, const float* in, float* out)
{
  static double x[N_FRAMES * D_MODEL];
  static double q[N_FRAMES * Q];
  static double k[N_FRAMES * K];
  static double v[N_FRAMES * K];
  static double attended[N_FRAMES * Q];
  for (size_t i = 0; i < N_FRAMES * D_MODEL; ++i) {
    x[i] = in[i];
  }
  project(m, "q_proj", Q, D_MODEL, x, q);
  project(m, "k_proj", K, D_MODEL, x, k);
  project(m, "v_proj", K, D_MODEL, x, v);
  for (size_t t = 0; t < N_FRAMES; ++t) {
    for (size_t h = 0; h < HEADS; ++h) {
      rotate(t, q + t * Q + h * WIDTH);
    }
    for (size_t h = 0; h < KV_HEADS; ++h) {
      rotate(t, k + t * K + h * WIDTH);
    }
  }
  for (size_t t = 0; t < N_FRAMES; ++t) {
    const size_t first = t + 1 > window ? t + 1 - window : 0;
    for (size_t h = 0; h < HEADS; ++h) {
      const size_t g = h / (HEADS / KV_HEADS) * WIDTH;
      attend(first, t, q + t * Q + h * WIDTH, k + g, v + g,
             attended + t * Q + h * WIDTH);
    }
  }
  project(m, "o_proj", D_MODEL, Q, attended, x);
  for (size_t i = 0; i < N_FRAMES * D_MODEL; ++i) {
    out[i] = (float)x[i];
  }
}

/// Run frame by frame
static void run(const small_mixer*    m,
                const maudio_kernels* kernels,
                size_t                window,
                const float*          x,
                float*                state,
                float*                y)
{
  for (size_t t = 0; t < N_FRAMES; ++t) {
    small_mixer_run(m, kernels, 1, window, x + t * D_MODEL, state,
                    y + t * D_MODEL);
  }
}

static void it_agrees_with_plain_loops_in_any_window(void** state)
{
  (void)state;
  static const size_t windows[] = {1, 2, 7, 16, 17, N_FRAMES, 100};
  static float        expected[N_FRAMES * D_MODEL];
  static float        y[N_FRAMES * D_MODEL];
  small_mixer         m = open_attention();
  float* const        x = small_mixer_signal(N_FRAMES * D_MODEL, 7);
  for (size_t w = 0; w < sizeof windows / sizeof *windows; ++w) {
    plain(&m, windows[w], x, expected);
    for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
      float* const memory = small_mixer_state(&m, windows[w]);
      char         what[32];
      snprintf(what, sizeof what, "window %zu, %s", windows[w], (*k)->name);
      run(&m, *k, windows[w], x, memory, y);
      golden_compare(what, y, expected, N_FRAMES * D_MODEL, LIMIT);
      small_mixer_check_chunks(&m, *k, N_FRAMES, windows[w], x, y);
      free(memory);
    }
  }
  free(x);
  small_mixer_close(&m);
}

/// Once the window is full, only what is in it counts: not how long ago the
/// signal began
static void positions_stay_exact_for_ever(void** state)
{
  (void)state;
  static const size_t window       = 9;
  static const float  digits[2][4] = {{0, 0, 256, 0}, {12345, 54321, 999, 7}};
  static float        y[N_FRAMES * D_MODEL];
  static float        far[N_FRAMES * D_MODEL];
  small_mixer         m      = open_attention();
  float* const        x      = small_mixer_signal(N_FRAMES * D_MODEL, 7);
  float* const        memory = small_mixer_state(&m, window);
  run(&m, &maudio_kernels_scalar, window, x, memory, y);
  for (size_t i = 0; i < 2; ++i) {
    float* const late = small_mixer_state(&m, window);
    memcpy(late, digits[i], sizeof digits[i]);
    run(&m, &maudio_kernels_scalar, window, x, late, far);
    golden_compare("late", far + window * D_MODEL, y + window * D_MODEL,
                   (N_FRAMES - window) * D_MODEL, 2e-6f);
    free(late);
  }
  free(memory);
  free(x);
  small_mixer_close(&m);
}

/// A state may come from a damaged file
static void any_position_can_be_run(void** state)
{
  (void)state;
  static const float digits[] = {-5.0f, 1e30f, 0.5f, 65536.0f};
  static float       y[N_FRAMES * D_MODEL];
  small_mixer        m      = open_attention();
  float* const       x      = small_mixer_signal(N_FRAMES * D_MODEL, 7);
  float* const       memory = small_mixer_state(&m, 3);
  memcpy(memory, digits, sizeof digits);
  run(&m, &maudio_kernels_scalar, 3, x, memory, y);
  for (size_t i = 0; i < N_FRAMES * D_MODEL; ++i) {
    assert_true(isfinite(y[i]));
  }
  free(memory);
  free(x);
  small_mixer_close(&m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_agrees_with_plain_loops_in_any_window),
    cmocka_unit_test(positions_stay_exact_for_ever),
    cmocka_unit_test(any_position_can_be_run)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

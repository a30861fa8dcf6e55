#include "steer.h"

#include "golden.h"
#include "model.h"
#include "model_builder.h"
#include "network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float*
read_tensor(const char* name, unsigned n_dims, const size_t* shape)
{
  golden       file = golden_open("network_steer");
  float* const data = golden_read(&file, name, n_dims, shape);
  golden_close(&file);
  return data;
}

/// Make taps and context of a control
static void run_parts(const maudio_steer* s,
                      const float*        y,
                      const float*        gains,
                      float*              control)
{
  for (size_t i = 0; i < maudio_steer_tap_parts(s); ++i) {
    maudio_steer_run_taps(s, gains, i, control);
  }
  for (size_t i = 0; i < maudio_steer_context_parts(s); ++i) {
    maudio_steer_run_context(s, y, i, control);
  }
}

/// Sizes of tests/golden/network_steer.safetensors
enum { N_BANDS = 3, D_MODEL = 12, N_GAINS = 12, N_TAPS = 29, WIDTH = 20 };

static void gains_taps_and_context_are_products(void** state)
{
  (void)state;
  const size_t gain[]    = {N_GAINS, D_MODEL};
  const size_t filters[] = {N_GAINS, N_TAPS};
  const size_t context[] = {WIDTH, N_BANDS * D_MODEL};
  float* const w_gain    = read_tensor("steer.gain.weight", 2, gain);
  float* const b_gain    = read_tensor("steer.gain.bias", 1, gain);
  float* const w_filters = read_tensor("steer.filters.weight", 2, filters);
  float* const w_context = read_tensor("steer.context.weight", 2, context);
  float* const b_context = read_tensor("steer.context.bias", 1, context);

  maudio_model* const model   = network_open("steer");
  const maudio_steer* s       = &model->steer;
  float* const        y       = network_floats(N_BANDS * s->d_pad);
  float* const        x       = network_signal(N_BANDS * D_MODEL, 16000, 1);
  float* const        gains   = network_floats(maudio_steer_gains(s));
  float* const        control = network_floats(maudio_steer_control(s));
  for (size_t i = 0; i < N_BANDS * D_MODEL; ++i) {
    y[i / D_MODEL * s->d_pad + i % D_MODEL] = x[i];
  }
  maudio_steer_run_gains(s, y, gains);
  run_parts(s, y, gains, control);

  for (size_t k = 0; k < s->n_taps; ++k) {
    double tap = 0.0;
    for (size_t c = 0; c < N_GAINS && k < N_TAPS; ++c) {
      double       g    = b_gain[c];
      const size_t band = c / (N_GAINS / N_BANDS);
      for (size_t d = 0; d < D_MODEL; ++d) {
        g += (double)w_gain[c * D_MODEL + d] * x[band * D_MODEL + d];
      }
      assert_true(fabs(gains[c] - g) < 1e-6);
      tap += g * w_filters[c * N_TAPS + k];
    }
    // The tap of the newest sample comes last, what is padded comes first
    assert_true(fabs(control[s->n_taps - 1 - k] - tap) < 1e-5);
  }
  const float* const found = maudio_steer_context_of(s, control);
  for (size_t e = 0; e < WIDTH; ++e) {
    double q = b_context[e];
    for (size_t i = 0; i < N_BANDS * D_MODEL; ++i) {
      q += (double)w_context[e * N_BANDS * D_MODEL + i] * x[i];
    }
    assert_true(fabs(found[e] - q) < 1e-5);
  }
  maudio_model_free(model);
  free(control);
  free(gains);
  free(x);
  free(y);
  free(b_context);
  free(w_context);
  free(w_filters);
  free(b_gain);
  free(w_gain);
}

static void before_a_signal_the_biases_are_the_control(void** state)
{
  (void)state;
  maudio_model* const model   = network_make_steer();
  const maudio_steer* s       = &model->steer;
  const size_t        n       = maudio_steer_control(s);
  float* const        zeros   = network_floats(s->n_bands * s->d_pad);
  float* const        gains   = network_floats(maudio_steer_gains(s));
  float* const        control = network_floats(n);
  maudio_steer_run_gains(s, zeros, gains);
  run_parts(s, zeros, gains, control);
  *maudio_steer_level_of(s, control) = 1e-4f;
  golden_compare("absent", s->absent, control, n, 1e-6f);
  free(control);
  free(gains);
  free(zeros);
  maudio_model_free(model);
}

/// Change the byte at `offset` of where `found` is in the small model; what is
/// left has to be refused, naming `name`
static void
check_damaged(const char* found, size_t offset, char byte, const char* name)
{
  model_builder* const builder = model_builder_new(model_builder_steer_json);
  model_builder_add_network(builder);
  size_t      size = 0;
  char* const file = (char*)model_builder_finish(builder, &size);
  model_builder_free(builder);

  const size_t n  = strlen(found);
  size_t       at = 8;
  while (at + n < size && memcmp(file + at, found, n) != 0) {
    ++at;
  }
  assert_true(at + n < size);
  file[at + offset]   = byte;
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  assert_int_equal(maudio_model_open_memory(file, size, "f", &model, &error),
                   MAUDIO_ERR_BAD_MODEL);
  if (!strstr(error.message, name)) {
    fail_msg("'%s' does not name '%s'", error.message, name);
  }
  free(file);
}

static void every_missing_tensor_is_named(void** state)
{
  (void)state;
  static const char* const names[] = {
    "steer.gain.weight",          "steer.gain.bias",
    "steer.filters.weight",       "steer.context.weight",
    "steer.context.bias",         "steer.in.weight",
    "steer.norm_f.weight",        "steer.out.weight",
    "steer.layers.0.norm.weight", "steer.layers.1.mixer.up_proj.weight"};
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
    check_damaged(names[i], strlen("steer"), '_', names[i]);
  }
}

static void other_shapes_are_refused(void** state)
{
  (void)state;
  // The first digit of a number
  check_damaged("\\\"n_gains\\\": 20", 13, '1', "steer.gain.weight");
  check_damaged("\\\"n_taps\\\": 20", 12, '1', "steer.filters.weight");
  check_damaged("\\\"n_past\\\": 4", 12, '5', "steer.in.weight");
  check_damaged("\\\"d_model\\\": 10", 13, '2', "steer.context.weight");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gains_taps_and_context_are_products),
    cmocka_unit_test(before_a_signal_the_biases_are_the_control),
    cmocka_unit_test(every_missing_tensor_is_named),
    cmocka_unit_test(other_shapes_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "steer_slow.h"

#include "golden.h"
#include "network.h"
#include "stream.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_HOPS 20U
#define HALF_PI 1.5707963267948966

/// Run hops of a signal, the units of each in parts of `part`; return the
/// controls (N_HOPS, n_control)
static float* run(maudio_stream* stream, const float* signal, size_t part)
{
  maudio_slow* const s        = &stream->steerer.slow;
  const size_t       hop      = stream->spectral.hop;
  float* const       controls = network_floats(N_HOPS * s->n_control);
  maudio_slow_reset(s);
  for (size_t i = 0; i < N_HOPS; ++i) {
    const float* const frames[] = {signal + i * hop, signal + 7 + i * hop};
    for (size_t begin = 0; begin < s->n_units; begin += part) {
      const size_t left = s->n_units - begin;
      maudio_slow_run(s, frames, begin, begin + (part < left ? part : left));
    }
    maudio_slow_advance(s);
    memcpy(controls + i * s->n_control, s->newer,
           s->n_control * sizeof *controls);
  }
  return controls;
}

static void units_may_be_run_in_any_parts(void** state)
{
  (void)state;
  maudio_model* const model = network_open("steer");
  for (unsigned c = 1; c <= 2; ++c) {
    maudio_stream* const stream = network_stream(model, 16000, c);
    const maudio_slow*   s      = &stream->steerer.slow;
    float* const         signal = network_signal(20000, 16000, 1);
    float* const         once   = run(stream, signal, s->n_units);
    float* const         single = run(stream, signal, 1);
    assert_memory_equal(once, single, N_HOPS * s->n_control * sizeof *once);
    free(single);
    free(once);
    free(signal);
    maudio_stream_free(stream);
  }
  maudio_model_free(model);
}

static void parts_of_bands_are_the_whole_network(void** state)
{
  (void)state;
  maudio_model* const  model  = network_make_steer();
  maudio_stream* const stream = network_stream(model, 16000, 1);
  maudio_slow* const   s      = &stream->steerer.slow;
  const size_t         hop    = stream->spectral.hop;
  const size_t         n_rows = model->backbone.n_bands * model->backbone.d_pad;
  float* const         signal = network_signal(20000, 16000, 1);
  float* const         found  = run(stream, signal, 3);

  float* const network = network_floats(model->n_state);
  float* const scratch = network_floats(model->n_scratch);
  float* const gains   = network_floats(maudio_steer_gains(&model->steer));
  float* const control = network_floats(s->n_control);
  float* const x       = network_floats(n_rows);
  float* const y       = network_floats(n_rows);
  for (size_t i = 0; i < N_HOPS; ++i) {
    maudio_spectral_forward(s->spectral, signal + i * hop, s->spectra[0]);
    maudio_spectral_features(s->spectral, model->kernels,
                             (const kiss_fft_cpx* const*)s->spectra,
                             s->features);
    maudio_band_front_in(&model->bands, 1, s->features, x);
    maudio_backbone_run(&model->backbone, 1, 1, x, y, network, scratch);
    maudio_steer_run_gains(&model->steer, y, gains);
    for (size_t j = 0; j < maudio_steer_tap_parts(&model->steer); ++j) {
      maudio_steer_run_taps(&model->steer, gains, j, control);
    }
    for (size_t j = 0; j < maudio_steer_context_parts(&model->steer); ++j) {
      maudio_steer_run_context(&model->steer, y, j, control);
    }
    assert_memory_equal(control, found + i * s->n_control,
                        (s->n_control - 1) * sizeof *control);
  }
  free(y);
  free(x);
  free(control);
  free(gains);
  free(scratch);
  free(network);
  free(found);
  free(signal);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

static void levels_are_mean_squares_under_the_window(void** state)
{
  (void)state;
  maudio_model* const  model  = network_open("steer");
  maudio_stream* const stream = network_stream(model, 48000, 2);
  maudio_slow* const   s      = &stream->steerer.slow;
  const size_t         window = stream->spectral.window;
  const size_t         hop    = stream->spectral.hop;
  float* const         left   = network_signal(window, 48000, 1);
  float* const         right  = network_floats(window);
  const float* const   both[] = {left, right};
  maudio_slow_run(s, both, 0, s->n_units);

  double sum = 0.0;
  for (size_t i = 0; i < window; ++i) {
    const double rise = (double)(window - hop);
    const double at   = (double)i + 0.5;
    const double w    = at < rise ? sin(HALF_PI * at / rise)
                                  : cos(HALF_PI * (at - rise) / (double)hop);
    sum += w * w * left[i] * left[i];
  }
  const double level = sqrt(sum / (double)window / 2 + 1e-8);
  const float  found = *maudio_steer_level_of(&model->steer, s->building);
  assert_true(fabs(found - level) < 1e-6 * level);
  free(right);
  free(left);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(units_may_be_run_in_any_parts),
    cmocka_unit_test(parts_of_bands_are_the_whole_network),
    cmocka_unit_test(levels_are_mean_squares_under_the_window)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

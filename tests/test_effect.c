#include "network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE_HZ 48000.0
#define N_FRAMES 48000U
#define RAMP ((size_t)(0.020 * RATE_HZ))
#define SETTLE ((size_t)(0.100 * RATE_HZ))

typedef struct {
  maudio_model*  models[2];  ///< Their masks are 1 and 0.25 in every bin
  maudio_stream* streams[2]; ///< Of two channels
  maudio_effect* effect;     ///< Plays the first
  float*         in;         ///< (N_FRAMES)
  float*         out[2];     ///< (N_FRAMES) a channel
} fixture;

static int set_up(void** state)
{
  static fixture f;
  for (size_t i = 0; i < 2; ++i) {
    f.models[i]  = network_make_constant(32, i ? 4 : 8, 0, i ? 0.25f : 1.0f);
    f.streams[i] = network_stream(f.models[i], RATE_HZ, 2);
    f.out[i]     = (float*)calloc(N_FRAMES, sizeof(float));
    assert_non_null(f.out[i]);
  }
  assert_int_equal(maudio_effect_new(RATE_HZ, 2, f.streams[0], &f.effect, NULL),
                   MAUDIO_SUCCESS);
  f.in = (float*)malloc(N_FRAMES * sizeof(float));
  assert_non_null(f.in);
  for (size_t i = 0; i < N_FRAMES; ++i) {
    f.in[i] = 0.5f * sinf(6.2831853f * 440.0f * (float)i / (float)RATE_HZ);
  }
  *state = &f;
  return 0;
}

static int tear_down(void** state)
{
  fixture* const f = (fixture*)*state;
  maudio_effect_free(f->effect);
  for (size_t i = 0; i < 2; ++i) {
    maudio_stream_free(f->streams[i]);
    maudio_model_free(f->models[i]);
    free(f->out[i]);
  }
  free(f->in);
  return 0;
}

/// Process frames `from` to `to` in calls of `block` frames
static void play(const fixture* f, size_t from, size_t to, size_t block)
{
  for (size_t i = from; i < to; i += block) {
    const size_t       n     = to - i < block ? to - i : block;
    const float* const in[]  = {f->in + i, f->in + i};
    float* const       out[] = {f->out[0] + i, f->out[1] + i};
    maudio_effect_process(f->effect, in, out, n);
  }
}

/// Greatest step between neighbouring samples of `from` to `to`
static float worst_step(const float* x, size_t from, size_t to)
{
  float worst = 0.0f;
  for (size_t i = from + 1; i < to; ++i) {
    worst = fmaxf(worst, fabsf(x[i] - x[i - 1]));
  }
  return worst;
}

static float peak(const float* x, size_t from, size_t to)
{
  float worst = 0.0f;
  for (size_t i = from; i < to; ++i) {
    worst = fmaxf(worst, fabsf(x[i]));
  }
  return worst;
}

static void it_sounds_as_the_stream_alone(void** state)
{
  const fixture* const f        = (const fixture*)*state;
  maudio_stream* const alone    = network_stream(f->models[0], RATE_HZ, 2);
  float* const         expected = (float*)malloc(2 * N_FRAMES * sizeof(float));
  assert_non_null(expected);
  const float* const in[]  = {f->in, f->in};
  float* const       out[] = {expected, expected + N_FRAMES};
  maudio_stream_process(alone, in, out, N_FRAMES);

  play(f, 0, N_FRAMES, 333);
  assert_memory_equal(f->out[0], expected, N_FRAMES * sizeof(float));
  assert_memory_equal(f->out[1], expected, N_FRAMES * sizeof(float));
  assert_int_equal(maudio_effect_latency(f->effect),
                   maudio_stream_latency(alone));
  assert_true(maudio_effect_reduction_db(f->effect) < 0.1f);
  assert_null(maudio_effect_retired(f->effect));
  free(expected);
  maudio_stream_free(alone);
}

static void a_change_settles_then_fades(void** state)
{
  const fixture* const f       = (const fixture*)*state;
  const size_t         change  = 10007;
  const size_t         latency = maudio_stream_latency(f->streams[1]);
  play(f, 0, change, 64);
  assert_null(maudio_effect_play(f->effect, f->streams[1]));
  const size_t fade = change + latency + SETTLE;
  play(f, change, fade, 64);
  assert_int_equal(maudio_effect_latency(f->effect),
                   maudio_stream_latency(f->streams[0]));
  assert_null(maudio_effect_retired(f->effect));
  play(f, fade, N_FRAMES, 64);

  assert_float_equal(peak(f->out[0], change, fade), 0.5, 1e-3);
  assert_float_equal(peak(f->out[0], fade + RAMP, N_FRAMES), 0.125, 1e-3);
  const float steady = worst_step(f->out[0], change - 2000, change);
  assert_true(worst_step(f->out[0], change, N_FRAMES) < 1.1f * steady);
  assert_int_equal(maudio_effect_latency(f->effect), latency);
  assert_float_equal(maudio_effect_reduction_db(f->effect), 12.04, 0.1);
  assert_ptr_equal(maudio_effect_retired(f->effect), f->streams[0]);
  assert_null(maudio_effect_retired(f->effect));
}

static void a_change_before_any_audio_is_heard_at_once(void** state)
{
  const fixture* const f = (const fixture*)*state;
  assert_null(maudio_effect_play(f->effect, f->streams[1]));
  play(f, 0, 5000, 64);
  assert_ptr_equal(maudio_effect_retired(f->effect), f->streams[0]);
  assert_float_equal(peak(f->out[0], 1000, 5000), 0.125, 1e-3);
  assert_int_equal(maudio_effect_latency(f->effect),
                   maudio_stream_latency(f->streams[1]));
}

static void the_latest_change_wins(void** state)
{
  const fixture* const f     = (const fixture*)*state;
  maudio_stream* const third = network_stream(f->models[0], RATE_HZ, 2);
  play(f, 0, 100, 64);
  assert_null(maudio_effect_play(f->effect, third));
  assert_ptr_equal(maudio_effect_play(f->effect, f->streams[1]), third);
  play(f, 100, 20000, 64);
  assert_float_equal(peak(f->out[0], 10000, 20000), 0.125, 1e-3);

  // The next change waits for the first stream to be taken
  assert_null(maudio_effect_play(f->effect, third));
  play(f, 20000, 34000, 64);
  assert_float_equal(peak(f->out[0], 30000, 34000), 0.125, 1e-3);
  assert_ptr_equal(maudio_effect_retired(f->effect), f->streams[0]);
  play(f, 34000, N_FRAMES, 64);
  assert_float_equal(peak(f->out[0], 46000, N_FRAMES), 0.5, 1e-3);
  assert_ptr_equal(maudio_effect_retired(f->effect), f->streams[1]);
  maudio_effect_free(f->effect);
  maudio_stream_free(third);
  assert_int_equal(maudio_effect_new(RATE_HZ, 2, f->streams[0],
                                     &((fixture*)*state)->effect, NULL),
                   MAUDIO_SUCCESS);
}

static void a_reset_completes_a_change(void** state)
{
  const fixture* const f = (const fixture*)*state;
  play(f, 0, 1000, 64);
  assert_null(maudio_effect_play(f->effect, f->streams[1]));
  play(f, 1000, 1100, 64);
  maudio_effect_reset(f->effect);
  assert_ptr_equal(maudio_effect_retired(f->effect), f->streams[0]);
  play(f, 0, 5000, 64);
  assert_float_equal(peak(f->out[0], 1000, 5000), 0.125, 1e-3);
}

static void mix_and_gain_are_smooth_and_a_bypass_undoes_them(void** state)
{
  const fixture* const f = (const fixture*)*state;
  assert_null(maudio_effect_play(f->effect, f->streams[1]));
  play(f, 0, 8000, 64);
  const float dry = 0.5f * 6.2831853f * 440.0f / (float)RATE_HZ;

  maudio_effect_set(f->effect, MAUDIO_PARAM_MIX, 0.5f);
  play(f, 8000, 16000, 64);
  assert_float_equal(peak(f->out[0], 12000, 16000), 0.3125, 1e-3);

  maudio_effect_set(f->effect, MAUDIO_PARAM_OUTPUT_GAIN_DB, 6.0206f);
  play(f, 16000, 24000, 64);
  assert_float_equal(peak(f->out[0], 20000, 24000), 0.625, 1e-3);

  maudio_effect_set(f->effect, MAUDIO_PARAM_ENABLED, 0.0f);
  play(f, 24000, 32000, 64);
  const size_t latency = maudio_effect_latency(f->effect);
  assert_memory_equal(f->out[0] + 28000, f->in + 28000 - latency,
                      4000 * sizeof(float));

  maudio_effect_set(f->effect, MAUDIO_PARAM_ENABLED, 1.0f);
  maudio_effect_set(f->effect, MAUDIO_PARAM_OUTPUT_GAIN_DB, -100.0f);
  play(f, 32000, 40000, 64);
  assert_float_equal(peak(f->out[0], 36000, 40000), 0.0003125, 1e-5);
  assert_true(worst_step(f->out[0], 8000, 40000) < 1.3f * dry);
}

static void bad_arguments_are_refused(void** state)
{
  const fixture* const f    = (const fixture*)*state;
  maudio_effect*       made = f->effect;
  maudio_error         error;
  assert_int_equal(maudio_effect_new(RATE_HZ, 3, f->streams[0], &made, &error),
                   MAUDIO_ERR_BAD_ARG);
  assert_null(made);
  assert_non_null(strstr(error.message, "3 channels"));
  assert_int_equal(maudio_effect_set(f->effect, MAUDIO_PARAM_MIX, NAN),
                   MAUDIO_ERR_BAD_ARG);
  assert_int_equal(maudio_effect_set(f->effect, (maudio_param)99, 1.0f),
                   MAUDIO_ERR_BAD_ARG);
  assert_int_equal(maudio_stream_set(f->streams[0], MAUDIO_PARAM_MIX, 1.0f),
                   MAUDIO_ERR_BAD_ARG);
  assert_ptr_equal(maudio_stream_model(f->streams[0]), f->models[0]);
  maudio_effect_free(NULL);
}

#define effect_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
    effect_test(it_sounds_as_the_stream_alone),
    effect_test(a_change_settles_then_fades),
    effect_test(a_change_before_any_audio_is_heard_at_once),
    effect_test(the_latest_change_wins),
    effect_test(a_reset_completes_a_change),
    effect_test(mix_and_gain_are_smooth_and_a_bypass_undoes_them),
    effect_test(bad_arguments_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

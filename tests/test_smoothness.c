/* No zipper noise: whatever is changed while a tone in faint noise plays, what
   comes out is no rougher than before or after. */
#include "network.h"

#include <kiss_fft.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define RATE_HZ 48000.0
#define N_FRAMES 48000U
#define BLOCK 64U
#define TONE_HZ 440.0
#define WINDOW 4096U
#define CLEAR_HZ 2000.0 // What is above is noise, or comes from a change

// Steady, then something happens, then steady again
#define BEGIN 8000U
#define CHANGE 19968U // A multiple of BLOCK
#define SETTLED 32000U

typedef struct {
  maudio_model*
    models[2]; ///< Masks of 0.33, which makes 0.25 above 8 kHz, and 1
  maudio_stream* streams[2]; ///< Of them
  maudio_effect* effect;     ///< Plays the first
  float*         in;
  float*         out;
} fixture;

static int set_up(void** state)
{
  static fixture f;
  for (size_t i = 0; i < 2; ++i) {
    f.models[i]  = network_make_constant(32, 8, i ? 2 : 0, i ? 1.0f : 0.33f);
    f.streams[i] = network_stream(f.models[i], RATE_HZ, 1);
  }
  assert_int_equal(maudio_effect_new(RATE_HZ, 1, f.streams[0], &f.effect, NULL),
                   MAUDIO_SUCCESS);
  f.in  = (float*)calloc(N_FRAMES, sizeof(float));
  f.out = (float*)calloc(N_FRAMES, sizeof(float));
  assert_non_null(f.in);
  assert_non_null(f.out);
  uint32_t seed = 1;
  for (size_t i = 0; i < N_FRAMES; ++i) {
    seed               = seed * 1664525U + 1013904223U;
    const double noise = (double)(seed >> 8) / 8388608.0 - 1.0;
    const double angle = 6.283185307179586 * TONE_HZ * (double)i / RATE_HZ;
    f.in[i]            = (float)(0.5 * sin(angle) + 0.001 * noise);
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
  }
  free(f->in);
  free(f->out);
  return 0;
}

/// Process frames `from` to `to`
static void play(const fixture* f, size_t from, size_t to)
{
  for (size_t i = from; i < to; i += BLOCK) {
    const size_t       n     = to - i < BLOCK ? to - i : BLOCK;
    const float* const in[]  = {f->in + i};
    float* const       out[] = {f->out + i};
    maudio_effect_process(f->effect, in, out, n);
  }
}

/// Greatest fourth difference: the tone all but vanishes in it, steps do not
static double roughness(const float* x, size_t from, size_t to)
{
  double worst = 0.0;
  for (size_t i = from + 2; i + 2 < to; ++i) {
    const double d = (double)x[i - 2] - 4.0 * (double)x[i - 1] +
                     6.0 * (double)x[i] - 4.0 * (double)x[i + 1] +
                     (double)x[i + 2];
    worst = fmax(worst, fabs(d));
  }
  return worst;
}

/// Greatest energy above CLEAR_HZ of any window
static double splatter(const float* x, size_t from, size_t to)
{
  static kiss_fft_cpx frame[WINDOW];
  static kiss_fft_cpx spectrum[WINDOW];
  kiss_fft_cfg        fft   = kiss_fft_alloc(WINDOW, 0, NULL, NULL);
  const size_t        first = (size_t)(CLEAR_HZ * WINDOW / RATE_HZ);
  double              worst = 0.0;
  assert_non_null(fft);
  for (size_t at = from; at + WINDOW <= to; at += WINDOW / 8) {
    for (size_t i = 0; i < WINDOW; ++i) {
      const double hann =
        0.5 - 0.5 * cos(6.283185307179586 * (double)i / WINDOW);
      frame[i] = (kiss_fft_cpx){(float)(hann * (double)x[at + i]), 0.0f};
    }
    kiss_fft(fft, frame, spectrum);
    double energy = 0.0;
    for (size_t k = first; k < WINDOW / 2; ++k) {
      energy += (double)spectrum[k].r * (double)spectrum[k].r +
                (double)spectrum[k].i * (double)spectrum[k].i;
    }
    worst = fmax(worst, energy);
  }
  kiss_fft_free(fft);
  return worst;
}

/// Return whether a signal is as smooth around the change as before and after
static bool is_smooth(const float* x)
{
  const double rough =
    roughness(x, CHANGE - WINDOW, SETTLED) /
    fmax(roughness(x, BEGIN, CHANGE), roughness(x, SETTLED, N_FRAMES));
  const double splat =
    splatter(x, CHANGE - WINDOW, SETTLED) /
    fmax(splatter(x, BEGIN, CHANGE), splatter(x, SETTLED, N_FRAMES));
  print_message("roughness x %.3f, splatter %+.2f dB\n", rough,
                10.0 * log10(splat));
  return rough < 1.5 && splat < 1.26;
}

static void abrupt_changes_are_noticed(void** state)
{
  const fixture* const f = (const fixture*)*state;
  for (size_t i = 0; i < N_FRAMES; ++i) {
    f->out[i] = i < CHANGE ? f->in[i] : 0.9f * f->in[i];
  }
  assert_false(is_smooth(f->out));

  // A knob that moves in steps, as fast as the one below
  for (size_t i = 0; i < N_FRAMES; ++i) {
    const size_t step = i < CHANGE ? 0 : (i - CHANGE) / BLOCK;
    const float  gain = step < 50 ? 0.25f + 0.015f * (float)step : 1.0f;
    f->out[i]         = gain * f->in[i];
  }
  assert_false(is_smooth(f->out));

  for (size_t i = 0; i < N_FRAMES; ++i) {
    f->out[i] = 0.5f * f->in[i];
  }
  assert_true(is_smooth(f->out));
}

static void single_changes_are_smooth(void** state)
{
  static const struct {
    maudio_param param;
    float        from;
    float        to;
    float        gain_db;
  } changes[] = {{MAUDIO_PARAM_STRENGTH, 1, 0, 0},
                 {MAUDIO_PARAM_STRENGTH, 0, 1, 0},
                 {MAUDIO_PARAM_MAX_ATTENUATION_DB, 100, 0, 0},
                 {MAUDIO_PARAM_MAX_ATTENUATION_DB, 3, 100, 0},
                 {MAUDIO_PARAM_ENABLED, 1, 0, 0},
                 {MAUDIO_PARAM_ENABLED, 0, 1, 0},
                 {MAUDIO_PARAM_ENABLED, 1, 0, 20},
                 {MAUDIO_PARAM_ENABLED, 0, 1, 20},
                 {MAUDIO_PARAM_MIX, 1, 0, 0},
                 {MAUDIO_PARAM_MIX, 0, 1, 0},
                 {MAUDIO_PARAM_OUTPUT_GAIN_DB, 0, -60, 0},
                 {MAUDIO_PARAM_OUTPUT_GAIN_DB, -60, 24, 0}};

  const fixture* const f = (const fixture*)*state;
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; ++i) {
    print_message("parameter %d from %g to %g: ", (int)changes[i].param,
                  (double)changes[i].from, (double)changes[i].to);
    maudio_effect_reset(f->effect);
    maudio_effect_set(f->effect, MAUDIO_PARAM_OUTPUT_GAIN_DB,
                      changes[i].gain_db);
    maudio_effect_set(f->effect, changes[i].param, changes[i].from);
    play(f, 0, CHANGE);
    maudio_effect_set(f->effect, changes[i].param, changes[i].to);
    play(f, CHANGE, N_FRAMES);
    assert_true(is_smooth(f->out));
    const float set_back[] = {1, 100, 1, 1, 0};
    maudio_effect_set(f->effect, changes[i].param, set_back[changes[i].param]);
  }
}

static void moving_knobs_are_smooth(void** state)
{
  static const struct {
    maudio_param param;
    float        from;
    float        to;
  } knobs[] = {{MAUDIO_PARAM_STRENGTH, 1, 0},
               {MAUDIO_PARAM_MIX, 0, 1},
               {MAUDIO_PARAM_MAX_ATTENUATION_DB, 12, 0},
               {MAUDIO_PARAM_OUTPUT_GAIN_DB, -20, 0}};

  const fixture* const f       = (const fixture*)*state;
  const size_t         n_steps = 50; // One for each block
  for (size_t i = 0; i < sizeof knobs / sizeof knobs[0]; ++i) {
    print_message("parameter %d moving: ", (int)knobs[i].param);
    maudio_effect_reset(f->effect);
    maudio_effect_set(f->effect, knobs[i].param, knobs[i].from);
    play(f, 0, CHANGE);
    for (size_t step = 1; step <= n_steps; ++step) {
      const float share = (float)step / (float)n_steps;
      maudio_effect_set(f->effect, knobs[i].param,
                        knobs[i].from + share * (knobs[i].to - knobs[i].from));
      play(f, CHANGE + (step - 1) * BLOCK, CHANGE + step * BLOCK);
    }
    play(f, CHANGE + n_steps * BLOCK, N_FRAMES);
    assert_true(is_smooth(f->out));
    const float set_back[] = {1, 100, 1, 1, 0};
    maudio_effect_set(f->effect, knobs[i].param, set_back[knobs[i].param]);
  }
}

static void changes_of_the_stream_are_smooth(void** state)
{
  const fixture* const f = (const fixture*)*state;
  play(f, 0, CHANGE);
  assert_null(maudio_effect_play(f->effect, f->streams[1]));
  play(f, CHANGE, N_FRAMES);
  assert_ptr_equal(maudio_effect_retired(f->effect), f->streams[0]);
  assert_true(is_smooth(f->out));
}

#define smoothness_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
  const struct CMUnitTest tests[] = {
    smoothness_test(abrupt_changes_are_noticed),
    smoothness_test(single_changes_are_smooth),
    smoothness_test(moving_knobs_are_smooth),
    smoothness_test(changes_of_the_stream_are_smooth)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Silence, in which streams that make a mask leave out what it needs: nothing
   of that may be heard. */
#include "golden.h"
#include "network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE_HZ 16000.0

static const char* const names[] = {"bands", "whole", "filter", "ahead"};

enum {
  N_NAMES  = sizeof names / sizeof names[0],
  N_SOUND  = 6400,
  N_PAUSE  = 9600,
  N_ALL    = 2 * N_SOUND + N_PAUSE,
  N_WINDOW = 512,
  N_HOP    = 128,
  N_REACH  = 4 * N_HOP // Of the filter, or of it and what is heard before
};

/// A sound, a long pause of `level`, another sound with a short one
static float* make_signal(float level, uint32_t seed)
{
  float* const x = network_signal(N_ALL, RATE_HZ, seed);
  for (size_t i = N_SOUND; i < N_ALL; ++i) {
    const size_t at = i - N_SOUND;
    if (at < N_PAUSE || at / N_WINDOW == N_PAUSE / N_WINDOW + 2) {
      x[i] = i % 2 ? level : -level;
    }
  }
  return x;
}

static void pauses_become_silent(void** state)
{
  (void)state;
  float* const in = make_signal(0.0f, 3);
  for (size_t m = 0; m < N_NAMES; ++m) {
    maudio_model* const model = network_open(names[m]);
    float* const        out   = network_run(model, RATE_HZ, in, N_ALL, 0);
    // The last frame with sound, played after two hops
    const size_t first = N_SOUND + N_WINDOW + N_REACH + 3 * N_HOP;
    const size_t end   = N_SOUND + N_PAUSE;
    for (size_t i = first; i < end; ++i) {
      assert_true(out[i] == 0.0f);
    }
    free(out);
    maudio_model_free(model);
  }
  free(in);
}

/// A pause of samples too small to be heard, which is computed, gives what
/// silence gives
static void silence_moves_the_state_as_sound_does(void** state)
{
  (void)state;
  static const size_t blocks[] = {N_HOP, 1000, N_ALL};
  float* const        in       = make_signal(0.0f, 3);
  float* const        computed = make_signal(1e-30f, 3);
  for (size_t m = 0; m < N_NAMES; ++m) {
    maudio_model* const model = network_open(names[m]);
    float* const expected = network_run(model, RATE_HZ, computed, N_ALL, 64);
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
      float* const out = network_run(model, RATE_HZ, in, N_ALL, blocks[b]);
      for (size_t i = 0; i < N_ALL; ++i) {
        assert_float_equal(out[i], expected[i], 1e-6f);
      }
      free(out);
    }
    free(expected);
    maudio_model_free(model);
  }
  free(computed);
  free(in);
}

/// Silence in one channel is not silence
static void channels_are_silent_together(void** state)
{
  (void)state;
  float* const quiet    = make_signal(0.0f, 3);
  float* const computed = make_signal(1e-30f, 3);
  float* const loud     = network_signal(N_ALL, RATE_HZ, 4);
  for (size_t m = 0; m < N_NAMES; ++m) {
    maudio_model* const model = network_open(names[m]);
    float*              out[2][2];
    const float*        in[2][2] = {{quiet, loud}, {computed, loud}};
    for (size_t i = 0; i < 2; ++i) {
      maudio_stream* const stream = network_stream(model, RATE_HZ, 2);
      out[i][0]                   = network_floats(N_ALL);
      out[i][1]                   = network_floats(N_ALL);
      network_process(stream, 2, in[i], out[i], N_ALL, 0);
      maudio_stream_free(stream);
    }
    for (size_t c = 0; c < 2; ++c) {
      for (size_t i = 0; i < N_ALL; ++i) {
        assert_float_equal(out[0][c][i], out[1][c][i], 1e-6f);
      }
      free(out[0][c]);
      free(out[1][c]);
    }
    maudio_model_free(model);
  }
  free(loud);
  free(computed);
  free(quiet);
}

/// Blocks that end within hops and states saved in a pause do not matter
static void cuts_do_not_change_a_bit(void** state)
{
  (void)state;
  static const size_t blocks[] = {1, 7, 64, 1000, 0};
  float* const        in       = make_signal(0.0f, 5);
  for (size_t m = 0; m < N_NAMES; ++m) {
    maudio_model* const model = network_open(names[m]);
    float* const        whole = network_run(model, RATE_HZ, in, N_ALL, N_ALL);
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
      float* const cut = network_run(model, RATE_HZ, in, N_ALL, blocks[b]);
      assert_memory_equal(whole, cut, N_ALL * sizeof *cut);
      free(cut);
    }

    float* const         out    = network_floats(N_ALL);
    const size_t         n      = N_SOUND + N_PAUSE / 2;
    maudio_stream* const before = network_stream(model, RATE_HZ, 1);
    maudio_stream* const after  = network_stream(model, RATE_HZ, 1);
    const size_t         size   = maudio_stream_state_size(before);
    void* const          saved  = malloc(size);
    assert_non_null(saved);
    network_process(before, 1, (const float* const*)&in, &(float*){out}, n, 0);
    maudio_stream_save_state(before, saved);
    assert_int_equal(maudio_stream_load_state(after, saved, size),
                     MAUDIO_SUCCESS);
    network_process(after, 1, &(const float*){in + n}, &(float*){out + n},
                    N_ALL - n, 0);
    assert_memory_equal(whole, out, N_ALL * sizeof *out);
    free(saved);
    maudio_stream_free(after);
    maudio_stream_free(before);
    free(out);
    free(whole);
    maudio_model_free(model);
  }
  free(in);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(pauses_become_silent),
    cmocka_unit_test(silence_moves_the_state_as_sound_does),
    cmocka_unit_test(channels_are_silent_together),
    cmocka_unit_test(cuts_do_not_change_a_bit)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

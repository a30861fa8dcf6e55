#include "generators.h"
#include "no_syscalls.h"
#include "rt_guard.h"
#include "voice.h"

#include <math.h>
#include <samplerate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 24000

static const double rates[] = {8000,  11025, 16000, 22050,  32000, 44100,
                               48000, 88200, 96000, 176400, 192000};
#define N_RATES (sizeof rates / sizeof rates[0])

static maudio_model* model;

static int open_model(void** state)
{
  (void)state;
  return maudio_model_open(TIERS, &model, NULL);
}

static int close_model(void** state)
{
  (void)state;
  maudio_model_free(model);
  return 0;
}

static voice* make(double rate_hz)
{
  voice*       v     = NULL;
  maudio_error error = {.message = ""};
  if (voice_new(model, rate_hz, &v, &error)) {
    fail_msg("%s", error.message);
  }
  return v;
}

/// Run in calls of `block`, 0: of ever changing length
static void run(voice* v, float* out, size_t n, size_t block)
{
  static const size_t blocks[] = {0, 1, 17, 8192, 64, 480, 3};
  size_t              i        = 0;
  for (size_t done = 0; done < n;) {
    const size_t wanted = block ? block : blocks[i++ % 7];
    const size_t part   = wanted < n - done ? wanted : n - done;
    voice_run(v, out + done, part);
    done += part;
  }
}

static float out[N];
static float again[N];
static float made[N];

static void at_its_own_rate_it_is_the_generator(void** state)
{
  (void)state;
  maudio_generator* g = NULL;
  assert_int_equal(maudio_generator_new(model, &g, NULL), 0);
  maudio_generator_reset(g, 7);
  maudio_generator_run(g, made, N);
  voice* const v = make(GENERATORS_RATE);
  voice_start(v, 7);
  run(v, out, N, 0);
  assert_int_equal(voice_latency(v), 0);
  assert_memory_equal(out, made, sizeof out);
  voice_free(v);
  maudio_generator_free(g);
}

/// Resampled at once by the same resampler, whose own delay is none
static void at_another_rate_it_is_late_by_the_latency(void** state)
{
  (void)state;
  maudio_generator* g = NULL;
  assert_int_equal(maudio_generator_new(model, &g, NULL), 0);
  maudio_generator_reset(g, 7);
  maudio_generator_run(g, made, N / 3);
  SRC_DATA data = {.data_in       = made,
                   .data_out      = again,
                   .input_frames  = N / 3,
                   .output_frames = N,
                   .src_ratio     = 3.0};
  assert_int_equal(src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1), 0);

  voice* const v = make(48000.0);
  voice_start(v, 7);
  run(v, out, N, 0);
  const size_t latency = voice_latency(v);
  assert_in_range(latency, 48, 240); // 1 to 5 ms
  // Before it begins the filter rings, and the end is that of a cut signal
  for (size_t i = 0; i < (size_t)N - 2000; ++i) {
    assert_true(fabsf(out[i + latency] - again[i]) < 1e-5f);
  }
  for (size_t i = 0; i + 150 < latency; ++i) {
    assert_true(out[i] == 0.0f);
  }
  voice_free(v);
  maudio_generator_free(g);
}

static void blocks_do_not_matter(void** state)
{
  (void)state;
  for (size_t r = 0; r < N_RATES; ++r) {
    voice* const v = make(rates[r]);
    voice_start(v, 3);
    run(v, out, 6000, 6000);
    voice_start(v, 3);
    run(v, again, 6000, 0);
    assert_memory_equal(out, again, 6000 * sizeof *out);
    voice_start(v, 3);
    run(v, again, 3000, 1);
    assert_memory_equal(out, again, 3000 * sizeof *out);
    voice_start(v, 4);
    run(v, again, 6000, 64);
    assert_memory_not_equal(out, again, 6000 * sizeof *out);
    voice_free(v);
  }
}

static void it_knows_whether_it_was_started(void** state)
{
  (void)state;
  voice* const v = make(48000.0);
  assert_false(voice_is_started(v));
  voice_start(v, 1);
  assert_true(voice_is_started(v));
  voice_stop(v);
  assert_false(voice_is_started(v));
  voice_free(v);
}

static void other_rates_are_refused_with_a_sentence(void** state)
{
  (void)state;
  static const double bad[] = {0, 7999, 192001, -48000, NAN};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
    voice*       v     = NULL;
    maudio_error error = {.message = ""};
    assert_int_equal(voice_new(model, bad[i], &v, &error), MAUDIO_ERR_BAD_ARG);
    assert_null(v);
    assert_non_null(strstr(error.message, "Sample rate"));
  }
}

/// All that the audio thread calls
static void play(void* user)
{
  voice* const v = (voice*)user;
  for (unsigned i = 0; i < 20; ++i) {
    voice_set(v, MAUDIO_PARAM_TEMPERATURE, (float)i / 10.0f);
    voice_set(v, MAUDIO_PARAM_TOP_P, (float)i / 20.0f);
    if (i % 3 == 0) {
      voice_start(v, i);
    }
    voice_run(v, out, (size_t)i * 64);
    voice_stop(v);
    voice_latency(v);
  }
}

static void it_neither_allocates_nor_calls_the_system(void** state)
{
  (void)state;
  for (size_t r = 0; r < N_RATES; ++r) {
    voice* const v = make(rates[r]);
    rt_guard_enter();
    play(v);
    assert_int_equal(rt_guard_leave(), 0);
    const no_syscalls_result result = no_syscalls(play, v);
    assert_true(result == NO_SYSCALLS_DONE ||
                result == NO_SYSCALLS_UNSUPPORTED);
    voice_free(v);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(at_its_own_rate_it_is_the_generator),
    cmocka_unit_test(at_another_rate_it_is_late_by_the_latency),
    cmocka_unit_test(blocks_do_not_matter),
    cmocka_unit_test(it_knows_whether_it_was_started),
    cmocka_unit_test(other_rates_are_refused_with_a_sentence),
    cmocka_unit_test(it_neither_allocates_nor_calls_the_system),
  };
  return cmocka_run_group_tests(tests, open_model, close_model);
}

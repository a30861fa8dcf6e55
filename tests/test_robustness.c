/* What a host may do to an effect, and what must not come of it. */
#include "golden.h"
#include "network.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define RATE_HZ 48000.0
#define N_FRAMES 48000U

/// Two streams of different models, and an effect that plays the first
typedef struct {
  maudio_model*  models[2];
  maudio_stream* streams[2];
  maudio_effect* effect;
} player;

static player make_player(const char* name, double rate_hz)
{
  player p = {.models = {network_open(name), network_open("whole")}};
  for (size_t i = 0; i < 2; ++i) {
    p.streams[i] = network_stream(p.models[i], rate_hz, 1);
  }
  if (maudio_effect_new(rate_hz, 1, p.streams[0], &p.effect, NULL)) {
    fail_msg("No effect");
  }
  return p;
}

static void clear(const player* p)
{
  maudio_effect_free(p->effect);
  for (size_t i = 0; i < 2; ++i) {
    maudio_stream_free(p->streams[i]);
    maudio_model_free(p->models[i]);
  }
}

static void process(const player* p, const float* in, float* out, size_t n)
{
  maudio_effect_process(p->effect, &in, &out, n);
}

/// Sizes of blocks, one after the other and again
typedef struct {
  size_t n;
  size_t sizes[6];
} block_sizes;

/// Process with changes at frames that no size divides
static float* run_with_changes(const float* in, const block_sizes* blocks)
{
  static const struct {
    size_t       end;
    maudio_param param;
    float        value;
  } changes[] = {{1234, MAUDIO_PARAM_STRENGTH, 0.25f},
                 {1500, MAUDIO_PARAM_OUTPUT_GAIN_DB, -7.0f},
                 {9001, MAUDIO_PARAM_MAX_ATTENUATION_DB, 10.0f},
                 {9002, MAUDIO_PARAM_MIX, 0.8f},
                 {14000, MAUDIO_PARAM_ENABLED, 0.0f},
                 {16000, MAUDIO_PARAM_STRENGTH, 1.0f},
                 {16007, MAUDIO_PARAM_ENABLED, 1.0f},
                 {30000, MAUDIO_PARAM_MIX, 1.0f},
                 {30001, MAUDIO_PARAM_OUTPUT_GAIN_DB, 0.0f},
                 {N_FRAMES, MAUDIO_PARAM_STRENGTH, 1.0f}};

  float* const out  = network_floats(N_FRAMES);
  const player p    = make_player("bands", RATE_HZ);
  size_t       next = 0;
  size_t       done = 0;
  maudio_effect_set(p.effect, MAUDIO_PARAM_STRENGTH, 0.5f);
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; ++i) {
    while (done < changes[i].end) {
      const size_t left = changes[i].end - done;
      const size_t size = blocks->sizes[next++ % blocks->n];
      const size_t n    = size < left ? size : left;
      process(&p, in + done, out + done, n);
      done += n;
    }
    maudio_effect_set(p.effect, changes[i].param, changes[i].value);
    if (i % 3 == 0) { // The stream changes as well: settles, fades, is taken
      maudio_stream* const old = maudio_effect_retired(p.effect);
      if (i == 0 || old) {
        assert_null(maudio_effect_play(p.effect, old ? old : p.streams[1]));
      }
    }
  }
  clear(&p);
  return out;
}

static void block_sizes_do_not_change_a_bit(void** state)
{
  (void)state;
  static const block_sizes all   = {1, {N_FRAMES}};
  static const block_sizes cut[] = {{5, {0, 1, 17, 8192, 0}},
                                    {1, {1}},
                                    {1, {64}},
                                    {2, {255, 257}},
                                    {6, {8192, 17, 0, 1, 480, 3}}};

  float* const in    = network_signal(N_FRAMES, RATE_HZ, 1);
  float* const whole = run_with_changes(in, &all);
  for (size_t i = 0; i < sizeof cut / sizeof cut[0]; ++i) {
    float* const out = run_with_changes(in, &cut[i]);
    for (size_t at = 0; at < N_FRAMES; ++at) {
      if (memcmp(&out[at], &whole[at], sizeof *out) != 0) {
        fail_msg("Frame %zu differs in blocks %zu", at, i);
      }
    }
    free(out);
  }
  free(whole);
  free(in);
}

/// Median of the CPU time that blocks of a hop take
static double time_of_blocks(const player* p, const float* in, float* out)
{
  enum { block = 384, n_blocks = N_FRAMES / block };
  double times[n_blocks] = {0};
  for (size_t i = 0; i < n_blocks; ++i) {
    struct timespec from;
    struct timespec to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    process(p, in + i * block, out + i * block, block);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    const double time = (double)(to.tv_sec - from.tv_sec) +
                        1e-9 * (double)(to.tv_nsec - from.tv_nsec);
    size_t at = i;
    for (; at && times[at - 1] > time; --at) {
      times[at] = times[at - 1];
    }
    times[at] = time;
  }
  return times[n_blocks / 2];
}

/// Compare loud blocks with those of a tail of `level`
static void check_tail(const char* name, float strength, float level)
{
  const player p    = make_player(name, RATE_HZ);
  float* const loud = network_signal(N_FRAMES, RATE_HZ, 2);
  float* const tail = network_signal(N_FRAMES, RATE_HZ, 3);
  float* const out  = network_floats(N_FRAMES);
  for (size_t i = 0; i < N_FRAMES; ++i) {
    tail[i] *= level;
  }
  maudio_effect_set(p.effect, MAUDIO_PARAM_STRENGTH, strength);
  maudio_effect_set(p.effect, MAUDIO_PARAM_OUTPUT_GAIN_DB, -3.0f);
  double ratio = INFINITY;
  for (unsigned attempt = 0; attempt < 4 && ratio > 2.0; ++attempt) {
    const double before = time_of_blocks(&p, loud, out);
    ratio               = time_of_blocks(&p, tail, out) / before;
    for (size_t i = 0; i < N_FRAMES; ++i) {
      assert_true(fpclassify(out[i]) != FP_SUBNORMAL);
    }
  }
  print_message("%s, strength %g, tail of %g: time x %.2f\n", name,
                (double)strength, (double)level, ratio);
  assert_true(ratio < 2.0);
  clear(&p);
  free(out);
  free(tail);
  free(loud);
}

static void denormals_neither_slow_it_nor_leave(void** state)
{
  (void)state;
  static const float levels[] = {1e-37f, 1e-38f, 1e-41f, 0.0f};
  for (size_t i = 0; i < sizeof levels / sizeof levels[0]; ++i) {
    check_tail("bands", 1.0f, levels[i]);
    check_tail("filter", 1.0f, levels[i]);
    check_tail("ahead", 1.0f, levels[i]);
    check_tail("whole", 0.5f, levels[i]);
    check_tail("whole", 0.0f, levels[i]);
    check_tail("steer", 1.0f, levels[i]);
  }
}

/// Process with a burst from frame 20000 on, in a change of the stream or not
static float* run_with_burst(const float* in, bool with_change)
{
  const player p   = make_player("bands", RATE_HZ);
  float* const out = network_floats(N_FRAMES);
  process(&p, in, out, 17000);
  if (with_change) {
    assert_null(maudio_effect_play(p.effect, p.streams[1]));
  }
  for (size_t i = 17000; i < N_FRAMES; i += 100) {
    process(&p, in + i, out + i, 100);
    assert_true(maudio_effect_reduction_db(p.effect) >= 0.0f);
  }
  clear(&p);
  for (size_t i = 0; i < N_FRAMES; ++i) {
    assert_true(isfinite(out[i]));
  }
  return out;
}

static void fill(float* x, size_t n, const float* values, size_t n_values)
{
  for (size_t i = 0; i < n; ++i) {
    x[20000 + i] = values[i % n_values];
  }
}

static void bursts_of_no_numbers_are_silence(void** state)
{
  (void)state;
  static const float  silence[] = {0.0f};
  static const float  bad[]     = {NAN, INFINITY, -INFINITY, -NAN};
  static const size_t lengths[] = {1, 384, 5000};
  float* const        in        = network_signal(N_FRAMES, RATE_HZ, 4);
  for (size_t i = 0; i < 3; ++i) {
    for (unsigned change = 0; change < 2; ++change) {
      fill(in, lengths[i], silence, 1);
      float* const expected = run_with_burst(in, change);
      fill(in, lengths[i], bad, 4);
      float* const out = run_with_burst(in, change);
      assert_memory_equal(out, expected, N_FRAMES * sizeof *out);
      free(out);
      free(expected);
    }
  }
  free(in);
}

static void it_gets_over_huge_samples(void** state)
{
  (void)state;
  static const float silence[] = {0.0f};
  static const float huge[]    = {FLT_MAX, -FLT_MAX, 1e20f};
  float* const       in        = network_signal(N_FRAMES, RATE_HZ, 5);
  for (unsigned change = 0; change < 2; ++change) {
    fill(in, 1000, silence, 1);
    float* const expected = run_with_burst(in, change);
    fill(in, 1000, huge, 3);
    float* const out = run_with_burst(in, change);
    golden_compare("after huge samples", out + 42000, expected + 42000, 6000,
                   0.01f);
    free(out);
    free(expected);
  }
  free(in);
}

static void another_rate_is_a_new_stream(void** state)
{
  (void)state;
  static const double rates[] = {48000, 44100, 96000, 8000, 192000, 48000};
  maudio_model* const model   = network_open("bands");
  float* const        in      = network_signal(N_FRAMES, RATE_HZ, 6);
  float* const        out     = network_floats(N_FRAMES);
  float* const        alone   = network_floats(N_FRAMES);
  for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r) {
    maudio_stream* const stream = network_stream(model, rates[r], 1);
    maudio_stream* const other  = network_stream(model, rates[r], 1);
    maudio_effect*       effect = NULL;
    assert_int_equal(maudio_effect_new(rates[r], 1, stream, &effect, NULL),
                     MAUDIO_SUCCESS);
    maudio_effect_process(effect, (const float* const*)&in, &out, N_FRAMES);
    maudio_stream_process(other, (const float* const*)&in, &alone, N_FRAMES);
    assert_memory_equal(out, alone, N_FRAMES * sizeof *out);
    assert_int_equal(maudio_effect_latency(effect),
                     maudio_stream_latency(other));
    maudio_effect_free(effect);
    maudio_stream_free(other);
    maudio_stream_free(stream);
  }
  free(alone);
  free(out);
  free(in);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(block_sizes_do_not_change_a_bit),
    cmocka_unit_test(denormals_neither_slow_it_nor_leave),
    cmocka_unit_test(bursts_of_no_numbers_are_silence),
    cmocka_unit_test(it_gets_over_huge_samples),
    cmocka_unit_test(another_rate_is_a_new_stream)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

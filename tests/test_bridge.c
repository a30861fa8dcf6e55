#include "bridge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_BLOCK 4096
#define SINE_HZ 440.0
#define LEVEL 0.5
#define TAU 6.28318530717958648

/// A sine that goes through a bridge between two clocks
typedef struct {
  bridge*  b;
  double   in_hz;
  double   out_hz;
  double   ppm;      ///< How much faster the writer's clock is
  double   jitter_s; ///< Most that a callback is late
  size_t   in_block;
  size_t   out_block;
  double   written; ///< Frames
  double   played;  ///< Frames
  double   in_late_s;
  double   out_late_s;
  double   pause_in_s;  ///< The writer does nothing from here
  double   resume_in_s; ///< to here
  unsigned seed;
  float    last[2];  ///< Samples that were played last
  double   roughest; ///< Greatest second difference of what was played
  double   loudest;
} passage;

static double late(passage* p)
{
  p->seed = p->seed * 1664525U + 1013904223U;
  return p->jitter_s * (double)(p->seed >> 8) / 16777216.0;
}

static void set_up(passage* p)
{
  p->b = bridge_new(p->in_hz, p->out_hz, 2, 0.008);
  assert_non_null(p->b);
}

static double write_time(const passage* p)
{
  return (p->written + (double)p->in_block) /
         (p->in_hz * (1.0 + 1e-6 * p->ppm));
}

static void write_block(passage* p, double now_s)
{
  static float left[MAX_BLOCK];
  static float right[MAX_BLOCK];
  for (size_t i = 0; i < p->in_block; ++i) {
    const double at = (p->written + (double)i) / p->in_hz;
    left[i]         = (float)(LEVEL * sin(TAU * SINE_HZ * at));
    right[i]        = -left[i];
  }
  const float* const channels[] = {left, right};
  if (write_time(p) < p->pause_in_s || write_time(p) >= p->resume_in_s) {
    bridge_write(p->b, channels, p->in_block, now_s);
  }
  p->written += (double)p->in_block;
  p->in_late_s = late(p);
}

static void read_block(passage* p, double now_s)
{
  static float samples[2][MAX_BLOCK];
  float* const channels[] = {samples[0], samples[1]};
  const float* left       = samples[0];
  bridge_read(p->b, channels, p->out_block, now_s);
  for (size_t i = 0; i < p->out_block; ++i) {
    assert_true(left[i] == -samples[1][i]);
    p->loudest  = fmax(p->loudest, fabs((double)left[i]));
    p->roughest = fmax(
      p->roughest, fabs((double)(left[i] - 2.0F * p->last[0] + p->last[1])));
    p->last[1] = p->last[0];
    p->last[0] = left[i];
  }
  p->played += (double)p->out_block;
  p->out_late_s = late(p);
}

/// Let time pass, until `end_s` on the clock of the reader
static void run(passage* p, double end_s)
{
  while (p->played / p->out_hz < end_s) {
    const double in_s  = write_time(p) + p->in_late_s;
    const double out_s = p->played / p->out_hz + p->out_late_s;
    if (in_s < out_s) {
      write_block(p, in_s);
    } else {
      read_block(p, out_s);
    }
  }
}

static bridge_reading look(const passage* p)
{
  bridge_reading reading;
  bridge_read_state(p->b, &reading);
  return reading;
}

/// Greatest second difference of the sine, with some tolerance
static double smooth(double rate_hz)
{
  const double step = TAU * SINE_HZ / rate_hz;
  return 1.1 * LEVEL * step * step;
}

static void check_passage(passage p)
{
  set_up(&p);
  p.resume_in_s = 0.0;
  run(&p, 4.0);
  const bridge_reading first = look(&p);
  assert_true(first.playing);
  p.roughest = 0.0;
  p.loudest  = 0.0;
  run(&p, 30.0);
  const bridge_reading last = look(&p);
  assert_true(last.playing);
  assert_int_equal(last.n_underruns, 0);
  assert_int_equal(last.n_overflows, 0);
  assert_int_equal(last.n_jumps, 0);
  // The delay that was chosen is what the blocks and the jitter need
  const double need_s = (double)p.in_block / p.in_hz +
                        (double)p.out_block / p.out_hz + 2.0 * p.jitter_s;
  assert_true(last.target_s < need_s + 0.012);
  assert_true(last.target_s == first.target_s);
  assert_true(fabs(last.delay_s - last.target_s) < 0.0025);
  assert_true(fabs(p.loudest - LEVEL) < 0.002);
  assert_true(p.roughest < smooth(p.out_hz));
  bridge_free(p.b);
}

static void a_sine_passes_without_a_click(void** state)
{
  (void)state;
  check_passage((passage){.in_hz     = 48000.0,
                          .out_hz    = 48000.0,
                          .ppm       = 250.0,
                          .jitter_s  = 0.003,
                          .in_block  = 256,
                          .out_block = 256});
  check_passage((passage){.in_hz     = 48000.0,
                          .out_hz    = 48000.0,
                          .ppm       = -250.0,
                          .in_block  = 480,
                          .out_block = 128});
  check_passage((passage){.in_hz     = 48000.0,
                          .out_hz    = 48000.0,
                          .jitter_s  = 0.001,
                          .in_block  = 64,
                          .out_block = 3000});
}

static void devices_may_have_different_rates(void** state)
{
  (void)state;
  check_passage((passage){.in_hz     = 16000.0,
                          .out_hz    = 44100.0,
                          .ppm       = 100.0,
                          .jitter_s  = 0.002,
                          .in_block  = 160,
                          .out_block = 441});
}

static void it_recovers_after_the_input_paused(void** state)
{
  (void)state;
  passage p = {.in_hz       = 48000.0,
               .out_hz      = 48000.0,
               .jitter_s    = 0.002,
               .in_block    = 256,
               .out_block   = 256,
               .pause_in_s  = 6.0,
               .resume_in_s = 7.0};
  set_up(&p);
  run(&p, 5.0);
  const double target_s = look(&p).target_s;
  p.roughest            = 0.0;
  run(&p, 6.9);
  assert_false(look(&p).playing);
  assert_int_equal(look(&p).n_underruns, 1);
  run(&p, 20.0);
  const bridge_reading last = look(&p);
  assert_true(last.playing);
  assert_int_equal(last.n_underruns, 1);
  assert_true(last.target_s == target_s);
  assert_true(fabs(last.delay_s - target_s) < 0.001);
  // Neither the end nor the beginning is a click: a step would be LEVEL
  assert_true(p.roughest < 0.05 * LEVEL);
  bridge_free(p.b);
}

static void it_recovers_after_the_output_paused(void** state)
{
  (void)state;
  passage p = {.in_hz     = 48000.0,
               .out_hz    = 48000.0,
               .jitter_s  = 0.002,
               .in_block  = 256,
               .out_block = 256};
  set_up(&p);
  run(&p, 5.0);
  const double target_s = look(&p).target_s;
  p.roughest            = 0.0;
  // The reader stands still for three seconds: its clock goes on
  for (const double end = p.written + 3.0 * p.in_hz; p.written < end;) {
    write_block(&p, write_time(&p));
  }
  p.played += 3.0 * p.out_hz;
  run(&p, 20.0);
  const bridge_reading last = look(&p);
  assert_true(last.playing);
  assert_true(last.n_overflows > 0);
  assert_int_equal(last.n_jumps, 1);
  assert_int_equal(last.n_underruns, 0);
  assert_true(last.target_s == target_s);
  assert_true(fabs(last.delay_s - target_s) < 0.001);
  assert_true(p.roughest < 0.05 * LEVEL);
  bridge_free(p.b);
}

static double random_s(unsigned* seed, double most_s)
{
  *seed = *seed * 1664525U + 1013904223U;
  return most_s * (double)(*seed >> 8) / 16777216.0;
}

/// Both clocks are off by `ppm` from that which tells when callbacks come
static void check_every_bit(double ppm, double jitter_s, unsigned seed)
{
  bridge* const b = bridge_new(48000.0, 48000.0, 1, 0.008);
  assert_non_null(b);
  const size_t n       = 480;
  size_t       n_heard = 0;
  float        before  = 0.0F;
  for (int i = 0; i < 1000; ++i) {
    float        block[480];
    const float* in[]  = {block};
    float*       out[] = {block};
    const double now_s = (double)(i + 1) * (double)n / 48000.0;
    const double at_s  = now_s * (1.0 + 1e-6 * ppm);
    for (size_t k = 0; k < n; ++k) {
      block[k] = (float)((size_t)i * n + k) / 8388608.0F;
    }
    bridge_write(b, in, n, at_s + random_s(&seed, jitter_s));
    bridge_read(b, out, n, at_s + 0.004 + random_s(&seed, jitter_s));
    if (now_s < 1.55) {
      before = block[n - 1]; // It listens, and fades in
      continue;
    }
    for (size_t k = 0; k < n; ++k) {
      assert_true(block[k] == before + 1.0F / 8388608.0F);
      before = block[k];
      ++n_heard;
    }
  }
  assert_true(n_heard > 800 * n);
  bridge_free(b);
}

static void equal_clocks_pass_every_bit(void** state)
{
  (void)state;
  check_every_bit(0.0, 0.001, 1);
  for (unsigned seed = 0; seed < 40; ++seed) {
    check_every_bit(-550.0, 0.0012, 1000 * seed);
    check_every_bit(550.0, 0.0004, 1000 * seed);
  }
}

/// A writer that is late once leaves a gap, and the delay as it is
static void a_short_hold_up_keeps_its_place(void** state)
{
  (void)state;
  passage p = {.in_hz     = 48000.0,
               .out_hz    = 48000.0,
               .jitter_s  = 0.001,
               .in_block  = 96,
               .out_block = 96};
  set_up(&p);
  run(&p, 5.0);
  const double target_s = look(&p).target_s;
  p.in_late_s += 0.05;
  p.roughest = 0.0;
  run(&p, 8.0);
  const bridge_reading last = look(&p);
  assert_true(last.playing);
  assert_int_equal(last.n_underruns, 1);
  assert_int_equal(last.n_jumps, 0);
  assert_true(fabs(last.target_s - target_s) < 1e-9);
  assert_true(fabs(last.delay_s - target_s) < 0.0002);
  assert_true(p.roughest < 0.1 * LEVEL);
  bridge_free(p.b);
}

static void without_a_writer_there_is_silence(void** state)
{
  (void)state;
  passage p = {.in_hz       = 48000.0,
               .out_hz      = 48000.0,
               .in_block    = 256,
               .out_block   = 256,
               .pause_in_s  = 0.0,
               .resume_in_s = 1e9};
  set_up(&p);
  run(&p, 5.0);
  assert_true(p.loudest == 0.0);
  assert_int_equal(look(&p).n_underruns, 0);
  bridge_free(p.b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_sine_passes_without_a_click),
    cmocka_unit_test(devices_may_have_different_rates),
    cmocka_unit_test(it_recovers_after_the_input_paused),
    cmocka_unit_test(it_recovers_after_the_output_paused),
    cmocka_unit_test(equal_clocks_pass_every_bit),
    cmocka_unit_test(a_short_hold_up_keeps_its_place),
    cmocka_unit_test(without_a_writer_there_is_silence),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

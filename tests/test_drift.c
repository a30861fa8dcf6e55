#include "drift.h"
#include "timeline.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define RATE_HZ 48000.0
#define TARGET_S 0.020
#define AWAY_S 0.0002

/// How long devices are watched before the delay is kept
#define LISTENING_S 1.5

/// Two devices with clocks of their own, and callbacks that come late
typedef struct {
  double   ppm;        ///< How much faster the writer's clock is
  double   wander_ppm; ///< By how much that changes, over ten minutes
  double   jitter_s;   ///< Most that a callback is late
  size_t   in_block;   ///< Frames of a callback
  size_t   out_block;  ///< As `in_block`
  bool     is_varied;  ///< Callbacks of the reader have 1 to 2 * out_block - 1
  double   step_at_s;  ///< When the reader's device plays silence,
  double   step_s;     ///< for so long
  uint32_t seed;
  double   written;  ///< Frames
  double   position; ///< Frames read
  double   in_s;     ///< When the next block is written
  double   played;   ///< Frames that the reader's device asked for
  timeline came;     ///< Of the writer
  timeline asked;    ///< Of the reader
} devices;

/// What came of it
typedef struct {
  double worst_s;         ///< Greatest error of the true delay
  double worst_settled_s; ///< As `worst_s`, after the first two minutes
  double mean_settled_s;  ///< Mean error after that
  double away_s;          ///< When the true delay was last off by AWAY_S
  double fastest_ppm_s;   ///< Greatest change of speed in a second
  double last_ppm;
} outcome;

static double uniform(devices* d)
{
  d->seed = d->seed * 1664525U + 1013904223U;
  return (double)(d->seed >> 8) / 16777216.0;
}

/// Frames that the writer's clock has given by then
static double true_written(const devices* d, double now_s)
{
  const double turn = 2.0 * 3.14159265358979 / 600.0;
  return RATE_HZ * (now_s * (1.0 + 1e-6 * d->ppm) +
                    1e-6 * d->wander_ppm * (1.0 - cos(turn * now_s)) / turn);
}

static void write_until(devices* d, double now_s)
{
  while (d->in_s <= now_s) {
    d->written += (double)d->in_block;
    timeline_update(&d->came, d->in_s - d->written / RATE_HZ,
                    (double)d->in_block / RATE_HZ);
    // When the next block is full, by the clock of the writer
    double full_s = d->in_s;
    for (int i = 0; i < 3; ++i) {
      full_s +=
        (d->written + (double)d->in_block - true_written(d, full_s)) / RATE_HZ;
    }
    d->in_s = fmax(d->in_s, full_s + d->jitter_s * uniform(d));
  }
}

/// The reader is asked for a block: return the delay as the bridge sees it
static double see_delay(devices* d, double now_s, double length_s)
{
  const double late_s   = d->jitter_s * uniform(d);
  const double played_s = d->played / RATE_HZ;
  write_until(d, now_s + late_s);
  timeline_update(&d->asked, now_s + late_s - played_s - length_s, length_s);
  return d->asked.origin_s + played_s - d->came.origin_s -
         d->position / RATE_HZ;
}

static outcome run(devices* d, double duration_s)
{
  drift   control      = {0};
  outcome out          = {0};
  double  now_s        = 0.0;
  double  n_settled    = 0.0;
  double  second_s     = 0.0;
  double  second_speed = 1.0;
  double  start_s      = 0.0;
  d->position          = -TARGET_S * RATE_HZ;
  d->in_s              = (double)d->in_block / RATE_HZ / (1.0 + 1e-6 * d->ppm);
  while (now_s < duration_s) {
    const size_t most = 2 * d->out_block - 1;
    const size_t n =
      d->is_varied ? 1 + (size_t)(uniform(d) * (double)most) : d->out_block;
    const double length_s = (double)n / RATE_HZ;
    now_s += length_s; // Then the device has room for the block
    if (d->step_s > 0.0 && now_s >= d->step_at_s) {
      now_s += d->step_s;
      d->step_s = 0.0;
    }
    const double delay_s = see_delay(d, now_s, length_s);
    const bool   listens = now_s < LISTENING_S;
    double       speed   = 1.0;
    if (listens) {
      drift_start(&control, delay_s);
    } else {
      speed = drift_update(&control, delay_s, length_s);
    }
    d->position += (double)n * speed;
    d->played += (double)n;

    const double true_s = (true_written(d, now_s) - d->position) / RATE_HZ;
    if (listens) {
      start_s = true_s;
    }
    const double error_s = true_s - start_s;
    out.worst_s          = fmax(out.worst_s, fabs(error_s));
    if (fabs(error_s) > AWAY_S) {
      out.away_s = now_s;
    }
    if (now_s > 120.0) {
      out.worst_settled_s = fmax(out.worst_settled_s, fabs(error_s));
      out.mean_settled_s += error_s;
      n_settled += 1.0;
    }
    if (now_s - second_s >= 1.0) {
      out.fastest_ppm_s =
        fmax(out.fastest_ppm_s,
             1e6 * fabs(speed - second_speed) / (now_s - second_s));
      second_s     = now_s;
      second_speed = speed;
    }
    out.last_ppm = 1e6 * (speed - 1.0);
  }
  out.mean_settled_s /= n_settled;
  return out;
}

static void
check(devices d, double duration_s, double most_s, double most_settled_s)
{
  d.seed            = 1;
  const outcome out = run(&d, duration_s);
  print_message("%+.0f ppm, %zu and %zu frames, jitter %g ms: off by at most "
                "%.2f ms, settled %.2f ms, mean %.3f ms, %.1f ppm/s\n",
                d.ppm, d.in_block, d.out_block, 1e3 * d.jitter_s,
                1e3 * out.worst_s, 1e3 * out.worst_settled_s,
                1e3 * out.mean_settled_s, out.fastest_ppm_s);
  assert_true(out.worst_s < most_s);
  assert_true(out.worst_settled_s < most_settled_s);
  assert_true(out.fastest_ppm_s < 1.1 * DRIFT_MAX_PPM_PER_S);
  if (d.wander_ppm == 0.0) {
    assert_true(fabs(out.last_ppm - d.ppm) < 40.0);
  }
}

static void an_hour_of_drift_leaves_the_delay(void** state)
{
  (void)state;
  check((devices){.ppm = 300.0, .in_block = 256, .out_block = 256}, 3600.0,
        0.002, 0.0001);
  check((devices){.ppm       = -300.0,
                  .jitter_s  = 0.004,
                  .in_block  = 480,
                  .out_block = 256,
                  .is_varied = true},
        3600.0, 0.002, 0.0003);
  check((devices){.ppm       = 300.0,
                  .jitter_s  = 0.004,
                  .in_block  = 64,
                  .out_block = 1024,
                  .is_varied = true},
        3600.0, 0.002, 0.0006);
}

static void clocks_that_wander_are_followed(void** state)
{
  (void)state;
  check((devices){.ppm        = 50.0,
                  .wander_ppm = 50.0,
                  .jitter_s   = 0.002,
                  .in_block   = 256,
                  .out_block  = 256},
        3600.0, 0.001, 0.0003);
}

static void equal_clocks_are_left_alone(void** state)
{
  (void)state;
  devices       d   = {.jitter_s  = 0.002,
                       .in_block  = 96,
                       .out_block = 96,
                       .is_varied = true,
                       .seed      = 1};
  const outcome out = run(&d, 600.0);
  assert_true(out.worst_s < 1e-9);
  assert_true(out.last_ppm == 0.0);
}

/// A server that was held up plays silence, and all that follows is later
static void a_step_is_undone(void** state)
{
  (void)state;
  const double ppm[]     = {0.0, 200.0, -200.0};
  const double jitters[] = {0.0, 0.001, 0.004};
  for (size_t i = 0; i < 9; ++i) {
    devices       d   = {.ppm       = ppm[i % 3],
                         .jitter_s  = jitters[i / 3],
                         .in_block  = 96,
                         .out_block = 240,
                         .step_at_s = 200.0,
                         .step_s    = 0.005,
                         .seed      = 1};
    const outcome out = run(&d, 600.0);
    print_message("%+.0f ppm, jitter %g ms: %.2f ms, back after %.1f s\n",
                  d.ppm, 1e3 * d.jitter_s, 1e3 * out.worst_settled_s,
                  out.away_s - 200.0);
    assert_true(out.worst_settled_s > 0.0045);
    assert_true(out.worst_settled_s < 0.0055);
    assert_true(out.away_s > 200.0);
    assert_true(out.away_s < 240.0);
    assert_true(out.fastest_ppm_s < 1.1 * DRIFT_MAX_PPM_PER_S);
  }
}

static void a_wild_measurement_does_not_throw_it(void** state)
{
  (void)state;
  drift control = {0};
  drift_start(&control, TARGET_S);
  double before = 1.0;
  for (int i = 0; i < 200000; ++i) {
    const double delay_s = i % 1000 < 100 ? 1.0 : -1.0;
    const double speed   = drift_update(&control, delay_s, 0.005);
    assert_true(fabs(speed - 1.0) <= 1.001e-6 * DRIFT_MAX_PPM);
    assert_true(fabs(speed - before) <= 1.001e-6 * DRIFT_MAX_PPM_PER_S * 0.005);
    before = speed;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_hour_of_drift_leaves_the_delay),
    cmocka_unit_test(clocks_that_wander_are_followed),
    cmocka_unit_test(equal_clocks_are_left_alone),
    cmocka_unit_test(a_step_is_undone),
    cmocka_unit_test(a_wild_measurement_does_not_throw_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "drift.h"

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

/// Two devices with clocks of their own, and callbacks that come late
typedef struct {
  double   ppm;        ///< How much faster the writer's clock is
  double   wander_ppm; ///< By how much that changes, over ten minutes
  double   jitter_s;   ///< Most that a callback is late
  size_t   in_block;   ///< Frames of a callback
  size_t   out_block;  ///< As `in_block`
  bool     is_varied;  ///< Callbacks of the reader have 1 to 2 * out_block - 1
  uint32_t seed;
  double   written;  ///< Frames
  double   position; ///< Frames read
  double   in_s;     ///< When the next block is written
  double   origin_s; ///< As the bridge counts: when frame 0 was written
} devices;

/// What came of it
typedef struct {
  double worst_s;         ///< Greatest error of the true delay
  double worst_settled_s; ///< As `worst_s`, after the first two minutes
  double mean_settled_s;  ///< Mean error after that
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
    d->origin_s = d->in_s - d->written / RATE_HZ;
    // When the next block is full, by the clock of the writer
    double full_s = d->in_s;
    for (int i = 0; i < 3; ++i) {
      full_s +=
        (d->written + (double)d->in_block - true_written(d, full_s)) / RATE_HZ;
    }
    d->in_s = fmax(d->in_s, full_s + d->jitter_s * uniform(d));
  }
}

static outcome run(devices* d, double duration_s)
{
  drift control = {0};
  drift_start(&control, TARGET_S);
  outcome out          = {0};
  double  now_s        = 0.0;
  double  n_settled    = 0.0;
  double  second_s     = 0.0;
  double  second_speed = 1.0;
  d->position          = -TARGET_S * RATE_HZ;
  write_until(d, 0.0);
  while (now_s < duration_s) {
    const double late_s = d->jitter_s * uniform(d);
    size_t       n      = d->out_block;
    if (d->is_varied) {
      n = 1 + (size_t)(uniform(d) * (double)(2 * d->out_block - 1));
    }
    const double length_s = (double)n / RATE_HZ;
    write_until(d, now_s + late_s);
    const double delay_s = now_s + late_s - d->origin_s - d->position / RATE_HZ;
    const double speed   = drift_update(&control, delay_s, length_s);

    const double error_s =
      (true_written(d, now_s) - d->position) / RATE_HZ - TARGET_S;
    out.worst_s = fmax(out.worst_s, fabs(error_s));
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
    d->position += (double)n * speed;
    now_s += length_s;
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
  // The true delay is off by the mean jitter of the reader as well
  check((devices){.ppm = 300.0, .in_block = 256, .out_block = 256}, 3600.0,
        0.002, 0.0002);
  check((devices){.ppm       = -300.0,
                  .jitter_s  = 0.004,
                  .in_block  = 480,
                  .out_block = 256,
                  .is_varied = true},
        3600.0, 0.004, 0.001);
  check((devices){.ppm       = 300.0,
                  .jitter_s  = 0.004,
                  .in_block  = 64,
                  .out_block = 1024,
                  .is_varied = true},
        3600.0, 0.004, 0.001);
}

static void clocks_that_wander_are_followed(void** state)
{
  (void)state;
  check((devices){.ppm        = 50.0,
                  .wander_ppm = 50.0,
                  .jitter_s   = 0.002,
                  .in_block   = 256,
                  .out_block  = 256},
        3600.0, 0.002, 0.0005);
}

static void equal_clocks_stay_as_they_are(void** state)
{
  (void)state;
  check((devices){.in_block = 128, .out_block = 512}, 600.0, 0.0001, 0.0001);
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
    cmocka_unit_test(equal_clocks_stay_as_they_are),
    cmocka_unit_test(a_wild_measurement_does_not_throw_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

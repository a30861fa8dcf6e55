#include "drift.h"

#include <math.h>

/// Natural frequency of the loop, in radians per second, and its damping
#define LOOP_RAD_S 0.1
#define DAMPING 1.2

/// Time constant of the smoothing, short beside that of the loop
#define SMOOTHING_S 1.0

/// An error that is greater says no more about the drift: it is a step
#define STEP_S 0.0003

/// Speed that is off from the wanted one by more is held back
#define HELD_BACK 50e-6

/// A rest ends where the delay is off by more, and begins where, for so long,
/// delay and drift were off by less
#define ROUSING_S 0.00015
#define RESTING_S 0.00003
#define RESTING 3e-6
#define CALM_S 5.0

static double limit(double value, double bound)
{
  return fmax(-bound, fmin(bound, value));
}

void drift_start(drift* d, double target_s)
{
  d->target_s   = target_s;
  d->smoothed_s = target_s;
  d->settled_s  = 0.0;
  d->speed      = d->integral;
}

/// Begin or end a rest
static void rest(drift* d, double error_s, double elapsed_s)
{
  if (!d->steers) {
    d->steers = fabs(error_s) > ROUSING_S;
    d->calm_s = 0.0;
    return;
  }
  const bool is_calm = fabs(error_s) < RESTING_S &&
                       fabs(d->integral) < RESTING && fabs(d->speed) < RESTING;
  d->calm_s = is_calm ? d->calm_s + elapsed_s : 0.0;
  if (d->calm_s > CALM_S) {
    d->steers   = false;
    d->integral = 0.0;
    d->speed    = 0.0;
  }
}

double drift_update(drift* d, double delay_s, double elapsed_s)
{
  // A plain mean until there is as much as the smoothing remembers
  d->settled_s       = fmin(d->settled_s + elapsed_s, SMOOTHING_S);
  const double share = fmin(1.0, elapsed_s / fmax(d->settled_s, elapsed_s));
  d->smoothed_s += share * (delay_s - d->smoothed_s);

  const double error_s = d->smoothed_s - d->target_s;
  rest(d, error_s, elapsed_s);
  if (!d->steers) {
    return 1.0;
  }
  const double most   = DRIFT_MAX_PPM * 1e-6;
  const double step   = DRIFT_MAX_PPM_PER_S * 1e-6 * elapsed_s;
  const double wanted = d->integral + 2.0 * DAMPING * LOOP_RAD_S * error_s;
  d->speed += limit(limit(wanted, most) - d->speed, step);

  // While the speed is held back, the integral would only wind up
  if (fabs(wanted - d->speed) < HELD_BACK) {
    d->integral += LOOP_RAD_S * LOOP_RAD_S * limit(error_s, STEP_S) * elapsed_s;
    d->integral = limit(d->integral, most);
  }
  return 1.0 + d->speed;
}

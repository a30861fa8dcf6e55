#include "drift.h"

#include <math.h>

/// Natural frequency of the loop, in radians per second
#define LOOP_RAD_S 0.1

/// Time constant of the smoothing, short beside that of the loop
#define SMOOTHING_S 1.5

/// Speed that is off from the wanted one by more is held back
#define HELD_BACK 50e-6

static double limit(double value, double bound)
{
  return fmax(-bound, fmin(bound, value));
}

void drift_start(drift* d, double target_s)
{
  d->target_s   = target_s;
  d->smoothed_s = target_s;
  d->settled_s  = 0.0;
}

double drift_update(drift* d, double delay_s, double elapsed_s)
{
  // A plain mean until there is as much as the smoothing remembers
  d->settled_s       = fmin(d->settled_s + elapsed_s, SMOOTHING_S);
  const double share = fmin(1.0, elapsed_s / fmax(d->settled_s, elapsed_s));
  d->smoothed_s += share * (delay_s - d->smoothed_s);

  const double most   = DRIFT_MAX_PPM * 1e-6;
  const double step   = DRIFT_MAX_PPM_PER_S * 1e-6 * elapsed_s;
  const double error  = d->smoothed_s - d->target_s;
  const double wanted = limit(d->integral + 2.0 * LOOP_RAD_S * error, most);
  d->speed += limit(wanted - d->speed, step);

  // While the speed is held back, the integral would only wind up
  if (fabs(wanted - d->speed) < HELD_BACK) {
    d->integral += LOOP_RAD_S * LOOP_RAD_S * error * elapsed_s;
    d->integral = limit(d->integral, most);
  }
  return 1.0 + d->speed;
}

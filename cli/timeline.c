#include "timeline.h"

#include <math.h>

/// Length of a window: frames that a device lost are seen after one or two
#define WINDOW_S 1.0

/// What is later by more is no lateness: the device stood still
#define STOOD_S 0.1

void timeline_update(timeline* t, double origin_s, double elapsed_s)
{
  if (!t->begun || origin_s > t->origin_s + STOOD_S) {
    *t = (timeline){origin_s, origin_s, origin_s, 0.0, true};
  }
  if (t->elapsed_s >= WINDOW_S) {
    t->before_s  = t->now_s;
    t->now_s     = origin_s;
    t->elapsed_s = 0.0;
  }
  t->now_s = fmin(t->now_s, origin_s);
  t->elapsed_s += elapsed_s;
  t->origin_s = fmin(t->before_s, t->now_s);
}

#include "clock.h"

#include <time.h>

double clock_now_s(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_add(double* sum_s, double* since_s)
{
  const double now = clock_now_s();
  *sum_s += now - *since_s;
  *since_s = now;
}

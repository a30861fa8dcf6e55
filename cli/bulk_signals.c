#include "bulk_signals.h"

#include <string.h>

/// Take one out of those that wait
static maudio_cuda_signal* take_out(bulk_signals* s, size_t i)
{
  maudio_cuda_signal* const signal = s->spare[i].signal;
  memmove(s->spare + i, s->spare + i + 1,
          (--s->n_spare - i) * sizeof(spare_signal));
  return signal;
}

maudio_status bulk_signals_take(bulk_signals*        s,
                                int                  rate_hz,
                                unsigned             n_channels,
                                maudio_cuda_signal** signal,
                                maudio_error*        error)
{
  for (size_t i = 0; i < s->n_spare; ++i) {
    if (s->spare[i].rate_hz == rate_hz &&
        s->spare[i].n_channels == n_channels) {
      *signal = take_out(s, i);
      s->api->signal_reset(*signal);
      return MAUDIO_SUCCESS;
    }
  }
  return s->api->signal_new(s->engine, rate_hz, n_channels,
                            s->settings->strength,
                            s->settings->max_attenuation_db, signal, error);
}

void bulk_signals_give_back(bulk_signals* s, spare_signal signal)
{
  if (s->n_spare == BULK_MAX_SPARE) {
    s->api->signal_free(take_out(s, 0));
  }
  s->spare[s->n_spare++] = signal;
}

void bulk_signals_clear(bulk_signals* s)
{
  while (s->n_spare) {
    s->api->signal_free(take_out(s, 0));
  }
}

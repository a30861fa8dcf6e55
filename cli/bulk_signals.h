/** @file
 * Signals of a GPU, used again for file after file; by the thread of the GPU.
 */
#ifndef CLI_BULK_SIGNALS_H
#define CLI_BULK_SIGNALS_H

#include "cuda_device.h"
#include "denoiser.h"

#include <stddef.h>

/// Signals that wait to be used again
#define BULK_MAX_SPARE 64

typedef struct {
  maudio_cuda_signal* signal;
  int                 rate_hz;
  unsigned            n_channels;
} spare_signal;

typedef struct {
  const cuda_api*         api;
  maudio_cuda_engine*     engine;
  const denoise_settings* settings;
  spare_signal            spare[BULK_MAX_SPARE]; ///< Oldest first
  size_t                  n_spare;
} bulk_signals;

/// Take a signal that has heard nothing
maudio_status bulk_signals_take(bulk_signals*        s,
                                int                  rate_hz,
                                unsigned             n_channels,
                                maudio_cuda_signal** signal,
                                maudio_error*        error);

/// Give a signal back, which no batch under way holds
void bulk_signals_give_back(bulk_signals* s, spare_signal signal);

/// Free those that wait
void bulk_signals_clear(bulk_signals* s);

#endif /* CLI_BULK_SIGNALS_H */

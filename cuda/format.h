/** @file
 * What slices of one sample rate share: tables and transforms.
 */
#ifndef MAUDIO_FORMAT_H
#define MAUDIO_FORMAT_H

#include "device_memory.h"
#include "front.h"

#include <cufft.h>

/// Frames that are transformed at once
#ifndef GPU_FFT_ROWS
#  define GPU_FFT_ROWS 4096
#endif

typedef struct gpu_format gpu_format;

struct gpu_format {
  gpu_format*  next;
  double       rate_hz;
  gpu_spectral spectral;
  gpu_arena    arena;
  bool         has_plans;
  cufftHandle  forward; ///< GPU_FFT_ROWS of (n_fft) -> (J)
  cufftHandle  inverse;
};

/// Make the tables of a rate from 8000 to 192000 Hz; transforms go to `stream`
maudio_status gpu_format_new(const maudio_spectral_config* config,
                             double                        rate_hz,
                             cudaStream_t                  stream,
                             gpu_format**                  format,
                             maudio_error*                 error);

/// Free a format. NULL is fine
void gpu_format_free(gpu_format* format);

#endif /* MAUDIO_FORMAT_H */

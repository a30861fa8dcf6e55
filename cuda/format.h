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
  size_t       n_phases; ///< Of models that steer, else 0
  gpu_spectral spectral;
  gpu_arena    arena;
  bool         has_plans;
  cufftHandle  forward; ///< GPU_FFT_ROWS of (n_fft) -> (J)
  cufftHandle  inverse;
};

/// Return the rate that tables are made for: with models that steer the nearest
/// multiple of theirs
double gpu_format_rate(const maudio_config* config, double rate_hz);

/// Make the tables of a rate; transforms go to `stream`
maudio_status gpu_format_new(const maudio_config* config,
                             double               rate_hz,
                             cudaStream_t         stream,
                             gpu_format**         format,
                             maudio_error*        error);

/// Free a format. NULL is fine
void gpu_format_free(gpu_format* format);

#endif /* MAUDIO_FORMAT_H */

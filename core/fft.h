/** @file
 * Transforms of real signals: of our kernels where the size allows, elsewhere
 * of KissFFT, which takes several times as long.
 */
#ifndef MAUDIO_FFT_H
#define MAUDIO_FFT_H

#include "carver.h"
#include "kernels.h"

#include <kiss_fftr.h>
#include <stdbool.h>
#include <stddef.h>

#define MAUDIO_PI 3.14159265358979323846

typedef struct {
  size_t                size; ///< Samples, which maudio_fft_takes()
  const maudio_kernels* kernels;
  maudio_fft_plan       plan; ///< No stages: KissFFT
  float*                tables;
  kiss_fftr_cfg         forward;
  kiss_fftr_cfg         inverse;
} maudio_fft;

/// Whether there is a transform of `size` samples that takes no memory: they
/// are even, their factors 2, 3, 5 and, where our kernels take them, 11
bool maudio_fft_takes(size_t size);

/// Choose what transforms `size` samples, which the size alone decides
void maudio_fft_choose(maudio_fft* fft, size_t size);

/// Take memory for what was chosen
void maudio_fft_carve(maudio_fft* fft, maudio_carver* carver);

/// Fill the tables
void maudio_fft_init(maudio_fft* fft);

/// time (size) -> spectrum (size / 2 + 1)
void maudio_fft_forward(const maudio_fft* fft,
                        const float*      time,
                        kiss_fft_cpx*     spectrum);

/// spectrum (size / 2 + 1) -> time (size), times the size; the imaginary parts
/// of the first and last bins count as 0
void maudio_fft_inverse(const maudio_fft*   fft,
                        const kiss_fft_cpx* spectrum,
                        float*              time);

#endif /* MAUDIO_FFT_H */

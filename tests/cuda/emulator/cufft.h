/** @file
 * As much of cuFFT as the engine calls, by KissFFT.
 */
#ifndef EMULATOR_CUFFT_H
#define EMULATOR_CUFFT_H

#include "cuda_runtime_api.h"

#include <kiss_fftr.h>

typedef struct emulator_fft {
  kiss_fftr_cfg config;
  int           n_rows;
  int           in_distance;
  int           out_distance;
} * cufftHandle;

typedef enum { CUFFT_SUCCESS, CUFFT_ALLOC_FAILED = 2 } cufftResult;
typedef enum { CUFFT_R2C, CUFFT_C2R } cufftType;
typedef float cufftReal;

typedef struct {
  float x;
  float y;
} cufftComplex;

cufftResult cufftPlanMany(cufftHandle* plan,
                          int          rank,
                          int*         n,
                          int*         in_embed,
                          int          in_stride,
                          int          in_distance,
                          int*         out_embed,
                          int          out_stride,
                          int          out_distance,
                          cufftType    type,
                          int          n_rows);
cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream);
cufftResult cufftExecR2C(cufftHandle plan, cufftReal* in, cufftComplex* out);
cufftResult cufftExecC2R(cufftHandle plan, cufftComplex* in, cufftReal* out);
cufftResult cufftDestroy(cufftHandle plan);

#endif /* EMULATOR_CUFFT_H */

/* The CUDA runtime and cuFFT on the CPU */
#define _POSIX_C_SOURCE 200809L
#include "cuda_runtime_api.h"
#include "cufft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cudaError_t cudaGetDeviceCount(int* n)
{
  *n = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device)
{
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device)
{
  struct cudaDeviceProp p;
  const cudaError_t     result = cudaGetDeviceProperties(&p, device);
  *value                       = which == cudaDevAttrMultiProcessorCount
                                   ? p.multiProcessorCount
                                   : (int)p.sharedMemPerBlockOptin;
  return result;
}

cudaError_t cudaSetDevice(int device)
{
  return device ? cudaErrorInvalidDevice : cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp* p, int device)
{
  *p = (struct cudaDeviceProp){"CPU", 9, 0, 1, 227 * 1024};
  return cudaSetDevice(device);
}

const char* cudaGetErrorString(cudaError_t error)
{
  return error == cudaErrorMemoryAllocation ? "out of memory" : "an error";
}

cudaError_t cudaGetLastError(void)
{
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total)
{
  *free = *total = (size_t)256 << 20;
  return cudaSuccess;
}

/// Filled with bytes that show when they are read before they are written
cudaError_t cudaMalloc(void** p, size_t size)
{
  *p = aligned_alloc(256, (size + 255) / 256 * 256);
  if (*p) {
    memset(*p, 0xFF, size);
  }
  return *p ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t cudaFree(void* p)
{
  free(p);
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** p, size_t size, cudaStream_t stream)
{
  (void)stream;
  return cudaMalloc(p, size);
}

cudaError_t cudaFreeAsync(void* p, cudaStream_t stream)
{
  (void)stream;
  return cudaFree(p);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device)
{
  *pool = NULL;
  return cudaSetDevice(device);
}

cudaError_t
cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr which, void* value)
{
  (void)pool;
  (void)which;
  (void)value;
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** p, size_t size, unsigned flags)
{
  (void)flags;
  return cudaMalloc(p, size);
}

cudaError_t cudaFreeHost(void* p)
{
  return cudaFree(p);
}

cudaError_t
cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind kind)
{
  (void)kind;
  memcpy(to, from, size);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void*          to,
                            const void*    from,
                            size_t         size,
                            cudaMemcpyKind kind,
                            cudaStream_t   stream)
{
  (void)stream;
  return cudaMemcpy(to, from, size, kind);
}

cudaError_t
cudaMemsetAsync(void* p, int value, size_t size, cudaStream_t stream)
{
  (void)stream;
  memset(p, value, size);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags)
{
  (void)flags;
  *stream = NULL;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
  (void)stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
  (void)stream;
  return cudaSuccess;
}

cudaError_t
cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  (void)stream;
  (void)event;
  (void)flags;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags)
{
  (void)flags;
  *event = NULL;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
  (void)event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
  (void)event;
  (void)stream;
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
  (void)event;
  return cudaSuccess;
}

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
                          int          n_rows)
{
  (void)rank;
  (void)in_embed;
  (void)in_stride;
  (void)out_embed;
  (void)out_stride;
  cufftHandle made = malloc(sizeof *made);
  if (!made) {
    return CUFFT_ALLOC_FAILED;
  }
  *made = (struct emulator_fft){
    .config       = kiss_fftr_alloc(n[0], type == CUFFT_C2R, NULL, NULL),
    .n_rows       = n_rows,
    .in_distance  = in_distance,
    .out_distance = out_distance};
  *plan = made;
  return made->config ? CUFFT_SUCCESS : CUFFT_ALLOC_FAILED;
}

cufftResult cufftSetStream(cufftHandle plan, cudaStream_t stream)
{
  (void)plan;
  (void)stream;
  return CUFFT_SUCCESS;
}

cufftResult cufftExecR2C(cufftHandle plan, cufftReal* in, cufftComplex* out)
{
  for (int r = 0; r < plan->n_rows; ++r) {
    kiss_fftr(plan->config, in + r * (ptrdiff_t)plan->in_distance,
              (kiss_fft_cpx*)(out + r * (ptrdiff_t)plan->out_distance));
  }
  return CUFFT_SUCCESS;
}

cufftResult cufftExecC2R(cufftHandle plan, cufftComplex* in, cufftReal* out)
{
  for (int r = 0; r < plan->n_rows; ++r) {
    kiss_fftri(plan->config,
               (kiss_fft_cpx*)(in + r * (ptrdiff_t)plan->in_distance),
               out + r * (ptrdiff_t)plan->out_distance);
  }
  return CUFFT_SUCCESS;
}

cufftResult cufftDestroy(cufftHandle plan)
{
  kiss_fftr_free(plan->config);
  free(plan);
  return CUFFT_SUCCESS;
}

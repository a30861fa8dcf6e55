/** @file
 * As much of the CUDA runtime as the engine calls, on the CPU: everything
 * happens at once and in order.
 */
#ifndef EMULATOR_CUDA_RUNTIME_API_H
#define EMULATOR_CUDA_RUNTIME_API_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct __attribute__((aligned(8))) {
  float x;
  float y;
} float2;

typedef struct __attribute__((aligned(16))) {
  float x;
  float y;
  float z;
  float w;
} float4;

typedef enum {
  cudaSuccess                 = 0,
  cudaErrorMemoryAllocation   = 2,
  cudaErrorInvalidDevice      = 101,
  cudaErrorNoDevice           = 100,
  cudaErrorInsufficientDriver = 35
} cudaError_t;

typedef enum {
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice
} cudaMemcpyKind;

typedef enum { cudaMemPoolAttrReleaseThreshold } cudaMemPoolAttr;

typedef struct emulator_stream* cudaStream_t;
typedef struct emulator_event*  cudaEvent_t;
typedef struct emulator_pool*   cudaMemPool_t;

struct cudaDeviceProp {
  char   name[256];
  int    major;
  int    minor;
  int    multiProcessorCount;
  size_t sharedMemPerBlockOptin;
};

#define cudaStreamNonBlocking 1
#define cudaEventDisableTiming 2
#define cudaHostAllocDefault 0

typedef enum {
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrMaxSharedMemoryPerBlockOptin
} cudaDeviceAttr;

cudaError_t cudaGetDeviceCount(int* n);
cudaError_t cudaGetDevice(int* device);
cudaError_t
cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp* p, int device);
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError(void);
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMalloc(void** p, size_t size);
cudaError_t cudaFree(void* p);
cudaError_t cudaMallocAsync(void** p, size_t size, cudaStream_t stream);
cudaError_t cudaFreeAsync(void* p, cudaStream_t stream);
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int device);
cudaError_t
cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr which, void* value);
cudaError_t cudaHostAlloc(void** p, size_t size, unsigned flags);
cudaError_t cudaFreeHost(void* p);
cudaError_t
cudaMemcpy(void* to, const void* from, size_t size, cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync(void*          to,
                            const void*    from,
                            size_t         size,
                            cudaMemcpyKind kind,
                            cudaStream_t   stream);
cudaError_t
cudaMemsetAsync(void* p, int value, size_t size, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t
cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

#ifdef __cplusplus
}
#endif

#endif /* EMULATOR_CUDA_RUNTIME_API_H */

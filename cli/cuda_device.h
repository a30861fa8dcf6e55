/** @file
 * The GPUs that `maudio process` may use, through a library that is loaded when
 * they are asked for.
 */
#ifndef CLI_CUDA_DEVICE_H
#define CLI_CUDA_DEVICE_H

#include "maudio_cuda.h"

#include <stdbool.h>
#include <stddef.h>

/// Most GPUs of a run
#define CUDA_MAX_DEVICES 16

typedef enum {
  DEVICE_AUTO, ///< A GPU if there is one and the work is worth it
  DEVICE_CPU,
  DEVICE_CUDA
} device_kind;

/// What --device asks for
typedef struct {
  device_kind kind;
  size_t      n_ids; ///< 0: all that there are
  int         ids[CUDA_MAX_DEVICES];
} device_choice;

/// The functions of maudio_cuda.h
typedef struct {
  __typeof__(maudio_cuda_count)*          count;
  __typeof__(maudio_cuda_open)*           open;
  __typeof__(maudio_cuda_close)*          close;
  __typeof__(maudio_cuda_get_info)*       get_info;
  __typeof__(maudio_cuda_buffer)*         buffer;
  __typeof__(maudio_cuda_buffer_free)*    buffer_free;
  __typeof__(maudio_cuda_signal_new)*     signal_new;
  __typeof__(maudio_cuda_signal_free)*    signal_free;
  __typeof__(maudio_cuda_signal_reset)*   signal_reset;
  __typeof__(maudio_cuda_signal_latency)* signal_latency;
  __typeof__(maudio_cuda_signal_hop)*     signal_hop;
  __typeof__(maudio_cuda_submit)*         submit;
  __typeof__(maudio_cuda_wait)*           wait;
} cuda_api;

/// GPUs with a model on each
typedef struct {
  void*               library;
  cuda_api            api;
  size_t              n;
  int                 ids[CUDA_MAX_DEVICES];
  maudio_cuda_engine* engines[CUDA_MAX_DEVICES];
} cuda_devices;

/// Read the argument of --device: auto, cpu, cuda, cuda:N or cuda:N,N...; or
/// complain and return false
bool device_read(const char* text, device_choice* choice);

/// Read the argument of --precision, or complain and return false
bool precision_read(const char* text, maudio_cuda_precision* precision);

/// Return the name of a precision
const char* precision_name(maudio_cuda_precision precision);

/**
 * Load the library and find the GPUs that are asked for.
 *
 * @param[out] error Filled on failure: why there are none.
 */
maudio_status cuda_devices_find(cuda_devices*        devices,
                                const device_choice* choice,
                                maudio_error*        error);

/// Put a model onto each of them, or onto none
maudio_status cuda_devices_open(cuda_devices*         devices,
                                const char*           model_path,
                                maudio_cuda_precision precision,
                                maudio_error*         error);

/// Describe GPUs that are open, such as "cuda:0,1 (2x NVIDIA H200)"
void cuda_devices_describe(const cuda_devices* devices,
                           char*               text,
                           size_t              size);

/// Close what is open. One of zeros is fine
void cuda_devices_close(cuda_devices* devices);

#endif /* CLI_CUDA_DEVICE_H */

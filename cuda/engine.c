#include "engine.h"

#include "error.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Oldest GPUs that have the instructions of the products
#define LEAST_MAJOR 8

/// Most hops of a batch: minutes of audio fill any GPU
#define MAX_BATCH_HOPS ((size_t)1 << 16)
#define MIN_BATCH_HOPS ((size_t)64)

/// Of an engine, of a slot
#define N_STREAMS 3
#define N_EVENTS 3

maudio_status maudio_cuda_count(int* n_devices, maudio_error* error)
{
  *n_devices               = 0;
  const cudaError_t result = cudaGetDeviceCount(n_devices);
  if (result == cudaErrorNoDevice ||
      (result == cudaSuccess && *n_devices == 0)) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "No NVIDIA GPU in this machine");
  }
  if (result == cudaErrorInsufficientDriver) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "No driver for an NVIDIA GPU, or one too old for this "
                       "build");
  }
  return gpu_check(result, "looking for GPUs", error);
}

maudio_status gpu_engine_use(const maudio_cuda_engine* e, maudio_error* error)
{
  return gpu_check(cudaSetDevice(e->device), "choosing it", error);
}

static maudio_status read_device(maudio_cuda_engine* e, maudio_error* error)
{
  int           n_devices = 0;
  maudio_status status    = maudio_cuda_count(&n_devices, error);
  if (status) {
    return status;
  }
  if (e->device < 0 || e->device >= n_devices) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "GPU %d asked for, there %s %d, counted from 0",
                       e->device, n_devices == 1 ? "is" : "are", n_devices);
  }
  struct cudaDeviceProp properties;
  status = gpu_check(cudaGetDeviceProperties(&properties, e->device),
                     "asking what it is", error);
  if (status) {
    return status;
  }
  if (properties.major < LEAST_MAJOR) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "GPU %d, %s, is of compute capability %d.%d, at least "
                       "%d.0 is needed",
                       e->device, properties.name, properties.major,
                       properties.minor, LEAST_MAJOR);
  }
  snprintf(e->info.name, sizeof e->info.name, "%.127s", properties.name);
  e->n_processors = properties.multiProcessorCount;
  return gpu_engine_use(e, error);
}

static maudio_status bind_weights(maudio_cuda_engine*   e,
                                  maudio_weights*       weights,
                                  const char*           label,
                                  maudio_cuda_precision precision,
                                  maudio_error*         error)
{
  const char* const json = maudio_weights_metadata(weights, "maudio");
  if (!json) {
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: No 'maudio' in its metadata, not a maudio model",
                       maudio_path_tail(label));
  }
  maudio_status status = maudio_config_parse(json, label, &e->config, error);
  if (status) {
    return status;
  }
  if (e->config.task != MAUDIO_TASK_DENOISE) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "%s: Model '%s' does not run on the GPU, only denoisers "
                       "do",
                       maudio_path_tail(label), e->config.name);
  }
  if (e->config.steer.n_gains) {
    status = gpu_steer_new(&e->config, weights, precision, &e->steer, error);
  }
  return status ? status
                : gpu_network_new(&e->config, weights, precision, e->steer,
                                  &e->network, error);
}

static maudio_status read_model(maudio_cuda_engine*   e,
                                const char*           path,
                                maudio_cuda_precision precision,
                                maudio_error*         error)
{
  void*           data    = NULL;
  size_t          size    = 0;
  maudio_weights* weights = NULL;
  maudio_status   status  = maudio_file_read(path, &data, &size, error);
  if (!status) {
    status = maudio_weights_open(data, size, path, &weights, error);
  }
  if (!status) {
    status = bind_weights(e, weights, path, precision, error);
  }
  maudio_weights_free(weights);
  free(data);
  return status;
}

static maudio_status make_streams(maudio_cuda_engine* e, maudio_error* error)
{
  cudaStream_t* const streams[N_STREAMS] = {&e->to_gpu, &e->compute,
                                            &e->from_gpu};
  cudaError_t         result             = cudaSuccess;
  for (size_t i = 0; !result && i < N_STREAMS; ++i) {
    result = cudaStreamCreateWithFlags(streams[i], cudaStreamNonBlocking);
  }
  for (size_t i = 0; i < GPU_SLOTS; ++i) {
    cudaEvent_t* const events[N_EVENTS] = {
      &e->slots[i].copied, &e->slots[i].computed, &e->slots[i].done};
    for (size_t j = 0; !result && j < N_EVENTS; ++j) {
      result = cudaEventCreateWithFlags(events[j], cudaEventDisableTiming);
    }
  }
  // Signals come and go: their memory is kept
  cudaMemPool_t pool  = NULL;
  uint64_t      bytes = UINT64_MAX;
  if (!result) {
    result = cudaDeviceGetDefaultMemPool(&pool, e->device);
  }
  if (!result) {
    result =
      cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &bytes);
  }
  return gpu_check(result, "making streams", error);
}

/// Choose how large batches are: half of the memory may be taken
static maudio_status choose_sizes(maudio_cuda_engine* e, maudio_error* error)
{
  size_t              free_bytes = 0;
  size_t              all_bytes  = 0;
  const maudio_status status     = gpu_check(
        cudaMemGetInfo(&free_bytes, &all_bytes), "asking for its memory", error);
  const maudio_spectral_config* c = &e->config.spectral;
  // Spectra, tails and samples of a hop at 48 kHz, that is three times 16 kHz
  const double hop      = c->hop_ms * 48.0;
  const double n_floats = c->window_ms * 48.0 + 2 * hop + GPU_SLOTS * 2 * hop;
  const size_t n_steer = e->steer ? (size_t)hop + gpu_steer_gains(e->steer) : 0;
  const size_t bytes =
    gpu_network_frame_bytes(e->network) + sizeof(gpu_high) +
    sizeof(float) * (gpu_network_features(e->network) +
                     gpu_network_out(e->network) + (size_t)n_floats + n_steer);
  // The fast network of models that steer goes through a batch in rounds
  const size_t n_fast =
    e->steer ? gpu_steer_choose_rows(e->steer, free_bytes / 8) : 0;
  const size_t n_left = free_bytes / 2 > n_fast ? free_bytes / 2 - n_fast : 0;
  size_t       n      = n_left / bytes;
  n                   = n < MAX_BATCH_HOPS ? n : MAX_BATCH_HOPS;
  n                   = n > MIN_BATCH_HOPS ? n : MIN_BATCH_HOPS;
  e->info.slice_hops  = n;
  e->info.batch_hops  = n;
  e->info.n_in_flight = GPU_SLOTS;
  return status;
}

maudio_status maudio_cuda_open(const char*           path,
                               int                   device,
                               maudio_cuda_precision precision,
                               maudio_cuda_engine**  engine,
                               maudio_error*         error)
{
  *engine                     = NULL;
  maudio_cuda_engine* const e = (maudio_cuda_engine*)calloc(1, sizeof *e);
  if (!e) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for an engine");
  }
  e->device            = device;
  maudio_status status = read_device(e, error);
  if (status) {
    free(e);
    return status;
  }
  status = make_streams(e, error);
  if (!status) {
    status = read_model(e, path, precision, error);
  }
  if (!status) {
    status = choose_sizes(e, error);
  }
  if (status) {
    maudio_cuda_close(e);
    return status;
  }
  *engine = e;
  return MAUDIO_SUCCESS;
}

static void free_slot(gpu_slot* slot)
{
  gpu_buffer_clear(&slot->in);
  gpu_buffer_clear(&slot->out);
  gpu_buffer_clear(&slot->plan);
  cudaFreeHost(slot->host_plan);
  cudaEvent_t const events[N_EVENTS] = {slot->copied, slot->computed,
                                        slot->done};
  for (size_t i = 0; i < N_EVENTS; ++i) {
    if (events[i]) {
      cudaEventDestroy(events[i]);
    }
  }
}

void maudio_cuda_close(maudio_cuda_engine* e)
{
  if (!e) {
    return;
  }
  cudaSetDevice(e->device);
  cudaStream_t const streams[N_STREAMS] = {e->to_gpu, e->compute, e->from_gpu};
  for (size_t i = 0; i < N_STREAMS; ++i) {
    if (streams[i]) {
      cudaStreamSynchronize(streams[i]);
      cudaStreamDestroy(streams[i]);
    }
  }
  for (size_t i = 0; i < GPU_SLOTS; ++i) {
    free_slot(&e->slots[i]);
  }
  while (e->formats) {
    gpu_format* const format = e->formats;
    e->formats               = format->next;
    gpu_format_free(format);
  }
  gpu_buffer_clear(&e->spectra);
  gpu_buffer_clear(&e->tails);
  gpu_buffer_clear(&e->features);
  gpu_buffer_clear(&e->mask);
  gpu_buffer_clear(&e->high);
  gpu_buffer_clear(&e->time);
  gpu_buffer_clear(&e->masked);
  gpu_buffer_clear(&e->z);
  gpu_network_free(e->network);
  gpu_steer_free(e->steer);
  maudio_config_clear(&e->config);
  free(e);
}

void maudio_cuda_get_info(const maudio_cuda_engine* engine,
                          maudio_cuda_info*         info)
{
  *info = engine->info;
}

maudio_status maudio_cuda_buffer(maudio_cuda_engine* engine,
                                 size_t              n_floats,
                                 float**             buffer,
                                 maudio_error*       error)
{
  void*         memory = NULL;
  maudio_status status = gpu_engine_use(engine, error);
  if (!status) {
    status = gpu_check(cudaHostAlloc(&memory,
                                     (n_floats ? n_floats : 1) * sizeof(float),
                                     cudaHostAllocDefault),
                       "page-locked memory", error);
  }
  *buffer = (float*)memory;
  return status;
}

void maudio_cuda_buffer_free(maudio_cuda_engine* engine, float* buffer)
{
  cudaSetDevice(engine->device);
  cudaFreeHost(buffer);
}

maudio_status maudio_cuda_wait(maudio_cuda_engine* engine,
                               uint64_t            ticket,
                               maudio_error*       error)
{
  if (ticket >= engine->n_tickets) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Batch %llu has not been submitted",
                       (unsigned long long)ticket);
  }
  // A slot that has been taken since then: its batch had ended by that time
  if (ticket + GPU_SLOTS < engine->n_tickets) {
    return MAUDIO_SUCCESS;
  }
  const maudio_status status = gpu_engine_use(engine, error);
  return status ? status
                : gpu_check(cudaEventSynchronize(
                              engine->slots[ticket % GPU_SLOTS].done),
                            "computing", error);
}

#include "engine.h"

#include "error.h"
#include "file.h"

#include <math.h>
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

/// As in core/stream.c
#define MAX_ATTENUATION_DB 100.0f

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

/// Make this engine's GPU the one that calls of this thread are about
static maudio_status use(const maudio_cuda_engine* e, maudio_error* error)
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
  return use(e, error);
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
  if (e->config.task != MAUDIO_TASK_DENOISE || e->config.steer.n_gains) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "%s: Model '%s' does not run on the GPU, only denoisers "
                       "with a mask do",
                       maudio_path_tail(label), e->config.name);
  }
  return gpu_network_new(&e->config, weights, precision, &e->network, error);
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
  const size_t bytes =
    gpu_network_frame_bytes(e->network) +
    sizeof(float) * (gpu_network_features(e->network) +
                     gpu_network_mask(e->network) + (size_t)n_floats);
  size_t n            = free_bytes / 2 / bytes;
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
  if (!status) {
    status = make_streams(e, error);
  }
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
  gpu_buffer_clear(&e->time);
  gpu_buffer_clear(&e->masked);
  gpu_network_free(e->network);
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
  maudio_status status = use(engine, error);
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

/// Find the tables of a rate, or make them
static maudio_status find_format(maudio_cuda_engine* e,
                                 double              rate_hz,
                                 gpu_format**        format,
                                 maudio_error*       error)
{
  for (*format = e->formats; *format; *format = (*format)->next) {
    if ((*format)->rate_hz == rate_hz) {
      return MAUDIO_SUCCESS;
    }
  }
  const maudio_status status =
    gpu_format_new(&e->config.spectral, rate_hz, e->compute, format, error);
  if (!status) {
    (*format)->next = e->formats;
    e->formats      = *format;
  }
  return status;
}

/// Take the state of a signal from the GPU's memory
static maudio_status take_state(maudio_cuda_signal* s, maudio_error* error)
{
  const gpu_spectral* f         = &s->format->spectral;
  const size_t        n_network = gpu_network_state(s->engine->network);
  const size_t        n_channel = (size_t)f->n_past + 2 * (size_t)f->hop;
  s->size = (n_network + s->n_channels * n_channel) * sizeof(float);
  const maudio_status status =
    gpu_check(cudaMallocAsync(&s->state, s->size, s->engine->compute),
              "memory for a signal", error);
  if (status) {
    return status;
  }
  for (unsigned c = 0; c < s->n_channels; ++c) {
    float* const at = (float*)s->state + n_network + c * n_channel;
    s->channels[c]  = (gpu_channel){
       .past = at, .wet = at + f->n_past, .overlap = at + f->n_past + f->hop};
  }
  maudio_cuda_signal_reset(s);
  return MAUDIO_SUCCESS;
}

maudio_status maudio_cuda_signal_new(maudio_cuda_engine*  engine,
                                     double               rate_hz,
                                     unsigned             n_channels,
                                     float                strength,
                                     float                max_attenuation_db,
                                     maudio_cuda_signal** signal,
                                     maudio_error*        error)
{
  *signal = NULL;
  if (!(rate_hz >= MAUDIO_MIN_RATE_HZ && rate_hz <= MAUDIO_MAX_RATE_HZ)) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Sample rate %g Hz is not in %d to %d Hz", rate_hz,
                       MAUDIO_MIN_RATE_HZ, MAUDIO_MAX_RATE_HZ);
  }
  if (n_channels < 1 || n_channels > MAUDIO_MAX_CHANNELS) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "%u channels asked for, a signal has 1 or 2",
                       n_channels);
  }
  maudio_status status = use(engine, error);
  if (status) {
    return status;
  }
  maudio_cuda_signal* const s = (maudio_cuda_signal*)calloc(1, sizeof *s);
  if (!s) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for a signal");
  }
  s->engine     = engine;
  s->n_channels = n_channels;
  s->strength   = strength;
  s->floor      = max_attenuation_db <= 0.0f ? 1.0f
                  : max_attenuation_db >= MAX_ATTENUATION_DB
                    ? 0.0f
                    : powf(10.0f, -max_attenuation_db / 20.0f);
  status        = find_format(engine, rate_hz, &s->format, error);
  if (!status) {
    status = take_state(s, error);
  }
  if (status) {
    free(s);
    return status;
  }
  *signal = s;
  return MAUDIO_SUCCESS;
}

void maudio_cuda_signal_free(maudio_cuda_signal* signal)
{
  if (signal) {
    cudaSetDevice(signal->engine->device);
    cudaFreeAsync(signal->state, signal->engine->compute);
    free(signal);
  }
}

void maudio_cuda_signal_reset(maudio_cuda_signal* signal)
{
  cudaSetDevice(signal->engine->device);
  cudaMemsetAsync(signal->state, 0, signal->size, signal->engine->compute);
}

size_t maudio_cuda_signal_latency(const maudio_cuda_signal* signal)
{
  return 2 * (size_t)signal->format->spectral.hop;
}

size_t maudio_cuda_signal_hop(const maudio_cuda_signal* signal)
{
  return (size_t)signal->format->spectral.hop;
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
  const maudio_status status = use(engine, error);
  return status ? status
                : gpu_check(cudaEventSynchronize(
                              engine->slots[ticket % GPU_SLOTS].done),
                            "computing", error);
}

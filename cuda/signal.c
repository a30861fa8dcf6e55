#include "engine.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>

/// As in core/stream.c
#define MAX_ATTENUATION_DB 100.0f

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
  maudio_status status = gpu_engine_use(engine, error);
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

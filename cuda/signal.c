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
  rate_hz = gpu_format_rate(&e->config, rate_hz);
  for (*format = e->formats; *format; *format = (*format)->next) {
    if ((*format)->rate_hz == rate_hz) {
      return MAUDIO_SUCCESS;
    }
  }
  const maudio_status status =
    gpu_format_new(&e->config, rate_hz, e->compute, format, error);
  if (!status) {
    (*format)->next = e->formats;
    e->formats      = *format;
  }
  return status;
}

/// Hand out `n` floats of the state, which is only measured where it is NULL;
/// copies want addresses of multiples of 16
static float* take(const maudio_cuda_signal* s, size_t* at, size_t n)
{
  float* const piece = s->state ? (float*)s->state + *at : NULL;
  *at += (n + 3) / 4 * 4;
  return piece;
}

/// Floats of the spectra that are kept of a channel
static size_t count_kept(const gpu_spectral* front)
{
  return (size_t)2 * (size_t)front->kept_bins * (size_t)front->n_kept;
}

/// Divide the state, beginning with that of the network; return its floats
static size_t divide(maudio_cuda_signal* s)
{
  const gpu_steer*    steer = s->engine->steer;
  const gpu_format*   f     = s->format;
  const gpu_spectral* front = &f->spectral;
  const size_t        hop   = (size_t)front->hop;
  size_t              at    = 0;
  take(s, &at, gpu_network_state(s->engine->network));
  if (steer) {
    s->fast.controls =
      take(s, &at, GPU_PAST_CONTROLS * gpu_steer_control(steer));
  }
  if (!steer) {
    s->noise = (maudio_high_noise*)take(
      s, &at, MAUDIO_MAX_HIGH_BANDS * sizeof *s->noise / sizeof(float));
  }
  for (unsigned c = 0; c < s->n_channels; ++c) {
    s->channels[c].past = take(s, &at, (size_t)front->n_past);
    if (steer) {
      const gpu_fast sizes = gpu_steer_sizes(steer, f->n_phases);
      s->fast.past_z[c]    = take(s, &at, (size_t)sizes.n_past_z);
      s->fast.network[c]   = take(s, &at, gpu_steer_state(steer, f->n_phases));
    } else {
      s->channels[c].wet     = take(s, &at, hop);
      s->channels[c].overlap = take(s, &at, hop);
      s->channels[c].frames  = (float2*)take(s, &at, count_kept(front));
    }
  }
  return at;
}

/// Take the state of a signal from the GPU's memory
static maudio_status take_state(maudio_cuda_signal* s, maudio_error* error)
{
  s->size = divide(s) * sizeof(float);
  const maudio_status status =
    gpu_check(cudaMallocAsync(&s->state, s->size, s->engine->compute),
              "memory for a signal", error);
  if (!status) {
    divide(s);
    maudio_cuda_signal_reset(s);
  }
  return status;
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
  const maudio_cuda_engine* e = signal->engine;
  cudaMemsetAsync(signal->state, 0, signal->size, e->compute);
  if (e->steer) {
    cudaMemcpyAsync(signal->fast.controls, gpu_steer_absent(e->steer),
                    GPU_PAST_CONTROLS * gpu_steer_control(e->steer) *
                      sizeof(float),
                    cudaMemcpyDeviceToDevice, e->compute);
  }
}

size_t maudio_cuda_signal_latency(const maudio_cuda_signal* signal)
{
  return signal->engine->steer ? 0 : (size_t)signal->format->spectral.latency;
}

size_t maudio_cuda_signal_hop(const maudio_cuda_signal* signal)
{
  return (size_t)signal->format->spectral.hop;
}

#include "format.h"

#include "deep_filter.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// Put the tables of `host` on the GPU
static maudio_status
copy_tables(gpu_format* f, const maudio_spectral* host, maudio_error* error)
{
  gpu_spectral* const s = &f->spectral;
  const struct {
    const void*  data;
    size_t       size;
    const void** to;
  } tables[] = {
    {host->analysis, host->window * sizeof(float), (const void**)&s->analysis},
    {host->synthesis, 2 * host->hop * sizeof(float),
     (const void**)&s->synthesis},
    {host->sources, host->n_model_bins * sizeof *host->sources,
     (const void**)&s->sources},
    {host->masks, host->n_bins * sizeof *host->masks, (const void**)&s->masks},
    {host->turns,
     sizeof *host->turns * host->filter.n_bins * host->filter.n_delays,
     (const void**)&s->turns},
  };
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < sizeof tables / sizeof *tables; ++i) {
    status = gpu_arena_copy(&f->arena, tables[i].data, tables[i].size,
                            tables[i].to, error);
  }
  return status;
}

static maudio_status
make_tables(gpu_format* f, maudio_spectral* host, maudio_error* error)
{
  maudio_carver measure = {.base = NULL};
  maudio_spectral_carve(host, &measure);
  char* const memory = (char*)aligned_alloc(64, measure.size);
  if (!memory) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for tables of %g Hz", f->rate_hz);
  }
  memset(memory, 0, measure.size);
  maudio_carver carver = {.base = memory};
  maudio_spectral_carve(host, &carver);
  maudio_spectral_init(host);
  const maudio_status status = copy_tables(f, host, error);
  free(memory);
  return status;
}

static maudio_status
make_plans(gpu_format* f, cudaStream_t stream, maudio_error* error)
{
  int       n      = f->spectral.n_fft;
  const int n_bins = f->spectral.n_bins;
  if (cufftPlanMany(&f->forward, 1, &n, NULL, 1, n, NULL, 1, n_bins, CUFFT_R2C,
                    GPU_FFT_ROWS) != CUFFT_SUCCESS) {
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "GPU: cuFFT has no transform of %d samples", n);
  }
  if (cufftPlanMany(&f->inverse, 1, &n, NULL, 1, n_bins, NULL, 1, n, CUFFT_C2R,
                    GPU_FFT_ROWS) != CUFFT_SUCCESS) {
    cufftDestroy(f->forward);
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "GPU: cuFFT has no transform of %d samples", n);
  }
  f->has_plans = true;
  cufftSetStream(f->forward, stream);
  cufftSetStream(f->inverse, stream);
  return MAUDIO_SUCCESS;
}

/// The nearest multiple of the rate of the training
static size_t count_phases(const maudio_config* config, double rate_hz)
{
  const double nearest = round(rate_hz / config->spectral.rate_hz);
  return nearest > 1.0 ? (size_t)nearest : 1;
}

double gpu_format_rate(const maudio_config* config, double rate_hz)
{
  return config->steer.n_gains
           ? (double)(count_phases(config, rate_hz) * config->spectral.rate_hz)
           : rate_hz;
}

/// Samples that have to be kept before a slice
static size_t count_past(const maudio_config*   config,
                         const maudio_spectral* host,
                         size_t                 n_phases)
{
  const maudio_steer_config* s = &config->steer;
  size_t                     n = host->window - host->hop;
  const size_t               least =
    n_phases ? n_phases * (s->n_taps > s->n_past ? s->n_taps : s->n_past)
                           : maudio_spectral_latency(host);
  return n > least ? n : least;
}

maudio_status gpu_format_new(const maudio_config* config,
                             double               rate_hz,
                             cudaStream_t         stream,
                             gpu_format**         format,
                             maudio_error*        error)
{
  *format             = NULL;
  gpu_format* const f = (gpu_format*)calloc(1, sizeof *f);
  if (!f) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for tables of %g Hz", rate_hz);
  }
  f->rate_hz  = rate_hz;
  f->n_phases = config->steer.n_gains ? count_phases(config, rate_hz) : 0;
  maudio_spectral host = {0};
  maudio_spectral_plan(&host, &config->spectral, rate_hz, 1);
  maudio_status status = make_tables(f, &host, error);

  f->spectral.window       = (int)host.window;
  f->spectral.hop          = (int)host.hop;
  f->spectral.n_fft        = (int)host.n_fft;
  f->spectral.n_bins       = (int)host.n_bins;
  f->spectral.n_model_bins = (int)host.n_model_bins;
  f->spectral.n_sources    = (int)host.n_sources;
  f->spectral.n_inside     = (int)host.n_inside;
  f->spectral.n_past       = (int)count_past(config, &host, f->n_phases);
  f->spectral.high         = host.high;
  f->spectral.lookahead    = (int)host.lookahead;
  f->spectral.n_filtered   = (int)host.n_filtered;
  f->spectral.filter       = host.filter;
  f->spectral.latency      = (int)maudio_spectral_latency(&host);
  f->spectral.n_kept       = (int)maudio_deep_filter_reach(&host);
  f->spectral.kept_bins =
    host.lookahead ? (int)host.n_bins : (int)host.n_filtered;
  f->spectral.mask_power  = config->spectral.mask_power;
  f->spectral.compress    = host.compress;
  f->spectral.power_floor = host.power_floor;
  f->spectral.power_scale =
    host.window_sum * host.window_sum / (float)host.window;
  if (!status) {
    status = make_plans(f, stream, error);
  }
  if (status) {
    gpu_format_free(f);
    return status;
  }
  *format = f;
  return MAUDIO_SUCCESS;
}

void gpu_format_free(gpu_format* f)
{
  if (!f) {
    return;
  }
  if (f->has_plans) {
    cufftDestroy(f->forward);
    cufftDestroy(f->inverse);
  }
  gpu_arena_clear(&f->arena);
  free(f);
}

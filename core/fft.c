#include "fft.h"

#include <math.h>

/// Of the first two stages, whose vectors hold several twiddles
#define LANE_STRIDE 16

/// Floats of the twiddles of a stage: real and imaginary parts of radix - 1
/// factors, for each place or, where vectors hold one place, each factor once
static size_t n_twiddles(const maudio_fft_stage* s)
{
  const size_t n = s->stride < LANE_STRIDE ? s->n * s->stride : s->n;
  return 2 * (s->radix - 1) * n;
}

/// Whether our kernels take n complex points, of such factors
static bool is_ours(size_t n)
{
  return n % LANE_STRIDE == 0 && n >= (size_t)4 * MAUDIO_LANES;
}

bool maudio_fft_takes(size_t size)
{
  static const size_t factors[] = {2, 3, 5, 11};

  // KissFFT allocates in the transform where a factor is greater than 5
  const size_t n_factors = is_ours(size / 2) ? 4 : 3;
  size_t       left      = size / 2;
  for (size_t i = 0; i < n_factors && left; ++i) {
    while (left % factors[i] == 0) {
      left /= factors[i];
    }
  }
  return size % 2 == 0 && left == 1;
}

void maudio_fft_choose(maudio_fft* fft, size_t size)
{
  static const size_t radices[] = {4, 2, 3, 5, 11};

  const size_t n = size / 2;
  *fft           = (maudio_fft){
              .size = size, .kernels = maudio_kernels_choose(), .plan = {.n = n}};
  if (!is_ours(n)) {
    return;
  }
  maudio_fft_plan* const plan = &fft->plan;
  size_t                 left = n;
  for (size_t i = 0; left > 1;) {
    if (left % radices[i]) {
      ++i;
      continue;
    }
    plan->stages[plan->n_stages++] = (maudio_fft_stage){
      .radix = radices[i], .stride = n / left, .n = left / radices[i]};
    left /= radices[i];
  }
}

static kiss_fftr_cfg
carve_kiss(size_t size, int is_inverse, maudio_carver* carver)
{
  size_t n_bytes = 0;
  kiss_fftr_alloc((int)size, is_inverse, NULL, &n_bytes);
  void* const memory = maudio_carve(carver, n_bytes);
  return memory ? kiss_fftr_alloc((int)size, is_inverse, memory, &n_bytes)
                : NULL;
}

void maudio_fft_carve(maudio_fft* fft, maudio_carver* carver)
{
  maudio_fft_plan* const plan = &fft->plan;
  if (!plan->n_stages) {
    fft->forward = carve_kiss(fft->size, 0, carver);
    fft->inverse = carve_kiss(fft->size, 1, carver);
    return;
  }
  size_t n = 2 * plan->n;
  for (size_t i = 0; i < plan->n_stages; ++i) {
    n += n_twiddles(&plan->stages[i]);
  }
  fft->tables  = (float*)maudio_carve(carver, n * sizeof *fft->tables);
  plan->planes = (float*)maudio_carve(carver, 4 * MAUDIO_FFT_PLANE(plan->n) *
                                                sizeof *plan->planes);
}

static void init_stage(maudio_fft_stage* s, float* twiddles)
{
  const size_t repeats = s->stride < LANE_STRIDE ? s->stride : 1;
  const size_t width   = s->n * repeats;
  const double angle   = 2.0 * MAUDIO_PI / (double)(s->n * s->radix);
  for (size_t k = 1; k < s->radix; ++k) {
    float* const re = twiddles + 2 * (k - 1) * width;
    float* const im = re + width;
    for (size_t j = 0; j < width; ++j) {
      const size_t place = j / repeats;
      const double turn  = angle * (double)(k * place);
      re[j]              = (float)cos(turn);
      im[j]              = (float)-sin(turn);
    }
  }
  s->twiddles = twiddles;
}

void maudio_fft_init(maudio_fft* fft)
{
  maudio_fft_plan* const plan = &fft->plan;
  if (!plan->n_stages) {
    return;
  }
  const size_t n     = plan->n;
  float*       table = fft->tables;
  for (size_t k = 0; k < n; ++k) {
    table[k]     = (float)cos(MAUDIO_PI * (double)k / (double)n);
    table[n + k] = (float)sin(MAUDIO_PI * (double)k / (double)n);
  }
  plan->turns = table;
  table += 2 * n;
  for (size_t i = 0; i < plan->n_stages; ++i) {
    init_stage(&plan->stages[i], table);
    table += n_twiddles(&plan->stages[i]);
  }
}

void maudio_fft_forward(const maudio_fft* fft,
                        const float*      time,
                        kiss_fft_cpx*     spectrum)
{
  if (fft->plan.n_stages) {
    fft->kernels->fft(&fft->plan, time, &spectrum->r);
  } else {
    kiss_fftr(fft->forward, time, spectrum);
  }
}

void maudio_fft_inverse(const maudio_fft*   fft,
                        const kiss_fft_cpx* spectrum,
                        float*              time)
{
  if (fft->plan.n_stages) {
    fft->kernels->inverse_fft(&fft->plan, &spectrum->r, time);
  } else {
    kiss_fftri(fft->inverse, spectrum, time);
  }
}

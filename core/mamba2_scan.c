#include "mamba2.h"

#include <stdbool.h>
#include <string.h>

/// Heads whose scale is below put it into their state: what is divided by it
/// has to stay far below the greatest float, 2^128
#define LEAST_SCALE 0x1p-64f

/// Of each head of each row: (n_rows, H) each
typedef struct {
  float* dt;   ///< Step sizes, over the scales
  float* keep; ///< Decays; then what states have to be multiplied by
  float* gain; ///< The scales
} steps;

/// Make step sizes and decays from rows (n_rows, n_proj) of projections
static void make_steps(const maudio_ssd_mixer* m,
                       const maudio_kernels*   kernels,
                       size_t                  n_rows,
                       const float*            rows,
                       steps                   to)
{
  const size_t n     = n_rows * m->n_heads;
  const size_t n_pad = maudio_pad(n);
  float* const dt    = to.dt;
  float* const decay = to.keep;
  for (size_t r = 0; r < n_rows; ++r) {
    const float* const from = rows + r * m->n_proj + m->n_inner + m->conv.n;
    for (size_t i = 0; i < m->n_heads; ++i) {
      dt[r * m->n_heads + i] = from[i] + m->dt_bias[i];
    }
  }
  memset(dt + n, 0, (n_pad - n) * sizeof *dt);
  kernels->softplus(n_pad, dt);
  for (size_t i = 0; i < n_pad; ++i) {
    dt[i] = dt[i] > m->dt_min ? dt[i] : m->dt_min;
    dt[i] = dt[i] < m->dt_max ? dt[i] : m->dt_max;
  }
  for (size_t r = 0; r < n_rows; ++r) {
    for (size_t i = 0; i < m->n_heads; ++i) {
      decay[r * m->n_heads + i] = dt[r * m->n_heads + i] * m->a[i];
    }
  }
  memset(decay + n, 0, (n_pad - n) * sizeof *decay);
  kernels->exp(n_pad, decay);
}

/**
 * Decay the scales of n heads in place of their states, which takes a third of
 * the work from a step. A scale that gets too small goes into the state, by a
 * `keep` that is not 1, and is 1 again; that of the start, 0, does so at once.
 */
static void rescale(size_t n, float* scale, steps s)
{
  for (size_t i = 0; i < n; ++i) {
    const float next = scale[i] * s.keep[i];
    const bool  fits = next >= LEAST_SCALE;
    scale[i]         = fits ? next : 1.0f;
    s.keep[i]        = fits ? 1.0f : next;
    s.gain[i]        = scale[i];
    s.dt[i] /= scale[i];
  }
}

/// Rescale all frames, from the scales in the state on, which move on; `scale`
/// (n_bands, H) is working memory
static void rescale_all(const maudio_ssd_mixer* m,
                        const maudio_run*       run,
                        float*                  scale,
                        steps                   s)
{
  const size_t n_own = m->head.n_state / m->n_bands;
  const size_t n     = run->n_bands * m->n_heads;
  float* const kept  = run->state + n_own - maudio_pad(m->n_heads);
  for (size_t i = 0; i < m->n_heads; ++i) {
    for (size_t band = 0; band < run->n_bands; ++band) {
      scale[band * m->n_heads + i] = kept[band * n_own + i];
    }
  }
  for (size_t at = 0; at < run->n_frames * n; at += n) {
    rescale(n, scale, (steps){s.dt + at, s.keep + at, s.gain + at});
  }
  for (size_t i = 0; i < m->n_heads; ++i) {
    for (size_t band = 0; band < run->n_bands; ++band) {
      kept[band * n_own + i] = scale[band * m->n_heads + i];
    }
  }
}

/// Return whether a band keeps its states as they are, from those of its heads
static bool keeps_all(const maudio_ssd_mixer* m, const float* keep)
{
  size_t n_other = 0;
  for (size_t i = 0; i < m->n_heads; ++i) {
    n_other += keep[i] != 1.0f;
  }
  return !n_other;
}

/// Multiply the states h of a band by what its heads (H) have to keep
static void keep_states(const maudio_ssd_mixer* m, const float* keep, float* h)
{
  const size_t d_state = m->ssd.d_state;
  for (size_t i = 0; i < m->n_heads; ++i) {
    const size_t first = i / m->ssd.n_heads * m->ssd.group_pad +
                         i % m->ssd.n_heads * m->ssd.headdim;
    for (size_t c = first; keep[i] != 1.0f && c < first + m->ssd.headdim; ++c) {
      float* const own =
        h + c / MAUDIO_LANES * d_state * MAUDIO_LANES + c % MAUDIO_LANES;
      for (size_t n = 0; n < d_state; ++n) {
        own[n * MAUDIO_LANES] *= keep[i];
      }
    }
  }
}

/// Scan the frames of a band, in runs that begin where states are rescaled
static void scan_band(const maudio_ssd_mixer* m,
                      const maudio_run*       run,
                      steps                   s,
                      float*                  row,
                      float*                  h,
                      float*                  work)
{
  const size_t stride      = run->n_bands * m->n_proj;
  const size_t head_stride = run->n_bands * m->n_heads;
  for (size_t frame = 0; frame < run->n_frames;) {
    size_t end = frame + 1;
    keep_states(m, s.keep + frame * head_stride, h);
    while (end < run->n_frames && keeps_all(m, s.keep + end * head_stride)) {
      ++end;
    }
    run->kernels->ssd_scan(&m->ssd, end - frame, stride, row + frame * stride,
                           head_stride, s.dt + frame * head_stride,
                           s.gain + frame * head_stride, h, work);
    frame = end;
  }
}

/// Run the frames of one band, from the projections in the first of its rows on
/// (n_proj) to what is normed at the start of each
static void run_band(const maudio_ssd_mixer* m,
                     const maudio_run*       run,
                     steps                   s,
                     float*                  row,
                     float*                  state,
                     float*                  work)
{
  const size_t stride = run->n_bands * m->n_proj;
  float* const h      = state + (m->conv.d_conv - 1) * m->conv.n;
  run->kernels->conv_silu(&m->conv, run->n_frames, stride, state,
                          row + m->n_inner);
  scan_band(m, run, s, row, h, work);
  for (size_t i = 0; i < m->n_inner; i += m->n_norm_step) {
    run->kernels->rms_norm(run->n_frames, stride, row + i, m->norm + i,
                           m->n_norm, m->eps, row + i);
  }
}

void maudio_mamba2_scan(const maudio_ssd_mixer* m, const maudio_run* run)
{
  const size_t n_rows  = run->n_frames * run->n_bands;
  const size_t n_steps = maudio_pad(n_rows * m->n_heads);
  float* const proj    = run->scratch; // (n_frames, n_bands, n_proj)
  float* const dt      = proj + n_rows * m->n_proj;
  float* const scale   = dt + 3 * n_steps; // (n_bands, H)
  float* const work    = scale + maudio_pad(run->n_bands * m->n_heads);
  const steps  s = {.dt = dt, .keep = dt + n_steps, .gain = dt + 2 * n_steps};
  make_steps(m, run->kernels, n_rows, proj, s);
  rescale_all(m, run, scale, s);
  for (size_t band = 0; band < run->n_bands; ++band) {
    const size_t at = band * m->n_heads;
    run_band(m, run, (steps){s.dt + at, s.keep + at, s.gain + at},
             proj + band * m->n_proj,
             run->state + band * (m->head.n_state / m->n_bands), work);
  }
}

#include "band_front.h"

#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/// Read a tensor (n_rows, D) and pad its rows to D'
static maudio_status
read_rows(maudio_binding* b, const char* name, size_t n_rows, const float** to)
{
  const size_t  d_pad   = maudio_pad(b->d_model);
  const size_t  shape[] = {n_rows, b->d_model};
  float*        rows    = NULL;
  float*        padded  = NULL;
  maudio_status status  = maudio_tensor_read(b, name, 2, shape, &rows);
  if (!status) {
    status = maudio_floats_new(b, name, n_rows * d_pad, &padded);
  }
  for (size_t r = 0; !status && r < n_rows; ++r) {
    memcpy(padded + r * d_pad, rows + r * b->d_model,
           b->d_model * sizeof(float));
  }
  *to = padded;
  free(rows);
  return status;
}

/// Pack the rows of each of the first `n_bands` bands, `per_bin` rows a bin, to
/// a matrix of its own
static maudio_status bind_out_weight(const maudio_band_front* front,
                                     maudio_binding*          b,
                                     const char*              name,
                                     size_t                   n_bands,
                                     size_t                   per_bin,
                                     const maudio_matrix**    to)
{
  maudio_rows    rows;
  maudio_matrix* weights = NULL;
  maudio_status  status  = maudio_rows_read(
      b, name, per_bin * front->edges[n_bands], b->d_model, &rows);
  if (!status) {
    weights = maudio_arena_new(b->arena, n_bands * sizeof *weights);
    status  = weights ? MAUDIO_SUCCESS : maudio_binding_no_memory(b, name);
  }
  for (size_t s = 0; weights && !status && s < n_bands; ++s) {
    const size_t   first = per_bin * front->edges[s];
    const size_t   n     = per_bin * front->edges[s + 1] - first;
    maudio_packing packing;
    status = maudio_packing_new(b, name, &rows, b->d_model, n, &packing);
    if (!status) {
      maudio_pack(&packing, 0, 0, &rows, first, 0, n, b->d_model);
      weights[s] = packing.matrix;
    }
  }
  maudio_rows_free(&rows);
  *to = weights;
  return status;
}

/// Copy `n_out` biases to `to`
static maudio_status
copy_bias(maudio_binding* b, const char* name, size_t n_out, float* to)
{
  float*              values = NULL;
  const maudio_status status = maudio_tensor_read(b, name, 1, &n_out, &values);
  if (!status) {
    memcpy(to, values, n_out * sizeof(float));
  }
  free(values);
  return status;
}

static maudio_status bind_mask(maudio_binding* b, maudio_band_front* front)
{
  const size_t  n_out  = (size_t)2 * front->edges[front->n_bands];
  float*        bias   = NULL;
  maudio_status status = bind_out_weight(front, b, "band_out.weight",
                                         front->n_bands, 2, &front->out_weight);
  if (!status) {
    status = maudio_floats_new(b, "band_out.bias", front->n_mask, &bias);
  }
  if (!status) {
    status = copy_bias(b, "band_out.bias", n_out, bias);
  }
  front->out_bias = bias;
  if (status || !front->n_filter_bands) {
    return status;
  }
  status = bind_out_weight(front, b, "filter_out.weight", front->n_filter_bands,
                           front->n_tap_parts, &front->filter_weight);
  return status
           ? status
           : copy_bias(b, "filter_out.bias",
                       front->n_tap_parts * front->edges[front->n_filter_bands],
                       bias + n_out);
}

maudio_status maudio_band_front_bind(const maudio_spectral_config* config,
                                     bool                          has_mask,
                                     maudio_binding*               binding,
                                     maudio_band_front*            front)
{
  const maudio_filter_config* const filter = &config->filter;

  const size_t n_bins = config->n_bins;
  const size_t n_taps = (size_t)filter->n_bins * filter->n_delays;

  *front = (maudio_band_front){.kernels    = binding->kernels,
                               .n_bands    = config->n_bands,
                               .edges      = config->band_edges,
                               .d_pad      = maudio_pad(binding->d_model),
                               .n_features = 3 * n_bins,
                               .n_mask     = maudio_pad(2 * (n_bins + n_taps)) +
                                         MAUDIO_LANES,
                               .n_filter_bands = filter->n_bands,
                               .n_tap_parts    = (size_t)2 * filter->n_delays,
                               .mask_power     = config->mask_power};
  maudio_status status =
    read_rows(binding, "band_in.weight", front->n_features, &front->in_weight);
  if (!status) {
    status =
      read_rows(binding, "band_in.bias", config->n_bands, &front->in_bias);
  }
  return status || !has_mask ? status : bind_mask(binding, front);
}

void maudio_band_front_in(const maudio_band_front* front,
                          size_t                   n_frames,
                          const float*             features,
                          float*                   x)
{
  const size_t d_pad = front->d_pad;
  for (size_t s = 0; s < front->n_bands; ++s) {
    const size_t        first = (size_t)3 * front->edges[s];
    const maudio_matrix w = {.n_in    = (size_t)3 * front->edges[s + 1] - first,
                             .n_out   = d_pad,
                             .in_step = d_pad,
                             .panel_step = MAUDIO_LANES,
                             .data       = front->in_weight + first * d_pad};
    front->kernels->gemm(&(maudio_gemm){.w        = w,
                                        .bias     = front->in_bias + s * d_pad,
                                        .x        = features + first,
                                        .x_stride = front->n_features,
                                        .n_rows   = n_frames,
                                        .y        = x + s * d_pad,
                                        .y_stride = front->n_bands * d_pad});
  }
}

/// Outputs `first` to first + weight.n_out of a mask, from band `s`
static void run_out(const maudio_band_front* front,
                    size_t                   n_frames,
                    const maudio_matrix*     weight,
                    size_t                   s,
                    size_t                   first,
                    const float*             x,
                    float*                   mask)
{
  front->kernels->gemm(&(maudio_gemm){.w        = *weight,
                                      .bias     = front->out_bias + first,
                                      .x        = x + s * front->d_pad,
                                      .x_stride = front->n_bands * front->d_pad,
                                      .n_rows   = n_frames,
                                      .y        = mask + first,
                                      .y_stride = front->n_mask});
}

/// Bins of a mask at a time
#define N_GAINS 256

/// gains (n padded): what magnitudes of n bins of a mask, 1 not yet added, are
/// multiplied by to be raised
static void make_gains(const maudio_band_front* front,
                       size_t                   n,
                       const float* restrict mask,
                       float* restrict gains)
{
  const size_t n_pad = maudio_pad(n);
  for (size_t k = 0; k < n; ++k) {
    const float re = 1.0f + mask[2 * k];
    const float im = mask[2 * k + 1];
    gains[k]       = re * re + im * im;
  }
  if (front->mask_power == 2.0f) {
    for (size_t k = 0; k < n; ++k) {
      gains[k] = sqrtf(gains[k]);
    }
    return;
  }
  for (size_t k = 0; k < n_pad; ++k) {
    gains[k] = k < n ? gains[k] + 1e-12f : 1.0f;
  }
  front->kernels->log(n_pad, gains);
  for (size_t k = 0; k < n_pad; ++k) {
    gains[k] *= 0.5f * (front->mask_power - 1.0f);
  }
  front->kernels->exp(n_pad, gains);
}

/// Raise the magnitudes of a mask to its power; taps are scaled by what their
/// bin is
static void raise_mask(const maudio_band_front* front, float* restrict mask)
{
  const size_t n_bins   = front->edges[front->n_bands];
  const size_t n_filter = front->edges[front->n_filter_bands];
  float*       taps     = mask + 2 * n_bins;
  float        gains[N_GAINS];
  for (size_t k = 0; k < n_bins; ++k) {
    if (k % N_GAINS == 0) {
      make_gains(front, n_bins - k < N_GAINS ? n_bins - k : N_GAINS,
                 mask + 2 * k, gains);
    }
    const float gain = gains[k % N_GAINS];
    mask[2 * k]      = gain * (1.0f + mask[2 * k]) - 1.0f;
    mask[2 * k + 1] *= gain;
    if (k < n_filter) {
      for (size_t i = 0; i < front->n_tap_parts; ++i) {
        *taps++ *= gain;
      }
    }
  }
}

void maudio_band_front_out(const maudio_band_front* front,
                           size_t                   n_frames,
                           const float*             x,
                           float*                   mask)
{
  // The padding of a band spills into the next one, which then overwrites it
  for (size_t s = 0; s < front->n_bands; ++s) {
    run_out(front, n_frames, &front->out_weight[s], s,
            (size_t)2 * front->edges[s], x, mask);
  }
  const size_t taps = (size_t)2 * front->edges[front->n_bands];
  for (size_t s = 0; s < front->n_filter_bands; ++s) {
    run_out(front, n_frames, &front->filter_weight[s], s,
            taps + front->n_tap_parts * front->edges[s], x, mask);
  }
  for (size_t i = 0; front->mask_power != 1.0f && i < n_frames; ++i) {
    raise_mask(front, mask + i * front->n_mask);
  }
}

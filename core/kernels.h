/** @file
 * The inner loops, once per instruction set.
 *
 * Rows of floats are padded to MAUDIO_LANES whatever the instruction set, so
 * that buffers, packed weights and saved states have one layout. Padding may
 * hold any finite value; what reads it multiplies it by zero.
 *
 * Every output is computed by the same operations in the same order whatever
 * the number of rows, so that results do not depend on block sizes.
 */
#ifndef MAUDIO_KERNELS_H
#define MAUDIO_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Rows are padded to a multiple of this many floats
#define MAUDIO_LANES 16

/// Inputs of a matrix in int8 that are summed at once
#define MAUDIO_SLICE 2048

/// Most inputs of a maudio_column_gemm, whose integers are on the stack
#define MAUDIO_COLUMN_INPUTS 256

/// Return `n` rounded up to a multiple of MAUDIO_LANES
static inline size_t maudio_pad(size_t n)
{
  return (n + MAUDIO_LANES - 1) / MAUDIO_LANES * MAUDIO_LANES;
}

/// Return the codes of a row of a maudio_column_gemm: n_in, and padding
static inline size_t maudio_column_codes(size_t n_in)
{
  return (n_in + 3) / 4 * 4;
}

/**
 * A matrix (n_in, n_out) as panels of MAUDIO_LANES outputs: output o of input
 * i is at data[o / LANES * panel_step + i * in_step + o % LANES].
 *
 * Packed weights have in_step LANES and panel_step n_in * LANES; rows in
 * memory have in_step of their stride and panel_step LANES.
 *
 * Weights in int8 have `codes` in place of `data`, packed, with the codes of
 * `code_group` inputs of the kernels together: at codes[o / LANES * panel_step
 * + i / group * group * LANES + o % LANES * group + i % group].
 */
typedef struct {
  size_t         n_in;
  size_t         n_out; ///< Multiple of MAUDIO_LANES
  size_t         in_step;
  size_t         panel_step;
  const float*   data;   ///< NULL: the weights are codes
  const int8_t*  codes;  ///< A weight is its code times the scale of its output
  const float*   scales; ///< (n_out), 0 in the padding
  const int32_t* sums;   ///< (n_in / SLICE, rounded up; sum_step): of the codes
  size_t         sum_step;
  bool           coarse; ///< 8 bits of an input do, if its kernels gain by it
} maudio_matrix;

/// y (n_rows, n_out) = [y +] bias + x (n_rows, n_in) * w (n_in, n_out)
typedef struct {
  maudio_matrix w;
  const float*  bias;     ///< (n_out), or NULL
  const float*  row_bias; ///< (n_rows), or NULL
  const float*  x;
  size_t        x_stride;
  size_t        n_rows;
  float*        y;
  size_t        y_stride;
  bool          add; ///< Add to y instead of overwriting it
} maudio_gemm;

/**
 * y (n_rows, n) = [y +] bias + weights (n_rows, n_in) * x (n_in, n), where a
 * weight is its code less 128, times the scale of its row, and of each column
 * of x 8 bits do.
 *
 * Each row has maudio_column_codes(n_in) codes.
 */
typedef struct {
  size_t         n_rows;
  size_t         n_in; ///< Up to MAUDIO_COLUMN_INPUTS
  size_t         n;    ///< Multiple of MAUDIO_LANES, and the stride of x and y
  const uint8_t* codes;
  const float*   scales; ///< (n_rows)
  const float*   bias;   ///< (n_rows)
  const float*   x;
  float*         y;
  bool           add; ///< Add to y instead of overwriting it
} maudio_column_gemm;

/// A causal depthwise convolution of n channels, padded
typedef struct {
  size_t       d_conv;
  size_t       n;
  const float* weight; ///< (d_conv, n), the newest tap last
  const float* bias;   ///< (n)
} maudio_conv;

/// Weights of a Mamba-2 scan; channels of a group are padded to LANES
typedef struct {
  size_t       n_groups;
  size_t       n_heads; ///< Heads of one group
  size_t       headdim;
  size_t       d_state;
  size_t       group_pad; ///< maudio_pad(n_heads * headdim)
  const float* d;         ///< (n_groups * group_pad): D of each channel
} maudio_ssd;

/// Weights of a Mamba scan
typedef struct {
  size_t       n; ///< Channels, padded
  size_t       d_state;
  const float* a; ///< (n / LANES, d_state, LANES): -exp(A_log)
  const float* d; ///< (n)
} maudio_s6;

/// One step of a Mamba scan over n channels; y may be x or z
typedef struct {
  const float* x;  ///< (n)
  const float* z;  ///< (n)
  const float* b;  ///< (d_state)
  const float* c;  ///< (d_state)
  const float* dt; ///< (n)
  float*       h;  ///< (n / LANES, d_state, LANES), updated
  float*       y;  ///< (n), written
} maudio_scan;

/// One pass of a transform, of points that are `n * stride` apart
typedef struct {
  size_t       radix; ///< 2 to 5 or 11; 4 in the first two stages
  size_t       stride;
  size_t       n;
  const float* twiddles; ///< (radix - 1, 2, n, or n * stride below 16)
} maudio_fft_stage;

/// More stages than the points of any transform have factors
#define MAUDIO_FFT_STAGES 32

/// Floats of a plane of n points
#define MAUDIO_FFT_PLANE(n) ((n) + MAUDIO_LANES)

/// A transform of 2 n real samples as n complex ones, n a multiple of 16 from
/// 4 LANES on
typedef struct {
  size_t           n;
  size_t           n_stages;
  maudio_fft_stage stages[MAUDIO_FFT_STAGES];
  const float*     turns;  ///< (2, n): cos, sin of pi k / n
  float*           planes; ///< (4, FFT_PLANE(n)): working memory
} maudio_fft_plan;

typedef struct {
  const char* name;
  size_t      code_group; ///< As in maudio_matrix

  void (*gemm)(const maudio_gemm* gemm);

  /// NULL where floats are as fast
  void (*column_gemm)(const maudio_column_gemm* gemm);

  /// Return the sum of a (n) * b (n)
  float (*dot)(size_t n, const float* a, const float* b);

  /**
   * y (n) = x * weight / sqrt(mean(x^2) + eps) for rows of x and y that are
   * `stride` apart; y may be x.
   *
   * Reads `maudio_pad(n)` floats of `weight` (0 in the padding) and writes as
   * many of each row of y.
   */
  void (*rms_norm)(size_t       n_rows,
                   size_t       stride,
                   const float* x,
                   const float* weight,
                   size_t       n,
                   float        eps,
                   float*       y);

  /// x (n) = SiLU(bias + convolution of x) for rows that are `stride` apart;
  /// past (d_conv - 1, n) holds those before, oldest first, and moves on
  void (*conv_silu)(const maudio_conv* conv,
                    size_t             n_rows,
                    size_t             stride,
                    float*             past,
                    float*             x);

  /**
   * h += dt x B; y = (gain C h + D x) SiLU(z), row by row, over n = n_groups *
   * group_pad channels.
   *
   * rows (n_rows, stride) hold z (n), which y replaces, x (n), B and C
   * (n_groups, d_state); dt and gain (n_rows, head_stride) are of each head; h
   * (n / LANES, d_state, LANES); work (2, group_pad + LANES).
   */
  void (*ssd_scan)(const maudio_ssd* ssd,
                   size_t            n_rows,
                   size_t            stride,
                   float*            rows,
                   size_t            head_stride,
                   const float*      dt,
                   const float*      gain,
                   float*            h,
                   float*            work);

  /// h = exp(dt A) h + dt x B; y = (C h + D x) SiLU(z)
  void (*s6_step)(const maudio_s6* s6, const maudio_scan* scan);

  /**
   * Features of n bins, n padded, in place: re, im *= p^((compress - 1) / 2),
   * level = 1 + 0.1 ln p, where p = re^2 + im^2 + floor.
   */
  void (*features)(float  compress,
                   float  floor,
                   size_t n,
                   float* re,
                   float* im,
                   float* level);

  /// time (2n) -> spectrum (n + 1) of pairs of floats: real, imaginary part
  void (*fft)(const maudio_fft_plan* plan, const float* time, float* spectrum);

  /// spectrum (n + 1) -> time (2n), times 2n; the first and the last bin count
  /// as real
  void (*inverse_fft)(const maudio_fft_plan* plan,
                      const float*           spectrum,
                      float*                 time);

  // Elementwise and in place, n padded. Relative errors are below 3e-7, of SiLU
  // below 4e-7, those of log where it is near 0 are absolute. exp saturates at
  // -86.9 and 88
  void (*exp)(size_t n, float* x);
  void (*log)(size_t n, float* x); ///< x normal and positive
  void (*silu)(size_t n, float* x);
  void (*softplus)(size_t n, float* x); ///< x itself above 20, as in PyTorch
  void (*relu2)(size_t n, float* x);    ///< max(x, 0)^2

  /// gate (n) = SiLU(gate) up, n padded
  void (*gated_silu)(size_t n, float* gate, const float* up);

  /// x (n) = exp(scale x) / sum of it, n at least 1, scale positive; writes
  /// maudio_pad(n) floats
  void (*softmax)(float scale, size_t n, float* x);
} maudio_kernels;

/**
 * Return the best kernels of this machine.
 *
 * The environment variable MAUDIO_KERNELS names others; a name that is unknown
 * or does not run here is ignored.
 */
const maudio_kernels* maudio_kernels_choose(void);

/// Return kernels by name, or NULL if they do not run here
const maudio_kernels* maudio_kernels_find(const char* name);

extern const maudio_kernels maudio_kernels_scalar;
extern const maudio_kernels maudio_kernels_avx2;
extern const maudio_kernels maudio_kernels_avx512;
extern const maudio_kernels maudio_kernels_avx512vnni;
extern const maudio_kernels maudio_kernels_neon;

#endif /* MAUDIO_KERNELS_H */

/** @file
 * Chunks of a scan: from rows in memory to what is scanned in shared memory,
 * convolved and with dt ready.
 */
#ifndef MAUDIO_SCAN_CHUNK_CUH
#define MAUDIO_SCAN_CHUNK_CUH

#include "device.cuh"
#include "scan.h"

constexpr int SCAN_THREADS = 256;
constexpr int SCAN_WARPS   = SCAN_THREADS / GPU_WARP;

/// LANES lanes share a channel, each has OWN of its states in registers
template <bool SSD_, int LANES_, int OWN_> struct scan_shape {
  static constexpr bool SSD      = SSD_;
  static constexpr int  LANES    = LANES_;
  static constexpr int  OWN      = OWN_;
  static constexpr int  CHANNELS = SCAN_THREADS / LANES;
  static constexpr int  STATES   = LANES * OWN;
  static constexpr int  STEPS    = STATES > 256 ? 8 : 32;
  static constexpr int  WIDTH    = CHANNELS + 2 * STATES; // x, B, C
};

/// Most heads that have channels in a block of threads
__host__ __device__ inline int scan_heads(const gpu_scan& s, int n_channels)
{
  const int n = (n_channels - 1) / s.headdim + 2;
  return n < n_channels ? n : n_channels;
}

/// Rows before a chunk that are loaded with it
__host__ __device__ inline int scan_past(const gpu_scan& s)
{
  return s.is_ssd ? s.d_conv - 1 : 0;
}

/// Floats of shared memory
template <typename SHAPE> size_t scan_shared(const gpu_scan& s)
{
  const int heads = scan_heads(s, SHAPE::CHANNELS);
  const int width = 2 * SHAPE::WIDTH + SHAPE::CHANNELS + 3 * heads;
  return (size_t)SHAPE::STEPS * (size_t)width +
         (size_t)(scan_past(s) + 5) * SHAPE::WIDTH;
}

/// The state of a band of a signal
__device__ inline float*
scan_state(const gpu_scan& s, const gpu_sequence& q, int band)
{
  const int64_t size =
    (int64_t)s.d_inner * s.d_state + (int64_t)(s.d_conv - 1) * s.n_conv;
  return q.state + s.state_at + band * size;
}

/// The rows before the first one of a slice
__device__ inline const float* past_rows(const gpu_scan& s, const float* state)
{
  return state + (int64_t)s.d_inner * s.d_state;
}

/// Row of frame `t` of a slice
__device__ __forceinline__ int64_t scan_row(const gpu_scan&     s,
                                            const gpu_sequence& q,
                                            int64_t             t,
                                            int                 band)
{
  return (q.first + t) * s.n_bands + band;
}

/// What a block of threads works on
struct scan_place {
  gpu_sequence q;
  int          band;
  const float* past; ///< Rows before the slice
  int          first_channel;
  int          n_channels;
  int          first_head;
  int          n_heads;
  int          b_at; ///< First column of B of this group, in x or in b
  int          c_at;
};

/// Arrays of a chunk in shared memory
struct scan_chunk {
  float* raw;    ///< (past + STEPS, WIDTH) on its way, with those before
  float* raw_dt; ///< (STEPS, heads)
  float* z;      ///< (STEPS, CHANNELS) of the chunk that is scanned
  float* x;      ///< (STEPS, CHANNELS), later y
  float* b;      ///< (STEPS, STATES)
  float* c;      ///< (STEPS, STATES)
  float* dt;     ///< (STEPS, heads)
  float* decay;  ///< (STEPS, heads)
  float* taps;   ///< (WIDTH, 4) of a convolution with four
  float* bias;   ///< (WIDTH)
};

/// Columns of rows that go to shared memory, a thread's share of them
struct scan_copy {
  const float* from; ///< Of its first row
  int64_t      from_step;
  float*       to;
  int          to_step;
  int          row; ///< Its first one
  int          row_step;
};

/// Start to copy the rows below `n_rows`
template <int SIZE>
__device__ __forceinline__ void scan_start(const scan_copy& c, int n_rows)
{
  const float* from = c.from;
  float*       to   = c.to;
  for (int r = c.row; r < n_rows; r += c.row_step) {
    copy_async<SIZE>(to, from);
    from += c.from_step;
    to += c.to_step;
  }
}

/// Start to load x, B, C and dt of a chunk. A thread has one column of some
/// rows, or several where there are more columns than threads
template <typename SHAPE, bool FINAL, int SIZE>
__device__ __forceinline__ void scan_load(const gpu_scan&      s,
                                          const gpu_scan_rows& rows,
                                          const scan_place&    at,
                                          int64_t              first,
                                          int                  n_steps,
                                          const scan_chunk&    here)
{
  constexpr int EACH    = SIZE / 4;
  const int     past    = scan_past(s);
  const int     n_x     = at.n_channels / EACH;
  const int     n_b     = s.d_state / EACH;
  const int     n_bc    = FINAL ? n_b : 2 * n_b;
  const int     n_all   = n_x + n_bc + (SHAPE::SSD ? 0 : n_x); // Mamba: and dt
  const int     at_once = max(1, SCAN_THREADS / n_all);
  const int64_t row     = scan_row(s, at.q, first - past, at.band);
  for (int i = threadIdx.x; i < n_all * at_once; i += SCAN_THREADS) {
    const int unit    = i % n_all;
    const int r       = i / n_all;
    int       column  = at.first_channel + unit * EACH;
    int       place   = unit * EACH; // In a raw row
    bool      is_of_x = true;
    if (unit >= n_x + n_bc) {
      const int j = (unit - n_x - n_bc) * EACH;
      scan_start<SIZE>({rows.dt +
                          (row + (int64_t)r * s.n_bands) * rows.dt_stride +
                          at.first_channel + j,
                        (int64_t)at_once * s.n_bands * rows.dt_stride,
                        here.raw_dt + r * SHAPE::CHANNELS + j,
                        at_once * SHAPE::CHANNELS, r, at_once},
                       n_steps);
      continue;
    }
    if (unit >= n_x) {
      const int j = (unit - n_x) * EACH;
      column      = unit < n_x + n_b ? at.b_at + j : at.c_at + j - s.d_state;
      place       = SHAPE::CHANNELS + j +
              (unit < n_x + n_b ? 0 : SHAPE::STATES - s.d_state);
      is_of_x = SHAPE::SSD;
    }
    const float* const base   = is_of_x ? rows.x : rows.b;
    const int64_t      stride = is_of_x ? rows.x_stride : rows.b_stride;
    scan_copy c = {base + (row + (int64_t)r * s.n_bands) * stride + column,
                   (int64_t)at_once * s.n_bands * stride,
                   here.raw + r * SHAPE::WIDTH + place,
                   at_once * SHAPE::WIDTH,
                   r,
                   at_once};
    while (first + c.row < past) { // Before the slice
      copy_async<SIZE>(c.to, at.past + (first + c.row) * s.n_conv + column);
      c.from += c.from_step;
      c.to += c.to_step;
      c.row += at_once;
    }
    scan_start<SIZE>(c, past + n_steps);
  }
  if (!SHAPE::SSD) {
    return;
  }
  const int heads = scan_heads(s, SHAPE::CHANNELS);
  for (int i = threadIdx.x; i < n_steps * at.n_heads; i += SCAN_THREADS) {
    const int t = i / at.n_heads;
    const int j = i % at.n_heads;
    copy_async<4>(here.raw_dt + t * heads + j,
                  rows.dt +
                    (row + (int64_t)(past + t) * s.n_bands) * rows.dt_stride +
                    at.first_head + j);
  }
}

/// Start to load z of a chunk
template <typename SHAPE, int SIZE>
__device__ __forceinline__ void scan_load_z(const gpu_scan&      s,
                                            const gpu_scan_rows& rows,
                                            const scan_place&    at,
                                            int64_t              first,
                                            int                  n_steps,
                                            const scan_chunk&    here)
{
  constexpr int EACH    = SIZE / 4;
  const int     n_x     = at.n_channels / EACH;
  const int     at_once = SCAN_THREADS / n_x;
  const int     r       = threadIdx.x / n_x;
  const int     j       = threadIdx.x % n_x * EACH;
  if (r < at_once) {
    const int64_t row = scan_row(s, at.q, first + r, at.band);
    scan_start<SIZE>({rows.z + row * rows.z_stride + at.first_channel + j,
                      (int64_t)at_once * s.n_bands * rows.z_stride,
                      here.z + r * SHAPE::CHANNELS + j,
                      at_once * SHAPE::CHANNELS, r, at_once},
                     n_steps);
  }
}

/// Column of the convolution that column `j` of a raw row is, or -1
template <typename SHAPE>
__device__ __forceinline__ int
scan_column(const gpu_scan& s, const scan_place& at, int j)
{
  if (j < SHAPE::CHANNELS) {
    return j < at.n_channels ? at.first_channel + j : -1;
  }
  const bool is_b = j < SHAPE::CHANNELS + SHAPE::STATES;
  const int  n    = j - SHAPE::CHANNELS - (is_b ? 0 : SHAPE::STATES);
  return n < s.d_state ? (is_b ? at.b_at : at.c_at) + n : -1;
}

/// Where column `j` of a raw row goes at step `t`
template <typename SHAPE>
__device__ __forceinline__ float*
scan_target(const scan_chunk& to, int t, int j)
{
  return j < SHAPE::CHANNELS ? to.x + t * SHAPE::CHANNELS + j
         : j < SHAPE::CHANNELS + SHAPE::STATES
           ? to.b + t * SHAPE::STATES + j - SHAPE::CHANNELS
           : to.c + t * SHAPE::STATES + j - SHAPE::CHANNELS - SHAPE::STATES;
}

/// Keep the weights of a convolution with four taps
template <typename SHAPE>
__device__ void
scan_taps(const gpu_scan& s, const scan_place& at, const scan_chunk& here)
{
  if constexpr (SHAPE::SSD) {
    for (int j = threadIdx.x; s.d_conv == 4 && j < SHAPE::WIDTH;
         j += SCAN_THREADS) {
      const int column = scan_column<SHAPE>(s, at, j);
      for (int k = 0; k < 4; ++k) {
        here.taps[4 * j + k] =
          column < 0 ? 0.0f : s.conv_weight[k * s.n_conv + column];
      }
      here.bias[j] = column < 0 ? 0.0f : s.conv_bias[column];
    }
  }
}

/// Four taps on consecutive rows, for as many steps as a warp has
template <typename SHAPE>
__device__ __forceinline__ void
convolve_four(const float* raw, float4 taps, float bias, float* y)
{
  constexpr int N    = SHAPE::STEPS / SCAN_WARPS;
  const float   w[4] = {taps.x, taps.y, taps.z, taps.w};
#pragma unroll
  for (int i = 0; i < N; ++i) {
    y[i] = bias;
  }
#pragma unroll
  for (int r = 0; r < N + 3; ++r) {
    const float x = raw[r * SHAPE::WIDTH];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (r >= i && r < i + 4) {
        y[i] = fmaf(w[r - i], x, y[i]);
      }
    }
  }
}

template <typename SHAPE>
__device__ __forceinline__ void
convolve(const gpu_scan& s, const float* raw, int column, float* y)
{
  constexpr int N = SHAPE::STEPS / SCAN_WARPS;
  for (int i = 0; i < N; ++i) {
    y[i] = s.conv_bias[column];
    for (int k = 0; k < s.d_conv; ++k) {
      y[i] = fmaf(s.conv_weight[k * s.n_conv + column],
                  raw[(i + k) * SHAPE::WIDTH], y[i]);
    }
  }
}

/// From what has been loaded to what is scanned: steps after the last change
/// nothing
template <typename SHAPE, bool FINAL>
__device__ void scan_prepare(const gpu_scan&   s,
                             const scan_place& at,
                             int               n_steps,
                             const scan_chunk& here)
{
  constexpr int N     = SHAPE::STEPS / SCAN_WARPS;
  const int     lane  = threadIdx.x % GPU_WARP;
  const int     first = threadIdx.x / GPU_WARP * N;
  const int     heads = scan_heads(s, SHAPE::CHANNELS);
  constexpr int WIDTH = FINAL ? SHAPE::CHANNELS + SHAPE::STATES : SHAPE::WIDTH;
#pragma unroll 1
  for (int j = lane; j < WIDTH; j += GPU_WARP) {
    const int          column = scan_column<SHAPE>(s, at, j);
    const float* const raw    = here.raw + first * SHAPE::WIDTH + j;
    float              y[N];
    if (!SHAPE::SSD) {
#pragma unroll
      for (int i = 0; i < N; ++i) {
        y[i] = raw[i * SHAPE::WIDTH];
      }
    } else if (s.d_conv == 4) {
      convolve_four<SHAPE>(raw,
                           *reinterpret_cast<const float4*>(here.taps + 4 * j),
                           here.bias[j], y);
    } else {
      convolve<SHAPE>(s, raw, max(column, 0), y);
    }
    float* const to   = scan_target<SHAPE>(here, first, j);
    const int    step = j < SHAPE::CHANNELS ? SHAPE::CHANNELS : SHAPE::STATES;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const bool is_live = column >= 0 && first + i < n_steps;
      to[i * step]       = !is_live ? 0.0f : SHAPE::SSD ? silu(y[i]) : y[i];
    }
  }
  for (int i = threadIdx.x; i < SHAPE::STEPS * at.n_heads; i += SCAN_THREADS) {
    const int t    = i / at.n_heads;
    const int j    = i % at.n_heads;
    const int head = at.first_head + j;
    float     dt   = 0.0f;
    if (t < n_steps) {
      dt = here.raw_dt[t * heads + j];
      dt = softplus(SHAPE::SSD ? dt + s.dt_bias[head] : dt);
      dt = SHAPE::SSD ? fminf(fmaxf(dt, s.dt_min), s.dt_max) : dt;
    }
    here.dt[t * heads + j] = dt;
    if (SHAPE::SSD) {
      here.decay[t * heads + j] = expf(dt * s.a[head]);
    }
  }
}

#endif /* MAUDIO_SCAN_CHUNK_CUH */

/** @file
 * The scan of one band of one segment, a chunk of steps at a time: while a
 * chunk is scanned the next one is on its way to shared memory.
 */
#ifndef MAUDIO_SCAN_KERNEL_CUH
#define MAUDIO_SCAN_KERNEL_CUH

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
  if (!SHAPE::SSD || s.d_conv != 4) {
    return;
  }
  for (int j = threadIdx.x; j < SHAPE::WIDTH; j += SCAN_THREADS) {
    const int column = scan_column<SHAPE>(s, at, j);
    for (int k = 0; k < 4; ++k) {
      here.taps[4 * j + k] =
        column < 0 ? 0.0f : s.conv_weight[k * s.n_conv + column];
    }
    here.bias[j] = column < 0 ? 0.0f : s.conv_bias[column];
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

/// Channel and states of a thread
template <int OWN> struct scan_own {
  int   channel;    ///< In the block of threads
  int   part;       ///< Of its states
  int   first_lane; ///< Of this channel
  int   head;       ///< In the block of threads
  float d;
  float total; ///< Of dt
  float h[OWN];
  float a[OWN]; ///< Mamba: to the base of 2
};

template <typename SHAPE, bool FINAL>
__device__ __forceinline__ void
scan_steps(const scan_chunk& here, int heads, scan_own<SHAPE::OWN>& own)
{
  constexpr int OWN = SHAPE::OWN;
#pragma unroll 4
  for (int t = 0; t < SHAPE::STEPS; ++t) {
    // Only the lane that will replace it reads x: no other can be too late
    float* const place = here.x + t * SHAPE::CHANNELS + own.channel;
    float        x     = own.part == 0 ? *place : 0.0f;
    x                  = __shfl_sync(GPU_ALL_LANES, x, own.first_lane);
    const float dt     = here.dt[t * heads + own.head];
    const float all    = SHAPE::SSD ? here.decay[t * heads + own.head] : 0.0f;
    const float u      = dt * x;
    float       y      = 0.0f;
#pragma unroll
    for (int i = 0; i < OWN; i += 4) {
      const int    n    = t * SHAPE::STATES + own.part * OWN + i;
      const float4 bs   = *reinterpret_cast<const float4*>(here.b + n);
      const float  b[4] = {bs.x, bs.y, bs.z, bs.w};
      float        c[4] = {};
      if (!FINAL) {
        const float4 cs = *reinterpret_cast<const float4*>(here.c + n);
        c[0]            = cs.x;
        c[1]            = cs.y;
        c[2]            = cs.z;
        c[3]            = cs.w;
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float decay = SHAPE::SSD ? all : fast_exp2(dt * own.a[i + j]);
        own.h[i + j]      = fmaf(decay, own.h[i + j], u * b[j]);
        if (!FINAL) {
          y = fmaf(c[j], own.h[i + j], y);
        }
      }
    }
    if (FINAL) {
      own.total += dt;
    } else {
#pragma unroll
      for (int lane = SHAPE::LANES / 2; lane; lane /= 2) {
        y += __shfl_xor_sync(GPU_ALL_LANES, y, lane);
      }
      if (own.part == 0) {
        *place = fmaf(own.d, x, y);
      }
    }
  }
}

/// Store y times SiLU(z), from shared memory
template <typename SHAPE, int SIZE>
__device__ __forceinline__ void scan_store(const gpu_scan&      s,
                                           const gpu_scan_rows& rows,
                                           const scan_place&    at,
                                           int64_t              first,
                                           int                  n_steps,
                                           const scan_chunk&    here)
{
  constexpr int EACH    = SIZE / 4;
  const int     n_x     = at.n_channels / EACH;
  const int     at_once = SCAN_THREADS / n_x;
  const int     j       = threadIdx.x % n_x * EACH;
  int           t       = threadIdx.x / n_x;
  float* y = rows.y + scan_row(s, at.q, first + t, at.band) * rows.y_stride +
             at.first_channel + j;
  if (t >= at_once) {
    return;
  }
  for (; t < n_steps; t += at_once) {
    const float* const x = here.x + t * SHAPE::CHANNELS + j;
    const float* const z = here.z + t * SHAPE::CHANNELS + j;
    if (SIZE == 16) {
      const float4 a                = *reinterpret_cast<const float4*>(x);
      const float4 b                = *reinterpret_cast<const float4*>(z);
      *reinterpret_cast<float4*>(y) = make_float4(
        a.x * silu(b.x), a.y * silu(b.y), a.z * silu(b.z), a.w * silu(b.w));
    } else {
      *y = *x * silu(*z);
    }
    y += (int64_t)at_once * s.n_bands * rows.y_stride;
  }
}

/// Choose the channels of this block of threads, `block` of its segment
template <typename SHAPE>
__device__ scan_place scan_find(const gpu_scan&     s,
                                const gpu_sequence& q,
                                int                 block)
{
  const int  group_size = s.d_inner / s.n_groups;
  const int  n_blocks   = (group_size + SHAPE::CHANNELS - 1) / SHAPE::CHANNELS;
  const int  group      = block / n_blocks;
  const int  in_group   = block % n_blocks * SHAPE::CHANNELS;
  const int  b_first    = SHAPE::SSD ? s.d_inner : 0;
  scan_place at;
  at.q             = q;
  at.band          = (int)blockIdx.y;
  at.past          = past_rows(s, scan_state(s, q, at.band));
  at.first_channel = group * group_size + in_group;
  at.n_channels    = min(SHAPE::CHANNELS, group_size - in_group);
  at.first_head    = at.first_channel / s.headdim;
  at.n_heads =
    (at.first_channel + at.n_channels - 1) / s.headdim - at.first_head + 1;
  at.b_at = b_first + group * s.d_state;
  at.c_at = at.b_at + s.n_groups * s.d_state;
  return at;
}

/// Lay out shared memory
template <typename SHAPE>
__device__ scan_chunk scan_arrays(const gpu_scan& s, float* shared)
{
  constexpr int STEPS = SHAPE::STEPS;
  const int     heads = scan_heads(s, SHAPE::CHANNELS);
  scan_chunk    here;
  here.taps   = shared;
  here.bias   = here.taps + 4 * SHAPE::WIDTH;
  here.raw    = here.bias + SHAPE::WIDTH;
  here.z      = here.raw + (scan_past(s) + STEPS) * SHAPE::WIDTH;
  here.x      = here.z + STEPS * SHAPE::CHANNELS;
  here.b      = here.x + STEPS * SHAPE::CHANNELS;
  here.c      = here.b + STEPS * SHAPE::STATES;
  here.dt     = here.c + STEPS * SHAPE::STATES;
  here.decay  = here.dt + STEPS * heads;
  here.raw_dt = here.decay + STEPS * heads;
  return here;
}

/**
 * One band of one segment, some channels.
 *
 * FINAL: from a state of zeros, for the last state alone, and the sum of dt.
 * SIZE: of copies, 16 where all columns and strides are multiples of four.
 */
template <typename SHAPE, bool FINAL, int SIZE>
__global__ __launch_bounds__(SCAN_THREADS) void scan_kernel(gpu_scan      s,
                                                            gpu_scan_rows rows,
                                                            gpu_batch     batch,
                                                            int    n_blocks,
                                                            float* starts,
                                                            float* totals)
{
  constexpr float LOG2_E = 1.44269504f;
  constexpr int   OWN    = SHAPE::OWN;
  GPU_SHARED(float, shared);
  const int          number  = (int)blockIdx.x / n_blocks;
  const gpu_segment  segment = batch.segments[number];
  const gpu_sequence q       = batch.sequences[segment.sequence];
  if (FINAL && segment.is_last) {
    return;
  }
  const scan_chunk here  = scan_arrays<SHAPE>(s, shared);
  const scan_place at    = scan_find<SHAPE>(s, q, (int)blockIdx.x % n_blocks);
  const int        heads = scan_heads(s, SHAPE::CHANNELS);

  scan_own<OWN> own;
  own.channel           = (int)threadIdx.x / SHAPE::LANES;
  own.part              = (int)threadIdx.x % SHAPE::LANES;
  own.first_lane        = (int)threadIdx.x % GPU_WARP - own.part;
  const bool is_live    = own.channel < at.n_channels;
  const int  channel    = at.first_channel + (is_live ? own.channel : 0);
  const int  head       = channel / s.headdim;
  own.head              = head - at.first_head;
  own.d                 = is_live ? s.d[head] : 0.0f;
  own.total             = 0.0f;
  const int64_t n_heads = s.d_inner / s.headdim;
  float* const  state   = scan_state(s, q, at.band);
  const int64_t place   = (int64_t)number * s.n_bands + at.band;
  float* const  start =
    segment.is_cut ? starts + place * s.d_inner * s.d_state : state;
#pragma unroll
  for (int i = 0; i < OWN; ++i) {
    const int  n        = own.part * OWN + i;
    const bool is_state = is_live && n < s.d_state;
    own.h[i] = !FINAL && is_state ? start[channel * s.d_state + n] : 0.0f;
    own.a[i] =
      !SHAPE::SSD && is_state ? s.a[channel * s.d_state + n] * LOG2_E : 0.0f;
  }

  constexpr int64_t STEPS = SHAPE::STEPS;
  scan_taps<SHAPE>(s, at, here);
  scan_load<SHAPE, FINAL, SIZE>(s, rows, at, segment.first,
                                (int)min(STEPS, segment.n_frames), here);
  for (int64_t done = 0; done < segment.n_frames; done += STEPS) {
    const int64_t first   = segment.first + done;
    const int     n_steps = (int)min(STEPS, segment.n_frames - done);
    const int     n_next  = (int)min(STEPS, segment.n_frames - done - n_steps);
    copy_wait();
    __syncthreads();
    scan_prepare<SHAPE, FINAL>(s, at, n_steps, here);
    __syncthreads();
    if (n_next) {
      scan_load<SHAPE, FINAL, SIZE>(s, rows, at, first + STEPS, n_next, here);
    }
    if (!FINAL) {
      scan_load_z<SHAPE, SIZE>(s, rows, at, first, n_steps, here);
    }
    scan_steps<SHAPE, FINAL>(here, heads, own);
    if (!FINAL) {
      copy_wait();
      __syncthreads();
      scan_store<SHAPE, SIZE>(s, rows, at, first, n_steps, here);
    }
  }

  float* const last = FINAL ? start : state;
  if (!is_live || !(FINAL || segment.is_last)) {
    return;
  }
#pragma unroll
  for (int i = 0; i < OWN; ++i) {
    const int n = own.part * OWN + i;
    if (n < s.d_state) {
      last[channel * s.d_state + n] = own.h[i];
    }
  }
  if (FINAL && own.part == 0 && channel % s.headdim == 0) {
    totals[place * n_heads + head] = own.total;
  }
}

#endif /* MAUDIO_SCAN_KERNEL_CUH */

/** @file
 * The scan of one band of one segment, a chunk of steps at a time: while a
 * chunk is scanned the next one is on its way to shared memory.
 */
#ifndef MAUDIO_SCAN_KERNEL_CUH
#define MAUDIO_SCAN_KERNEL_CUH

#include "scan_chunk.cuh"

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

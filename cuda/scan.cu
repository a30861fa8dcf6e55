#include "scan.h"

#include "scan_kernel.cuh"

namespace
{

constexpr int N_THREADS = 256;

/// SiLU of the convolution that ends with frame `t` of a slice
__device__ float conv_silu(const gpu_scan&     s,
                           const gpu_sequence& q,
                           int                 band,
                           const float*        x,
                           int64_t             x_stride,
                           const float*        past,
                           int64_t             t,
                           int                 column)
{
  float y = s.conv_bias[column];
  for (int k = 0; k < s.d_conv; ++k) {
    const int64_t from = t - (s.d_conv - 1) + k;
    const float   tap  = from >= 0
                           ? x[scan_row(s, q, from, band) * x_stride + column]
                           : past[(from + s.d_conv - 1) * s.n_conv + column];
    y                  = fmaf(s.conv_weight[k * s.n_conv + column], tap, y);
  }
  return silu(y);
}

/// From what each segment adds to the state, the state it starts with
__global__ __launch_bounds__(N_THREADS) void carry_kernel(gpu_scan     s,
                                                          gpu_batch    batch,
                                                          float*       starts,
                                                          const float* totals)
{
  const gpu_cut cut  = batch.cuts[blockIdx.y];
  const int     band = (int)blockIdx.z;
  const int64_t size = (int64_t)s.d_inner * s.d_state;
  const int64_t i    = (int64_t)blockIdx.x * N_THREADS + threadIdx.x;
  if (i >= size) {
    return;
  }
  const int64_t n_heads = s.d_inner / s.headdim;
  const int64_t head    = i / s.d_state / s.headdim;
  const float   a       = s.is_ssd ? s.a[head] : s.a[i];
  float         h       = scan_state(s, batch.sequences[cut.sequence], band)[i];
  for (int k = 0; k < cut.n_segments; ++k) {
    const int64_t place   = (int64_t)(cut.first_segment + k) * s.n_bands + band;
    const bool    is_last = k == cut.n_segments - 1;
    const float   added   = is_last ? 0.0f : starts[place * size + i];
    starts[place * size + i] = h;
    if (!is_last) {
      h = fmaf(expf(a * totals[place * n_heads + head]), h, added);
    }
  }
}

__global__ __launch_bounds__(N_THREADS) void conv_kernel(gpu_scan     s,
                                                         const float* x,
                                                         int64_t      x_stride,
                                                         float*       y,
                                                         gpu_batch    batch)
{
  const gpu_segment  segment = batch.segments[blockIdx.x];
  const gpu_sequence q       = batch.sequences[segment.sequence];
  const int          band    = (int)blockIdx.y;
  const float* const past    = past_rows(s, scan_state(s, q, band));
  for (int64_t i = threadIdx.x; i < segment.n_frames * s.n_conv;
       i += N_THREADS) {
    const int64_t t      = segment.first + i / s.n_conv;
    const int     column = (int)(i % s.n_conv);
    y[scan_row(s, q, t, band) * s.n_conv + column] =
      conv_silu(s, q, band, x, x_stride, past, t, column);
  }
}

__global__ __launch_bounds__(N_THREADS) void keep_kernel(gpu_scan     s,
                                                         const float* x,
                                                         int64_t      x_stride,
                                                         gpu_batch    batch)
{
  const gpu_sequence q      = batch.sequences[blockIdx.x];
  const int          band   = (int)blockIdx.y;
  const int          n_past = s.d_conv - 1;
  float* const past = scan_state(s, q, band) + (int64_t)s.d_inner * s.d_state;
  for (int column = threadIdx.x; column < s.n_conv; column += N_THREADS) {
    for (int k = 0; k < n_past; ++k) {
      const int64_t t = q.n_frames - n_past + k;
      past[k * s.n_conv + column] =
        t >= 0 ? x[scan_row(s, q, t, band) * x_stride + column]
               : past[(t + n_past) * s.n_conv + column];
    }
  }
}

/// Whether all columns that are copied begin at multiples of four
bool is_aligned(const gpu_scan& s, const gpu_scan_rows& r)
{
  const int64_t all = s.d_inner | s.d_state | s.n_conv | s.state_at |
                      s.d_inner / s.n_groups | r.x_stride | r.z_stride |
                      r.b_stride | r.y_stride | (s.is_ssd ? 0 : r.dt_stride);
  const uintptr_t pointers = (uintptr_t)r.x | (uintptr_t)r.z | (uintptr_t)r.b |
                             (uintptr_t)r.y | (s.is_ssd ? 0 : (uintptr_t)r.dt);
  return all % 4 == 0 && pointers % 16 == 0;
}

template <typename SHAPE, int SIZE>
void launch(const gpu_scan*      s,
            const gpu_scan_rows* rows,
            const gpu_batch*     batch,
            float*               work,
            cudaStream_t         stream)
{
  const size_t  shared   = sizeof(float) * scan_shared<SHAPE>(*s);
  const int     n_blocks = gpu_scan_blocks(s);
  const dim3    cut((unsigned)batch->n_cut_segments * n_blocks, s->n_bands);
  const dim3    all((unsigned)batch->n_segments * n_blocks, s->n_bands);
  const int64_t size = (int64_t)s->d_inner * s->d_state;
  float* const  totals =
    work + (int64_t)batch->n_cut_segments * s->n_bands * size;
  if (batch->n_cuts) {
    cudaFuncSetAttribute((scan_kernel<SHAPE, true, SIZE>),
                         cudaFuncAttributeMaxDynamicSharedMemorySize,
                         (int)shared);
    GPU_LAUNCH((scan_kernel<SHAPE, true, SIZE>), cut, SCAN_THREADS, shared,
               stream, *s, *rows, *batch, n_blocks, work, totals);
    GPU_LAUNCH(carry_kernel,
               dim3((unsigned)((size + N_THREADS - 1) / N_THREADS),
                    batch->n_cuts, s->n_bands),
               N_THREADS, 0, stream, *s, *batch, work, totals);
  }
  cudaFuncSetAttribute((scan_kernel<SHAPE, false, SIZE>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize,
                       (int)shared);
  GPU_LAUNCH((scan_kernel<SHAPE, false, SIZE>), all, SCAN_THREADS, shared,
             stream, *s, *rows, *batch, n_blocks, work, totals);
}

/// Lanes that share a channel
int lanes_of(int d_state)
{
  return d_state <= 16 ? 2 : d_state <= 64 ? 8 : GPU_WARP;
}

template <bool SSD>
void run(const gpu_scan*      s,
         const gpu_scan_rows* rows,
         const gpu_batch*     batch,
         float*               work,
         cudaStream_t         stream)
{
  const bool aligned = is_aligned(*s, *rows);
  if (s->d_state <= 16 && aligned) {
    launch<scan_shape<SSD, 2, 8>, 16>(s, rows, batch, work, stream);
  } else if (s->d_state <= 16) {
    launch<scan_shape<SSD, 2, 8>, 4>(s, rows, batch, work, stream);
  } else if (s->d_state <= 64 && aligned) {
    launch<scan_shape<SSD, 8, 8>, 16>(s, rows, batch, work, stream);
  } else if (s->d_state <= 64) {
    launch<scan_shape<SSD, 8, 8>, 4>(s, rows, batch, work, stream);
  } else if (s->d_state <= 256) {
    launch<scan_shape<SSD, GPU_WARP, 8>, 4>(s, rows, batch, work, stream);
  } else {
    launch<scan_shape<SSD, GPU_WARP, 32>, 4>(s, rows, batch, work, stream);
  }
}

} // namespace

size_t gpu_scan_state(const gpu_scan* s)
{
  return (size_t)s->n_bands * ((size_t)s->d_inner * (size_t)s->d_state +
                               (size_t)(s->d_conv - 1) * (size_t)s->n_conv);
}

size_t gpu_scan_work(const gpu_scan* s, size_t n)
{
  return n * (size_t)s->n_bands * (size_t)s->d_inner * (size_t)(s->d_state + 1);
}

int gpu_scan_blocks(const gpu_scan* s)
{
  const int n_channels = SCAN_THREADS / lanes_of(s->d_state);
  const int group_size = s->d_inner / s->n_groups;
  return s->n_groups * ((group_size + n_channels - 1) / n_channels);
}

void gpu_scan_run(const gpu_scan*      scan,
                  const gpu_scan_rows* rows,
                  const gpu_batch*     batch,
                  float*               work,
                  cudaStream_t         stream)
{
  if (scan->is_ssd) {
    run<true>(scan, rows, batch, work, stream);
  } else {
    run<false>(scan, rows, batch, work, stream);
  }
}

void gpu_scan_conv(const gpu_scan*  scan,
                   const float*     x,
                   int64_t          x_stride,
                   float*           y,
                   const gpu_batch* batch,
                   cudaStream_t     stream)
{
  GPU_LAUNCH(conv_kernel,
             dim3((unsigned)batch->n_segments, (unsigned)scan->n_bands),
             N_THREADS, 0, stream, *scan, x, x_stride, y, *batch);
}

void gpu_scan_keep(const gpu_scan*  scan,
                   const float*     x,
                   int64_t          x_stride,
                   const gpu_batch* batch,
                   cudaStream_t     stream)
{
  GPU_LAUNCH(keep_kernel,
             dim3((unsigned)batch->n_sequences, (unsigned)scan->n_bands),
             N_THREADS, 0, stream, *scan, x, x_stride, *batch);
}

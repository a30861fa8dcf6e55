#include "bands.h"

#include "device.cuh"

namespace
{

constexpr int      N_THREADS   = 256;
constexpr unsigned MOST_BLOCKS = 65536;

__global__ __launch_bounds__(N_THREADS) void copy_kernel(const float* from,
                                                         int64_t from_stride,
                                                         float*  to,
                                                         int64_t to_stride,
                                                         int64_t n_floats,
                                                         int64_t n_all)
{
  for (int64_t i = (int64_t)blockIdx.x * N_THREADS + threadIdx.x; i < n_all;
       i += (int64_t)gridDim.x * N_THREADS) {
    const int64_t frame        = i / n_floats;
    const int64_t at           = i % n_floats;
    to[frame * to_stride + at] = from[frame * from_stride + at];
  }
}

} // namespace

void gpu_bands_copy(const float* from,
                    int64_t      from_stride,
                    float*       to,
                    int64_t      to_stride,
                    int64_t      n_floats,
                    int64_t      n_frames,
                    cudaStream_t stream)
{
  const int64_t n_all    = n_floats * n_frames;
  const int64_t n_blocks = (n_all + N_THREADS - 1) / N_THREADS;
  GPU_LAUNCH(
    copy_kernel, (unsigned)(n_blocks < MOST_BLOCKS ? n_blocks : MOST_BLOCKS),
    N_THREADS, 0, stream, from, from_stride, to, to_stride, n_floats, n_all);
}

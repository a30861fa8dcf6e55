#include "mlp.h"

#include "device.cuh"

namespace
{

constexpr int      N_THREADS   = 256;
constexpr unsigned MOST_BLOCKS = 65536;

__global__ __launch_bounds__(N_THREADS) void hidden_kernel(float*  rows,
                                                           int64_t n_rows,
                                                           int64_t stride,
                                                           int     d_hidden)
{
  for (int64_t i = (int64_t)blockIdx.x * N_THREADS + threadIdx.x;
       i < n_rows * d_hidden; i += (int64_t)gridDim.x * N_THREADS) {
    float* const gate = rows + i / d_hidden * stride + i % d_hidden;
    *gate             = silu(*gate) * gate[d_hidden];
  }
}

} // namespace

void gpu_mlp_hidden(float*       rows,
                    int64_t      n_rows,
                    int64_t      stride,
                    int          d_hidden,
                    cudaStream_t stream)
{
  const int64_t n_blocks = (n_rows * d_hidden + N_THREADS - 1) / N_THREADS;
  GPU_LAUNCH(hidden_kernel,
             (unsigned)(n_blocks < MOST_BLOCKS ? n_blocks : MOST_BLOCKS),
             N_THREADS, 0, stream, rows, n_rows, stride, d_hidden);
}

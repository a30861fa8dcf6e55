/* The scans by themselves, against what the card allows: the time to move their
 * bytes and the time of their exponentials, both measured here.
 *
 * Usage: maudio-bench-cuda-scan
 */
#include "device.cuh"
#include "scan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace
{

void check(cudaError_t result)
{
  if (result != cudaSuccess) {
    std::fprintf(stderr, "maudio-bench-cuda-scan: %s\n",
                 cudaGetErrorString(result));
    std::exit(EXIT_FAILURE);
  }
}

__global__ void
fill_kernel(float* x, size_t n, float least, float most, unsigned seed)
{
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n;
       i += (size_t)gridDim.x * blockDim.x) {
    unsigned h = (unsigned)i * 2654435761U + seed;
    h ^= h >> 15;
    h *= 2246822519U;
    h ^= h >> 13;
    x[i] = least + (most - least) * (float)(h >> 8) / 16777216.0f;
  }
}

/// Floats on the GPU, evenly spread from `least` to `most`
float* random_floats(size_t n, float least, float most)
{
  static unsigned seed = 1;
  float*          x    = nullptr;
  check(cudaMalloc(&x, n * sizeof(float)));
  fill_kernel<<<1024, 256>>>(x, n, least, most, seed++);
  check(cudaGetLastError());
  return x;
}

__global__ void copy_kernel(const float4* from, float4* to, size_t n)
{
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n;
       i += (size_t)gridDim.x * blockDim.x) {
    to[i] = from[i];
  }
}

/// Independent exponentials: the fast instruction, nothing else to speak of
__global__ void exp_kernel(float* x, int n_rounds)
{
  constexpr int WIDTH = 16;
  float         v[WIDTH];
  for (int i = 0; i < WIDTH; ++i) {
    v[i] = x[threadIdx.x] + (float)i;
  }
  for (int r = 0; r < n_rounds; ++r) {
#pragma unroll
    for (int i = 0; i < WIDTH; ++i) {
      asm volatile("ex2.approx.ftz.f32 %0, %0;" : "+f"(v[i]));
    }
  }
  float sum = 0.0f;
  for (int i = 0; i < WIDTH; ++i) {
    sum += v[i];
  }
  if (sum == 12345.0f) {
    x[0] = sum;
  }
}

/// Median milliseconds
template <typename F> double time_of(F work)
{
  cudaEvent_t begin;
  cudaEvent_t end;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  std::vector<float> ms(9);
  work();
  work();
  for (float& one : ms) {
    check(cudaEventRecord(begin));
    work();
    check(cudaEventRecord(end));
    check(cudaEventSynchronize(end));
    check(cudaEventElapsedTime(&one, begin, end));
  }
  check(cudaGetLastError());
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

/// Bytes a second of a copy, those read and those written
double copy_rate()
{
  const size_t n    = (size_t)1 << 28; // float4: 4 GiB each way
  float* const from = random_floats(4 * n, -1.0f, 1.0f);
  float* const to   = random_floats(4 * n, -1.0f, 1.0f);
  const double ms   = time_of([&] {
    copy_kernel<<<4096, 256>>>(reinterpret_cast<const float4*>(from),
                               reinterpret_cast<float4*>(to), n);
  });
  cudaFree(from);
  cudaFree(to);
  return 2.0 * sizeof(float4) * (double)n / ms * 1e3;
}

/// Exponentials a second
double exp_rate(int n_processors)
{
  const int    n_rounds = 4096;
  const int    n_blocks = n_processors * 8;
  float* const x        = random_floats(256, -1.0f, 1.0f);
  const double ms =
    time_of([&] { exp_kernel<<<n_blocks, 256>>>(x, n_rounds); });
  cudaFree(x);
  return 16.0 * n_rounds * n_blocks * 256.0 / ms * 1e3;
}

struct layout {
  gpu_batch          batch;
  std::vector<void*> memory;
};

template <typename T> const T* upload(layout& l, const std::vector<T>& host)
{
  T* made = nullptr;
  check(cudaMalloc(&made, host.size() * sizeof(T)));
  check(cudaMemcpy(made, host.data(), host.size() * sizeof(T),
                   cudaMemcpyHostToDevice));
  l.memory.push_back(made);
  return made;
}

/// `n` sequences of `n_steps`, each cut in `n_parts`
layout
make_layout(int n, int64_t n_steps, int n_parts, float* state, size_t n_state)
{
  std::vector<gpu_sequence> sequences;
  std::vector<gpu_segment>  segments;
  std::vector<gpu_cut>      cuts;
  for (int i = 0; i < n; ++i) {
    sequences.push_back({i * n_steps, n_steps, state + (size_t)i * n_state});
    cuts.push_back({i, i * n_parts, n_parts});
    for (int k = 0; k < n_parts; ++k) {
      const int64_t first = n_steps * k / n_parts;
      segments.push_back({first, n_steps * (k + 1) / n_parts - first, i,
                          n_parts > 1, k == n_parts - 1});
    }
  }
  layout l               = {};
  l.batch.n_frames       = n * n_steps;
  l.batch.n_sequences    = n;
  l.batch.n_segments     = n * n_parts;
  l.batch.n_cuts         = n_parts > 1 ? n : 0;
  l.batch.n_cut_segments = n_parts > 1 ? n * n_parts : 0;
  l.batch.sequences      = upload(l, sequences);
  l.batch.segments       = upload(l, segments);
  l.batch.cuts           = upload(l, cuts);
  return l;
}

/// A scan of `n` sequences of `n_steps` steps, 128 channels
void run(bool    is_ssd,
         int     d_state,
         int     n,
         int64_t n_steps,
         int     n_processors,
         double  bytes_a_second,
         double  exps_a_second)
{
  gpu_scan s        = {};
  s.is_ssd          = is_ssd;
  s.n_bands         = 1;
  s.d_inner         = 128;
  s.d_state         = d_state;
  s.d_conv          = 4;
  s.headdim         = is_ssd ? 32 : 1;
  s.n_groups        = 1;
  s.n_conv          = is_ssd ? 128 + 2 * d_state : 128;
  s.dt_max          = INFINITY;
  const int n_heads = s.d_inner / s.headdim;
  s.conv_weight     = random_floats((size_t)s.d_conv * s.n_conv, -0.5f, 0.5f);
  s.conv_bias       = random_floats((size_t)s.n_conv, -0.1f, 0.1f);
  s.dt_bias         = random_floats((size_t)n_heads, -4.0f, -2.0f);
  s.a = random_floats((size_t)(is_ssd ? n_heads : s.d_inner * d_state), -8.0f,
                      -0.5f);
  s.d = random_floats((size_t)n_heads, 0.5f, 1.0f);

  const size_t n_rows = (size_t)(n * n_steps);
  const int    width =
    is_ssd ? 2 * s.d_inner + 2 * d_state + n_heads : 2 * s.d_inner; // x, z
  const int     b_width = 2 * d_state;
  float* const  rows    = random_floats(n_rows * (size_t)width, -1.0f, 1.0f);
  float*        x       = nullptr;
  float*        b       = nullptr;
  float*        dt      = nullptr;
  gpu_scan_rows r       = {};
  if (is_ssd) { // z, x, B, C, dt in one row; y in place of z
    r.x        = rows + s.d_inner;
    r.z        = rows;
    r.dt       = rows + s.d_inner + s.n_conv;
    r.y        = rows;
    r.x_stride = r.z_stride = r.dt_stride = r.y_stride = width;
  } else {
    x          = random_floats(n_rows * (size_t)s.d_inner, -1.0f, 1.0f);
    b          = random_floats(n_rows * (size_t)b_width, -1.0f, 1.0f);
    dt         = random_floats(n_rows * (size_t)s.d_inner, -4.0f, -2.0f);
    r.x        = x;
    r.z        = rows + s.d_inner;
    r.b        = b;
    r.dt       = dt;
    r.y        = rows;
    r.x_stride = r.dt_stride = s.d_inner;
    r.z_stride = r.y_stride = width;
    r.b_stride              = b_width;
  }

  // As the engine cuts: 16 blocks of threads for each processor
  const int64_t wanted = (int64_t)n_processors * 16;
  const int     n_parts =
    (int)std::max<int64_t>(1, wanted / n / gpu_scan_blocks(&s));
  const size_t n_state = gpu_scan_state(&s);
  float* const state   = random_floats(n_state * (size_t)n, 0.0f, 0.0f);
  layout       l       = make_layout(n, n_steps, n_parts, state, n_state);
  float* const work    = random_floats(
       gpu_scan_work(&s, (size_t)n * (size_t)n_parts) + 1, 0.0f, 0.0f);

  const double ms =
    time_of([&] { gpu_scan_run(&s, &r, &l.batch, work, nullptr); });

  // Every input once, every output once
  const double floats = is_ssd ? width + s.d_inner : 4.0 * s.d_inner + b_width;
  const double exps   = is_ssd ? n_heads : (double)s.d_inner * d_state;
  const double memory_ms = (double)n_rows * floats * 4.0 / bytes_a_second * 1e3;
  const double exp_ms    = (double)n_rows * exps / exps_a_second * 1e3;
  std::printf("%-8s N %3d  batch %3d of %7lld steps in %4d parts  %8.3f ms  "
              "bytes %7.3f ms (%5.2fx)  exp %7.3f ms (%5.2fx)\n",
              is_ssd ? "mamba-2" : "mamba", d_state, n, (long long)n_steps,
              n_parts, ms, memory_ms, ms / memory_ms, exp_ms, ms / exp_ms);
  std::fflush(stdout);
  for (void* p : l.memory) {
    cudaFree(p);
  }
  const float* const used[] = {
    s.conv_weight, s.conv_bias, s.dt_bias, s.a, s.d, rows, x, b, dt,
    state,         work};
  for (const float* p : used) {
    cudaFree(const_cast<float*>(p));
  }
}

} // namespace

int main()
{
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0));
  const double bytes = copy_rate();
  const double exps  = exp_rate(properties.multiProcessorCount);
  std::printf("%s: copies %.0f GB/s, exponentials %.0f G/s\n", properties.name,
              bytes / 1e9, exps / 1e9);
  for (const bool is_ssd : {false, true}) {
    for (const int d_state : {16, 64}) {
      run(is_ssd, d_state, 1, 960000, properties.multiProcessorCount, bytes,
          exps);
      run(is_ssd, d_state, 64, 15000, properties.multiProcessorCount, bytes,
          exps);
    }
  }
  return EXIT_SUCCESS;
}

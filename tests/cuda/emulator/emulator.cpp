#include "emulator.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include <limits>
#include <memory>
#include <vector>

emulator_thread* emulator_now;
uint3            emulator_block;
dim3             emulator_block_size;
dim3             emulator_grid_size;
float4*          emulator_shared;

namespace
{

constexpr size_t STACK = 64 * 1024;

struct pending_copy {
  float*       to;
  const float* from;
  int          size;
};

/// A thread; it lives on and runs one block after the other
struct fiber {
  emulator_thread           thread;
  std::vector<pending_copy> copies;
  std::unique_ptr<char[]>   stack;
  jmp_buf                   place; ///< Where it goes on
  bool                      is_done;
};

/// Threads that wait for each other
struct barrier {
  int      n_threads;
  int      n_arrived;
  unsigned round;
};

struct warp_exchange {
  barrier  wait;
  uint32_t words[32][6];
};

std::vector<std::unique_ptr<fiber>> fibers;
std::vector<warp_exchange>          warps;
barrier                             block_wait;
jmp_buf                             scheduler;
fiber*                              current;
const std::function<void()>*        current_body;

/// Let others run. Jumps do not ask the system, as changes of context do
void yield()
{
  if (!_setjmp(current->place)) {
    _longjmp(scheduler, 1);
  }
}

void release_if_full(barrier& b)
{
  if (b.n_threads && b.n_arrived == b.n_threads) {
    b.n_arrived = 0;
    ++b.round;
  }
}

void wait(barrier& b)
{
  const unsigned round = b.round;
  ++b.n_arrived;
  release_if_full(b);
  while (b.round == round) {
    yield();
  }
}

/// A thread that has ended is waited for no more
void leave(barrier& b)
{
  --b.n_threads;
  release_if_full(b);
}

warp_exchange& own_warp()
{
  return warps[(size_t)current->thread.number / 32];
}

void run_thread()
{
  for (;;) {
    yield();
    (*current_body)();
    current->is_done = true;
    leave(block_wait);
    leave(own_warp().wait);
  }
}

/// Make a thread that waits for its first block
void make_fiber()
{
  fibers.push_back(std::make_unique<fiber>());
  current        = fibers.back().get();
  current->stack = std::make_unique<char[]>(STACK);
  ucontext_t start;
  getcontext(&start);
  start.uc_stack.ss_sp   = current->stack.get();
  start.uc_stack.ss_size = STACK;
  start.uc_link          = nullptr;
  makecontext(&start, run_thread, 0);
  if (!_setjmp(scheduler)) {
    setcontext(&start);
  }
}

void start_threads(size_t n)
{
  const unsigned nx = emulator_block_size.x;
  const unsigned ny = emulator_block_size.y;
  while (fibers.size() < n) {
    make_fiber();
  }
  warps.assign((n + 31) / 32, {});
  block_wait = {(int)n, 0, 0};
  for (size_t i = 0; i < n; ++i) {
    fiber& f        = *fibers[i];
    f.is_done       = false;
    f.thread.number = (int)i;
    f.thread.index  = {(unsigned)i % nx, (unsigned)i / nx % ny,
                       (unsigned)i / nx / ny};
    ++warps[i / 32].wait.n_threads;
  }
}

void run_block()
{
  const size_t n = (size_t)emulator_block_size.x * emulator_block_size.y *
                   emulator_block_size.z;
  start_threads(n);
  // Any order has to do
  static const bool backwards = getenv("EMULATOR_BACKWARDS") != nullptr;
  while (block_wait.n_threads) {
    for (volatile size_t k = 0; k < n; k = k + 1) {
      const size_t i = backwards ? n - 1 - k : k;
      if (!fibers[i]->is_done) {
        current      = fibers[i].get();
        emulator_now = &current->thread;
        if (!_setjmp(scheduler)) {
          _longjmp(current->place, 1);
        }
      }
    }
  }
}

float tf32(uint32_t bits)
{
  return __uint_as_float(bits & 0xFFFFE000U);
}

float bf16(uint32_t pair, int half)
{
  return __uint_as_float(half ? pair & 0xFFFF0000U : pair << 16);
}

/// Show the operands of a lane to its warp
warp_exchange& exchange(const uint32_t* words)
{
  warp_exchange& w = own_warp();
  memcpy(w.words[current->thread.number % 32], words, sizeof w.words[0]);
  wait(w.wait);
  return w;
}

} // namespace

void emulator_launch(dim3                         grid,
                     dim3                         block,
                     size_t                       shared_size,
                     const std::function<void()>& body)
{
  cudaDeviceProp properties;
  cudaGetDeviceProperties(&properties, 0);
  if (shared_size > properties.sharedMemPerBlockOptin) {
    fprintf(stderr, "emulator: %zu bytes of shared memory asked for\n",
            shared_size);
    abort();
  }
  std::vector<float4> shared(shared_size / sizeof(float4) + 1);
  emulator_shared     = shared.data();
  emulator_block_size = block;
  emulator_grid_size  = grid;
  current_body        = &body;
  const float nan     = std::numeric_limits<float>::quiet_NaN();
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        emulator_block = {x, y, z};
        shared.assign(shared.size(), {nan, nan, nan, nan});
        run_block();
      }
    }
  }
}

void emulator_copy(float* to, const float* from, int size)
{
  if (((uintptr_t)to | (uintptr_t)from) % (uintptr_t)size) {
    fprintf(stderr, "emulator: a copy of %d bytes is not aligned\n", size);
    abort();
  }
  current->copies.push_back({to, from, size});
}

void copy_wait()
{
  for (const pending_copy& c : current->copies) {
    memcpy(c.to, c.from, (size_t)c.size);
  }
  current->copies.clear();
}

void __syncthreads()
{
  wait(block_wait);
}

void __syncwarp()
{
  wait(own_warp().wait);
}

uint32_t emulator_shuffle(uint32_t bits, int source)
{
  const uint32_t words[6] = {bits};
  warp_exchange& w        = exchange(words);
  const uint32_t result   = w.words[source % 32][0];
  wait(w.wait);
  return result;
}

void mma_tf32(float* d,
              float  a0,
              float  a1,
              float  a2,
              float  a3,
              float  b0,
              float  b1)
{
  const uint32_t words[6] = {__float_as_uint(a0), __float_as_uint(a1),
                             __float_as_uint(a2), __float_as_uint(a3),
                             __float_as_uint(b0), __float_as_uint(b1)};
  warp_exchange& w        = exchange(words);
  const int      lane     = emulator_lane();
  for (int i = 0; i < 4; ++i) {
    const int row    = lane / 4 + i / 2 * 8;
    const int column = lane % 4 * 2 + i % 2;
    float     sum    = 0.0f;
    for (int k = 0; k < 8; ++k) {
      const float a = tf32(w.words[row % 8 * 4 + k % 4][row / 8 + k / 4 * 2]);
      const float b = tf32(w.words[column * 4 + k % 4][4 + k / 4]);
      sum += a * b;
    }
    d[i] += sum;
  }
  wait(w.wait);
}

void mma_bf16(float*   d,
              uint32_t a0,
              uint32_t a1,
              uint32_t a2,
              uint32_t a3,
              uint32_t b0,
              uint32_t b1)
{
  const uint32_t words[6] = {a0, a1, a2, a3, b0, b1};
  warp_exchange& w        = exchange(words);
  const int      lane     = emulator_lane();
  for (int i = 0; i < 4; ++i) {
    const int row    = lane / 4 + i / 2 * 8;
    const int column = lane % 4 * 2 + i % 2;
    float     sum    = 0.0f;
    for (int k = 0; k < 16; ++k) {
      const int from = k % 8 / 2;
      sum += bf16(w.words[row % 8 * 4 + from][row / 8 + k / 8 * 2], k % 2) *
             bf16(w.words[column * 4 + from][4 + k / 8], k % 2);
    }
    d[i] += sum;
  }
  wait(w.wait);
}

/// Round to nearest, ties to even
static uint32_t round_bf16(float x)
{
  const uint32_t bits = __float_as_uint(x);
  return (bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16;
}

uint32_t pack_bf16(float low, float high)
{
  return round_bf16(low) | round_bf16(high) << 16;
}

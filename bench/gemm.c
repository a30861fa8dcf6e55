/* Products with weights in float32 and in int8, side by side on one core. */
#include "bench.h"
#include "kernels.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// A kind of product that models are made of
typedef struct {
  const char* what;
  size_t      n_rows;
  size_t      n_in;
  size_t      n_out;
  size_t      n_matrices; ///< Run in turn, as the layers of a model are
} shape;

static const shape shapes[] = {
  {"voice: in_proj, a hop of 24 bands", 24, 64, 304, 4},
  {"voice: out_proj, a hop of 24 bands", 24, 128, 64, 4},
  {"one vector, in cache", 1, 256, 1040, 1},
  {"one vector", 1, 1024, 1024, 1},
  {"one vector, 64 matrices in turn", 1, 1024, 1024, 64},
  {"8 rows, 64 matrices in turn", 8, 1024, 1024, 64},
  {"64 rows", 64, 1024, 1024, 1}};

#define MAX_MATRICES 64
#define N_RUNS 15
#define RUN_SECONDS 0.02

typedef struct {
  maudio_gemm   gemm;
  float*        floats; ///< Weights of all matrices
  int8_t*       codes;
  float*        scales; ///< Of one matrix, the same for all
  int32_t*      sums;
  float*        x;
  float*        y;
  maudio_matrix as_floats[MAX_MATRICES];
  maudio_matrix as_codes[MAX_MATRICES];
} product;

/// Values do not matter to the time that it takes, unless they are subnormal
static void fill(float* x, size_t n)
{
  uint32_t random = 1;
  for (size_t i = 0; i < n; ++i) {
    random = random * 1664525U + 1013904223U;
    x[i]   = (float)(random >> 8) / 8388608.0f - 1.0f;
  }
}

static void product_free(product* p)
{
  free(p->floats);
  free(p->codes);
  free(p->scales);
  free(p->sums);
  free(p->x);
  free(p->y);
}

static void* new_bytes(size_t size)
{
  void* const bytes = aligned_alloc(64, (size + 63) / 64 * 64);
  return bytes ? memset(bytes, 0, size) : NULL;
}

static bool product_new(const shape* s, product* p)
{
  const size_t n        = s->n_in * s->n_out;
  const size_t n_slices = (s->n_in + MAUDIO_SLICE - 1) / MAUDIO_SLICE;
  *p = (product){.floats = new_bytes(s->n_matrices * n * sizeof(float)),
                 .codes  = new_bytes(s->n_matrices * n),
                 .scales = new_bytes(s->n_out * sizeof(float)),
                 .sums   = new_bytes(n_slices * s->n_out * sizeof(int32_t)),
                 .x      = new_bytes(s->n_rows * s->n_in * sizeof(float)),
                 .y      = new_bytes(s->n_rows * s->n_out * sizeof(float))};
  if (!p->floats || !p->codes || !p->scales || !p->sums || !p->x || !p->y) {
    return false;
  }
  fill(p->floats, s->n_matrices * n);
  fill(p->scales, s->n_out);
  fill(p->x, s->n_rows * s->n_in);
  for (size_t i = 0; i < s->n_matrices * n; ++i) {
    p->codes[i] = (int8_t)(127.0f * p->floats[i]);
  }
  // Every n_in here is a multiple of the group: only the order differs
  maudio_matrix matrix = {.n_in       = s->n_in,
                          .n_out      = s->n_out,
                          .in_step    = MAUDIO_LANES,
                          .panel_step = s->n_in * MAUDIO_LANES,
                          .sum_step   = s->n_out};
  for (size_t m = 0; m < s->n_matrices; ++m) {
    p->as_floats[m]       = matrix;
    p->as_floats[m].data  = p->floats + m * n;
    p->as_codes[m]        = matrix;
    p->as_codes[m].codes  = p->codes + m * n;
    p->as_codes[m].scales = p->scales;
    p->as_codes[m].sums   = p->sums;
  }
  p->gemm = (maudio_gemm){.x        = p->x,
                          .x_stride = s->n_in,
                          .n_rows   = s->n_rows,
                          .y        = p->y,
                          .y_stride = s->n_out};
  return true;
}

/// Run for some time; return multiply-accumulates per second of CPU time
static double measure(const maudio_kernels* kernels,
                      const shape*          s,
                      const maudio_matrix*  matrices,
                      maudio_gemm           gemm)
{
  double       macs  = 0.0;
  double       now   = 0.0;
  const double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  do {
    for (size_t m = 0; m < s->n_matrices; ++m) {
      gemm.w = matrices[m];
      kernels->gemm(&gemm);
    }
    macs += (double)s->n_matrices * (double)(s->n_rows * s->n_in * s->n_out);
    now = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  } while (now - start < RUN_SECONDS);
  return macs / (now - start);
}

/// The best of interleaved runs: other programs only ever take time
static bool compare(const maudio_kernels* kernels, const shape* s)
{
  product p;
  bool    made    = product_new(s, &p);
  double  float32 = 0.0;
  double  int8    = 0.0;
  for (size_t i = 0; made && i < N_RUNS; ++i) {
    const double a = measure(kernels, s, p.as_floats, p.gemm);
    const double b = measure(kernels, s, p.as_codes, p.gemm);
    float32        = a > float32 ? a : float32;
    int8           = b > int8 ? b : int8;
  }
  if (made) {
    printf("| %s | %zu x (%zu x %zu) | %s | %.1f | %.1f | %.2f |\n", s->what,
           s->n_rows, s->n_in, s->n_out, kernels->name, 1e-9 * float32,
           1e-9 * int8, int8 / float32);
  } else {
    fputs("maudio-bench-gemm: no memory\n", stderr);
  }
  product_free(&p);
  return made;
}

int main(void)
{
  static const char* const names[] = {"avx512vnni", "avx512", "avx2", "neon",
                                      "scalar"};
  puts("| product | rows x (inputs x outputs) | kernels | float32, GMAC/s "
       "| int8, GMAC/s | ratio |\n|---|---|---|---|---|---|");
  bool ok = true;
  for (size_t i = 0; ok && i < sizeof shapes / sizeof *shapes; ++i) {
    for (size_t k = 0; ok && k < sizeof names / sizeof *names; ++k) {
      const maudio_kernels* const kernels = maudio_kernels_find(names[k]);
      ok = !kernels || compare(kernels, &shapes[i]);
    }
  }
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

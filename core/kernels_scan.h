/** @file
 * Kernels of the scan of Mamba and of what ends a step of both scans; included
 * by kernels_body.h, once per instruction set.
 */
#ifndef MAUDIO_KERNELS_SCAN_H
#define MAUDIO_KERNELS_SCAN_H

#include "kernels.h"
#include "kernels_vector.h"

/// Skip and gate: y = (sum + D x) SiLU(z) of `vecs` vectors, constant
INLINE void gate(const float* d,
                 const float* x,
                 const float* z,
                 const size_t vecs,
                 const vec*   sums,
                 float*       y)
{
  vec gates[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    gates[v] = load(z + v * VEC_LANES);
  }
  vecs_silu(gates, vecs);
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    const size_t at = v * VEC_LANES;
    store(y + at, madd(load(d + at), load(x + at), sums[v]) * gates[v]);
  }
}

static void s6_step(const maudio_s6* s, const maudio_scan* t)
{
  for (size_t i = 0; i < s->n; i += VEC_LANES) {
    const size_t block =
      i / MAUDIO_LANES * MAUDIO_LANES * s->d_state + i % MAUDIO_LANES;
    const vec dt    = load(t->dt + i);
    const vec u     = dt * load(t->x + i);
    vec       total = {0};
    for (size_t k = 0; k < s->d_state; ++k) {
      const size_t at    = block + k * MAUDIO_LANES;
      const vec    decay = vec_exp(dt * load(s->a + at));
      const vec    h     = madd(decay, load(t->h + at), u * splat(t->b[k]));
      store(t->h + at, h);
      total = madd(splat(t->c[k]), h, total);
    }
    gate(s->d + i, t->x + i, t->z + i, 1, &total, t->y + i);
  }
}

#endif /* MAUDIO_KERNELS_SCAN_H */

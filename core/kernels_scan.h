/** @file
 * Kernels of the scans: convolutions and steps of Mamba and Mamba-2; included
 * by kernels_body.h, once per instruction set.
 */
#ifndef MAUDIO_KERNELS_SCAN_H
#define MAUDIO_KERNELS_SCAN_H

#include "kernels.h"
#include "kernels_vector.h"

/// `vecs` vectors of channels from `i` on, of n_past + 1 taps; both constant
INLINE void conv_channels(const float* weight,
                          const float* bias,
                          const size_t n_past,
                          size_t       n,
                          float*       past,
                          float*       x,
                          size_t       i,
                          const size_t vecs)
{
  vec y[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v, i += VEC_LANES) {
    y[v] = load(bias + i);
#pragma GCC unroll 3
    for (size_t k = 0; k < n_past; ++k) {
      const vec tap = load(past + k * n + i);
      y[v]          = madd(load(weight + k * n + i), tap, y[v]);
      if (k) {
        store(past + (k - 1) * n + i, tap);
      }
    }
    const vec newest = load(x + i);
    y[v]             = madd(load(weight + n_past * n + i), newest, y[v]);
    if (n_past) {
      store(past + (n_past - 1) * n + i, newest);
    }
  }
  vecs_silu(y, vecs);
  x += i - vecs * VEC_LANES;
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    store(x + v * VEC_LANES, y[v]);
  }
}

/// As maudio_kernels.conv_silu(), of n_past + 1 taps, perhaps constant
INLINE void conv_taps(const float* weight,
                      const float* bias,
                      const size_t n_past,
                      size_t       n,
                      float*       past,
                      float*       x)
{
  const size_t step = (size_t)VEC_SIDES * VEC_LANES;
  size_t       i    = 0;
  for (; i + step <= n; i += step) {
    conv_channels(weight, bias, n_past, n, past, x, i, VEC_SIDES);
  }
  for (; i < n; i += VEC_LANES) {
    conv_channels(weight, bias, n_past, n, past, x, i, 1);
  }
}

static void conv_silu(const float* weight,
                      const float* bias,
                      size_t       d_conv,
                      size_t       n,
                      float*       past,
                      float*       x)
{
  if (d_conv == 4) {
    conv_taps(weight, bias, 3, n, past, x);
  } else {
    conv_taps(weight, bias, d_conv - 1, n, past, x);
  }
}

/// Channels of a scan from `i` on, `vecs` vectors of them, constant: the state
/// update, read-out and gate. `d` and `u` are their decays and dt x
INLINE void ssd_channels(const maudio_ssd*  s,
                         const maudio_scan* t,
                         size_t             group,
                         size_t             i,
                         const size_t       vecs,
                         const vec*         d,
                         const vec*         u)
{
  const size_t       d_state = s->d_state;
  const float* const b       = t->b + group * d_state;
  const float* const c       = t->c + group * d_state;
  float* const       h       = t->h + i * d_state;
  vec                y[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    y[v] = splat(0.0f);
  }
  for (size_t n = 0; n < d_state; ++n) {
    const vec bn = splat(b[n]);
    const vec cn = splat(c[n]);
    UNROLL
    for (size_t v = 0; v < vecs; ++v) {
      float* const at =
        h + (v / VECS * d_state + n) * MAUDIO_LANES + v % VECS * VEC_LANES;
      const vec hn = madd(d[v], load(at), u[v] * bn);
      store(at, hn);
      y[v] = madd(cn, hn, y[v]);
    }
  }
  vec gates[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    gates[v] = load(t->z + i + v * VEC_LANES);
  }
  vecs_silu(gates, vecs);
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    const size_t j = i + v * VEC_LANES;
    const vec    x = madd(load(s->d + j), load(t->x + j), y[v]);
    store(t->y + j, x * gates[v]);
  }
}

/// Channels from `i` on, `vecs` vectors of them, each within one head
INLINE void ssd_heads(const maudio_ssd*  s,
                      const maudio_scan* t,
                      size_t             group,
                      size_t             i,
                      const size_t       vecs)
{
  vec d[VEC_SIDES];
  vec u[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    const size_t head = (i + v * VEC_LANES) / s->headdim;
    d[v]              = splat(t->decay[head]);
    u[v]              = splat(t->dt[head]) * load(t->x + i + v * VEC_LANES);
  }
  ssd_channels(s, t, group, i, vecs, d, u);
}

/// A group whose heads end within vectors
static void
ssd_small_heads(const maudio_ssd* s, const maudio_scan* t, size_t group)
{
  const size_t group_size    = s->n_heads * s->headdim;
  float* const channel_dt    = t->work; // (group_pad + LANES)
  float* const channel_decay = t->work + s->group_pad + MAUDIO_LANES;
  // Each head in ascending order writes past its end, into the next one
  for (size_t head = 0; head < s->n_heads; ++head) {
    const vec head_dt    = splat(t->dt[group * s->n_heads + head]);
    const vec head_decay = splat(t->decay[group * s->n_heads + head]);
    for (size_t i = 0; i < s->headdim; i += VEC_LANES) {
      store(channel_dt + head * s->headdim + i, head_dt);
      store(channel_decay + head * s->headdim + i, head_decay);
    }
  }
  for (size_t i = group_size; i < s->group_pad; ++i) {
    channel_dt[i]    = 0.0f;
    channel_decay[i] = 0.0f;
  }
  for (size_t i = 0; i < s->group_pad; i += MAUDIO_LANES) {
    const size_t at = group * s->group_pad + i;
    vec          d[VECS];
    vec          u[VECS];
    for (size_t v = 0; v < VECS; ++v) {
      const size_t j = v * VEC_LANES;
      d[v]           = load(channel_decay + i + j);
      u[v]           = load(channel_dt + i + j) * load(t->x + at + j);
    }
    ssd_channels(s, t, group, at, VECS, d, u);
  }
}

static void ssd_step(const maudio_ssd* s, const maudio_scan* t)
{
  const size_t step = (size_t)VEC_SIDES * VEC_LANES;
  for (size_t g = 0; g < s->n_groups; ++g) {
    if (s->headdim % MAUDIO_LANES) {
      ssd_small_heads(s, t, g);
      continue;
    }
    size_t       i   = g * s->group_pad;
    const size_t end = i + s->group_pad;
    for (; i + step <= end; i += step) {
      ssd_heads(s, t, g, i, VEC_SIDES);
    }
    for (; i < end; i += MAUDIO_LANES) {
      ssd_heads(s, t, g, i, VECS);
    }
  }
}

/// Skip and gate: (y + D x) SiLU(z)
INLINE void
gate(const float* d, const float* x, const float* z, vec y, float* to)
{
  store(to, madd(load(d), load(x), y) * vec_silu(load(z)));
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
    gate(s->d + i, t->x + i, t->z + i, total, t->y + i);
  }
}

#endif /* MAUDIO_KERNELS_SCAN_H */

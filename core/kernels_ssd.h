/** @file
 * Kernel of the scan of Mamba-2; included by kernels_body.h, once per
 * instruction set.
 */
#ifndef MAUDIO_KERNELS_SSD_H
#define MAUDIO_KERNELS_SSD_H

#include "kernels.h"
#include "kernels_scan.h"
#include "kernels_vector.h"

/// Rows of a pass of a scan
#define SSD_ROWS 8

/// Rows from which states stay in registers between them
#define SSD_MANY 3

/// States of so many vectors of channels stay in registers, of 32 or of 16
#define SSD_VECS 2
#define SSD_STATES (VEC_LANES == 16 ? 8 : 4)

/// Arguments of ssd_scan(), and where in a row is what
typedef struct {
  size_t       stride;
  size_t       head_stride;
  const float* x;
  const float* z;
  const float* b;
  const float* c;
  const float* dt;
  const float* gain;
  float*       h;
  float*       work;
  float*       y;
} ssd_rows;

/// Vectors of channels of a group side by side, each within one head, in rows
/// of a scan
typedef struct {
  size_t group;
  size_t channel; ///< The first one
  size_t head[VEC_SIDES];
  size_t row; ///< The first one
  size_t n_rows;
} ssd_place;

/// Where the states of vector `v` of a place are, each LANES from the one
/// before
INLINE float*
ssd_at(const maudio_ssd* s, const ssd_rows* t, const ssd_place* p, size_t v)
{
  const size_t i = p->channel + v * VEC_LANES;
  return t->h + i / MAUDIO_LANES * s->d_state * MAUDIO_LANES + i % MAUDIO_LANES;
}

/// `vecs` vectors from `v` on, at most SSD_VECS, through all rows: their states
/// from `n` on, `n_states` of them; both constant. What they add to the outputs
/// goes to `sums` (n_rows, VEC_SIDES)
INLINE void ssd_states(const maudio_ssd* s,
                       const ssd_rows*   t,
                       const ssd_place*  p,
                       size_t            v,
                       const size_t      vecs,
                       size_t            n,
                       const size_t      n_states,
                       vec*              sums)
{
  const size_t bc = p->group * s->d_state + n;
  vec          h[SSD_VECS][SSD_STATES];
  float*       at[SSD_VECS];
  UNROLL
  for (size_t i = 0; i < vecs; ++i) {
    at[i] = ssd_at(s, t, p, v + i) + n * MAUDIO_LANES;
    UNROLL
    for (size_t k = 0; k < n_states; ++k) {
      h[i][k] = load(at[i] + k * MAUDIO_LANES);
    }
  }
  for (size_t r = 0; r < p->n_rows; ++r) {
    const size_t       row   = (p->row + r) * t->stride;
    const float* const dt    = t->dt + (p->row + r) * t->head_stride;
    const float* const b     = t->b + row + bc;
    const float* const c     = t->c + row + bc;
    const float* const x     = t->x + row + p->channel + v * VEC_LANES;
    vec* const         total = sums + r * VEC_SIDES + v;
    vec                u[SSD_VECS];
    vec                y[SSD_VECS];
    UNROLL
    for (size_t i = 0; i < vecs; ++i) {
      u[i] = splat(dt[p->head[v + i]]) * load(x + i * VEC_LANES);
      y[i] = total[i];
    }
    UNROLL
    for (size_t k = 0; k < n_states; ++k) {
      const vec bk = splat(b[k]);
      const vec ck = splat(c[k]);
      UNROLL
      for (size_t i = 0; i < vecs; ++i) {
        h[i][k] = madd(u[i], bk, h[i][k]);
        y[i]    = madd(ck, h[i][k], y[i]);
      }
    }
    UNROLL
    for (size_t i = 0; i < vecs; ++i) {
      total[i] = y[i];
    }
  }
  UNROLL
  for (size_t i = 0; i < vecs; ++i) {
    UNROLL
    for (size_t k = 0; k < n_states; ++k) {
      store(at[i] + k * MAUDIO_LANES, h[i][k]);
    }
  }
}

/// Scale, skip and gate the sums of `vecs` vectors, constant, in row `r`
INLINE void ssd_end(const maudio_ssd* s,
                    const ssd_rows*   t,
                    const ssd_place*  p,
                    const size_t      vecs,
                    size_t            r,
                    vec*              sums)
{
  const size_t       at   = r * t->stride + p->channel;
  const float* const gain = t->gain + r * t->head_stride;
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    sums[v] = sums[v] * gain[p->head[v]];
  }
  gate(s->d + p->channel, t->x + at, t->z + at, vecs, sums, t->y + at);
}

/// `vecs` vectors, constant, through all rows, between which states stay in
/// registers
INLINE void ssd_many(const maudio_ssd* s,
                     const ssd_rows*   t,
                     const ssd_place*  p,
                     const size_t      vecs)
{
  const size_t both = vecs < SSD_VECS ? vecs : SSD_VECS;
  vec          sums[SSD_ROWS * VEC_SIDES]; // (n_rows, VEC_SIDES)
  for (size_t r = 0; r < p->n_rows; ++r) {
    UNROLL
    for (size_t v = 0; v < vecs; ++v) {
      sums[r * VEC_SIDES + v] = splat(0.0f);
    }
  }
  for (size_t v = 0; v < vecs; v += both) {
    size_t n = 0;
    for (; n + SSD_STATES <= s->d_state; n += SSD_STATES) {
      ssd_states(s, t, p, v, both, n, SSD_STATES, sums);
    }
    for (; n < s->d_state; ++n) {
      ssd_states(s, t, p, v, both, n, 1, sums);
    }
  }
  for (size_t r = 0; r < p->n_rows; ++r) {
    ssd_end(s, t, p, vecs, p->row + r, sums + r * VEC_SIDES);
  }
}

/// The same through row `r` alone: vectors side by side wait less
INLINE void ssd_one(const maudio_ssd* s,
                    const ssd_rows*   t,
                    const ssd_place*  p,
                    const size_t      vecs,
                    size_t            r)
{
  const float* const dt = t->dt + r * t->head_stride;
  const float* const b  = t->b + r * t->stride + p->group * s->d_state;
  const float* const c  = t->c + r * t->stride + p->group * s->d_state;
  const float* const x  = t->x + r * t->stride + p->channel;
  float* const       h  = ssd_at(s, t, p, 0);
  vec                u[VEC_SIDES];
  vec                y[VEC_SIDES];
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    u[v] = splat(dt[p->head[v]]) * load(x + v * VEC_LANES);
    y[v] = splat(0.0f);
  }
  for (size_t n = 0; n < s->d_state; ++n) {
    const vec bn = splat(b[n]);
    const vec cn = splat(c[n]);
    UNROLL
    for (size_t v = 0; v < vecs; ++v) {
      float* const at =
        h + (v / VECS * s->d_state + n) * MAUDIO_LANES + v % VECS * VEC_LANES;
      const vec hn = madd(u[v], bn, load(at));
      store(at, hn);
      y[v] = madd(cn, hn, y[v]);
    }
  }
  ssd_end(s, t, p, vecs, r, y);
}

/// `vecs` vectors through all rows, `many` or one; both constant
INLINE void ssd_vectors(const maudio_ssd* s,
                        const ssd_rows*   t,
                        const ssd_place*  p,
                        const bool        many,
                        const size_t      vecs)
{
  if (many) {
    ssd_many(s, t, p, vecs);
  } else {
    ssd_one(s, t, p, vecs, p->row);
  }
}

/// Move on by `vecs` vectors, constant, of the `left` channels of a head and
/// those after it
INLINE void
ssd_take(const maudio_ssd* s, ssd_place* p, size_t* left, const size_t vecs)
{
  size_t head = p->head[VEC_SIDES - 1];
  UNROLL
  for (size_t v = 0; v < vecs; ++v) {
    head += *left == 0;
    *left      = (*left ? *left : s->headdim) - VEC_LANES;
    p->head[v] = head;
  }
  p->head[VEC_SIDES - 1] = head;
}

/// Heads that end between vectors, through at most SSD_ROWS rows, `many` or one
INLINE void ssd_large_heads(const maudio_ssd* s,
                            const ssd_rows*   t,
                            size_t            row,
                            size_t            n_rows,
                            const bool        many)
{
  const size_t step = (size_t)VEC_SIDES * VEC_LANES;
  size_t       left = s->headdim;
  ssd_place    p    = {.row = row, .n_rows = n_rows};
  for (; p.group < s->n_groups; ++p.group) {
    const size_t end = p.channel + s->group_pad;
    for (; p.channel + step <= end; p.channel += step) {
      ssd_take(s, &p, &left, VEC_SIDES);
      ssd_vectors(s, t, &p, many, VEC_SIDES);
    }
    for (; p.channel < end; p.channel += MAUDIO_LANES) {
      ssd_take(s, &p, &left, VECS);
      ssd_vectors(s, t, &p, many, VECS);
    }
  }
}

static void ssd_row(const maudio_ssd* ssd, const ssd_rows* rows, size_t row)
{
  const maudio_ssd s = *ssd; // No store may change them
  const ssd_rows   t = *rows;
  ssd_large_heads(&s, &t, row, 1, false);
}

static void ssd_some_rows(const maudio_ssd* ssd,
                          const ssd_rows*   rows,
                          size_t            row,
                          size_t            n_rows)
{
  const maudio_ssd s = *ssd; // No store may change them
  const ssd_rows   t = *rows;
  ssd_large_heads(&s, &t, row, n_rows, true);
}

/// Give each channel of a group the factor of its head; `to` (group_pad +
/// LANES)
static void spread(const maudio_ssd* s, const float* heads, float* to)
{
  // Each head in ascending order writes past its end, into the next one
  for (size_t head = 0; head < s->n_heads; ++head) {
    for (size_t i = 0; i < s->headdim; i += VEC_LANES) {
      store(to + head * s->headdim + i, splat(heads[head]));
    }
  }
  for (size_t i = s->n_heads * s->headdim; i < s->group_pad; ++i) {
    to[i] = 0.0f;
  }
}

/// A row of a group whose heads end within vectors
INLINE void ssd_small_heads(const maudio_ssd* s,
                            const ssd_rows*   t,
                            size_t            row,
                            size_t            group)
{
  const size_t       head = row * t->head_stride + group * s->n_heads;
  const float* const b    = t->b + row * t->stride + group * s->d_state;
  const float* const c    = t->c + row * t->stride + group * s->d_state;
  float* const       dt   = t->work;
  float* const       gain = dt + s->group_pad + MAUDIO_LANES;
  spread(s, t->dt + head, dt);
  spread(s, t->gain + head, gain);
  for (size_t i = 0; i < s->group_pad; i += VEC_LANES) {
    const size_t channel = group * s->group_pad + i;
    const size_t at      = row * t->stride + channel;
    float* const h = t->h + channel / MAUDIO_LANES * s->d_state * MAUDIO_LANES +
                     channel % MAUDIO_LANES;
    const vec u = load(dt + i) * load(t->x + at);
    vec       y = splat(0.0f);
    for (size_t n = 0; n < s->d_state; ++n) {
      const vec hn = madd(u, splat(b[n]), load(h + n * MAUDIO_LANES));
      store(h + n * MAUDIO_LANES, hn);
      y = madd(splat(c[n]), hn, y);
    }
    y = y * load(gain + i);
    gate(s->d + channel, t->x + at, t->z + at, 1, &y, t->y + at);
  }
}

static void ssd_scan(const maudio_ssd* ssd,
                     size_t            n_rows,
                     size_t            stride,
                     float*            rows,
                     size_t            head_stride,
                     const float*      dt,
                     const float*      gain,
                     float*            h,
                     float*            work)
{
  const size_t n        = ssd->n_groups * ssd->group_pad;
  const bool   is_small = ssd->headdim % MAUDIO_LANES;
  ssd_rows     t        = {.stride      = stride,
                           .head_stride = head_stride,
                           .x           = rows + n,
                           .z           = rows,
                           .b           = rows + 2 * n,
                           .c           = rows + 2 * n + ssd->n_groups * ssd->d_state,
                           .dt          = dt,
                           .gain        = gain};
  t.h                   = h;
  t.work                = work;
  t.y                   = rows;
  for (size_t r = 0; is_small && r < n_rows; ++r) {
    for (size_t group = 0; group < ssd->n_groups; ++group) {
      ssd_small_heads(ssd, &t, r, group);
    }
  }
  for (size_t r = 0; !is_small && r < n_rows;) {
    const size_t left      = n_rows - r;
    const size_t n_at_once = left < SSD_ROWS ? left : SSD_ROWS;
    if (left < SSD_MANY) {
      ssd_row(ssd, &t, r);
      ++r;
    } else {
      ssd_some_rows(ssd, &t, r, n_at_once);
      r += n_at_once;
    }
  }
}

#endif /* MAUDIO_KERNELS_SSD_H */

#include "counter.h"

#include <stdlib.h>

static struct {
  const maudio_kernels* kernels;
  counter_range         working;
  counter_range         state;
  counter_range*        touched;
  size_t                n;
  size_t                n_room;
} counter;

static bool is_within(counter_range range, const char* p)
{
  return p >= range.begin && p < range.begin + range.size;
}

static void touch(const void* p, size_t size)
{
  const char* const begin = p;
  if (!p ||
      (is_within(counter.working, begin) && !is_within(counter.state, begin))) {
    return;
  }
  if (counter.n == counter.n_room) {
    const size_t         n_room = 2 * counter.n_room + 256;
    counter_range* const more =
      realloc(counter.touched, n_room * sizeof *counter.touched);
    if (!more) {
      abort();
    }
    counter.touched = more;
    counter.n_room  = n_room;
  }
  counter.touched[counter.n++] = (counter_range){begin, size};
}

static void touch_floats(const float* p, size_t n)
{
  touch(p, n * sizeof *p);
}

static int compare(const void* a, const void* b)
{
  const char* const x = ((const counter_range*)a)->begin;
  const char* const y = ((const counter_range*)b)->begin;
  return (x > y) - (x < y);
}

double counter_take(void)
{
  double      bytes = 0.0;
  const char* end   = NULL;
  if (counter.n) {
    qsort(counter.touched, counter.n, sizeof *counter.touched, compare);
  }
  for (size_t i = 0; i < counter.n; ++i) {
    const counter_range r     = counter.touched[i];
    const char* const   begin = end && end > r.begin ? end : r.begin;
    if (r.begin + r.size > begin) {
      end = r.begin + r.size;
      bytes += (double)(end - begin);
    }
  }
  counter.n = 0;
  return bytes;
}

void counter_free(void)
{
  free(counter.touched);
  counter.touched = NULL;
  counter.n       = 0;
  counter.n_room  = 0;
}

static void gemm(const maudio_gemm* g)
{
  const maudio_matrix* const w         = &g->w;
  const bool                 is_packed = w->panel_step >= w->n_in * w->in_step;
  const size_t               n =
    is_packed ? w->n_out / MAUDIO_LANES * w->panel_step : w->n_in * w->in_step;
  if (w->codes) {
    const size_t n_slices = (w->n_in + MAUDIO_SLICE - 1) / MAUDIO_SLICE;
    touch(w->codes, n);
    touch_floats(w->scales, w->n_out);
    for (size_t i = 0; i < n_slices; ++i) {
      touch(w->sums + i * w->sum_step, w->n_out * sizeof *w->sums);
    }
  } else {
    touch_floats(w->data, n);
  }
  touch_floats(g->bias, w->n_out);
  touch_floats(g->row_bias, g->n_rows);
  for (size_t i = 0; i < g->n_rows; ++i) {
    touch_floats(g->x + i * g->x_stride, w->n_in);
  }
  counter.kernels->gemm(g);
}

static void column_gemm(const maudio_column_gemm* g)
{
  touch(g->codes, g->n_rows * maudio_column_codes(g->n_in));
  touch_floats(g->scales, g->n_rows);
  touch_floats(g->bias, g->n_rows);
  touch_floats(g->x, g->n_in * g->n);
  counter.kernels->column_gemm(g);
}

static void rms_norm(size_t       n_rows,
                     size_t       stride,
                     const float* x,
                     const float* weight,
                     size_t       n,
                     float        eps,
                     float*       y)
{
  touch_floats(weight, maudio_pad(n));
  counter.kernels->rms_norm(n_rows, stride, x, weight, n, eps, y);
}

static void conv_silu(const maudio_conv* conv,
                      size_t             n_rows,
                      size_t             stride,
                      float*             past,
                      float*             x)
{
  touch_floats(conv->weight, conv->d_conv * conv->n);
  touch_floats(conv->bias, conv->n);
  touch_floats(past, (conv->d_conv - 1) * conv->n);
  counter.kernels->conv_silu(conv, n_rows, stride, past, x);
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
  const size_t n = ssd->n_groups * ssd->group_pad;
  touch_floats(ssd->d, n);
  touch_floats(h, n * ssd->d_state);
  counter.kernels->ssd_scan(ssd, n_rows, stride, rows, head_stride, dt, gain, h,
                            work);
}

static void s6_step(const maudio_s6* s6, const maudio_scan* scan)
{
  touch_floats(s6->a, s6->n * s6->d_state);
  touch_floats(s6->d, s6->n);
  touch_floats(scan->h, s6->n * s6->d_state);
  counter.kernels->s6_step(s6, scan);
}

const maudio_kernels* counter_kernels(const maudio_kernels* kernels,
                                      counter_range         working,
                                      counter_range         state)
{
  static maudio_kernels standing;
  counter.kernels = kernels;
  counter.working = working;
  counter.state   = state;
  standing        = *kernels;
  standing.gemm   = gemm;
  if (kernels->column_gemm) {
    standing.column_gemm = column_gemm;
  }
  standing.rms_norm  = rms_norm;
  standing.conv_silu = conv_silu;
  standing.ssd_scan  = ssd_scan;
  standing.s6_step   = s6_step;
  return &standing;
}

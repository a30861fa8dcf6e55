/** @file
 * Transforms of real signals; included by kernels_body.h, once per instruction
 * set.
 *
 * The even samples are real and the odd ones imaginary parts of a complex
 * signal, in planes of their own, which goes through Stockham stages: each
 * reads one pair of planes and writes the other, in order. With the products
 * of the radices before a stage as its stride s, and n places left after it,
 *
 * y[q + s (radix p + k)] = w^(p k) sum_t x[q + s (p + n t)] e^(-2 pi i t k /
 * radix), w = e^(-2 pi i / (n radix)).
 */
#ifndef MAUDIO_KERNELS_FFT_H
#define MAUDIO_KERNELS_FFT_H

#include "kernels.h"
#include "kernels_vector.h"

#define FFT_MAX_RADIX 11

// Vectors `a` and `b`: element by element, four by four; halves of the result
#if VEC_LANES == 16
#  define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#  define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#  define ZIP_FOURS_LOW 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23
#  define ZIP_FOURS_HIGH \
    8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31
#  define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#  define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#  define BACKWARDS 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
#elif VEC_LANES == 8
#  define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#  define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#  define ZIP_FOURS_LOW 0, 1, 2, 3, 8, 9, 10, 11
#  define ZIP_FOURS_HIGH 4, 5, 6, 7, 12, 13, 14, 15
#  define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#  define ODD 1, 3, 5, 7, 9, 11, 13, 15
#  define BACKWARDS 7, 6, 5, 4, 3, 2, 1, 0
#else
#  define ZIP_LOW 0, 4, 1, 5
#  define ZIP_HIGH 2, 6, 3, 7
#  define ZIP_FOURS_LOW 0, 1, 2, 3
#  define ZIP_FOURS_HIGH 4, 5, 6, 7
#  define EVEN 0, 2, 4, 6
#  define ODD 1, 3, 5, 7
#  define BACKWARDS 3, 2, 1, 0
#endif

/// Real and imaginary parts
typedef struct {
  float* re;
  float* im;
} fft_planes;

/// Transform 11 points in place, of VEC_LANES signals
INLINE void fft_eleven_points(vec* re, vec* im)
{
  // Of 2 pi m / 11
  static const float cosines[] = {1.0f,          0.841253533f,  0.415415013f,
                                  -0.142314838f, -0.654860734f, -0.959492974f};
  static const float sines[]   = {0.0f,         0.540640817f, 0.909631995f,
                                  0.989821442f, 0.755749574f, 0.281732557f};
  vec                sr[6];
  vec                si[6];
  vec                dr[6];
  vec                di[6];
  UNROLL
  for (size_t t = 1; t < 6; ++t) {
    sr[t] = re[t] + re[11 - t];
    si[t] = im[t] + im[11 - t];
    dr[t] = re[t] - re[11 - t];
    di[t] = im[t] - im[11 - t];
  }
  const vec r = re[0];
  const vec i = im[0];
  UNROLL
  for (size_t t = 1; t < 6; ++t) {
    re[0] += sr[t];
    im[0] += si[t];
  }
  UNROLL
  for (size_t k = 1; k < 6; ++k) {
    vec mr = r;
    vec mi = i;
    vec nr = splat(0.0f);
    vec ni = splat(0.0f);
    UNROLL
    for (size_t t = 1; t < 6; ++t) {
      const size_t m = t * k % 11;
      const vec    c = splat(cosines[m < 6 ? m : 11 - m]);
      const vec    s = splat(m < 6 ? sines[m] : -sines[11 - m]);
      mr             = madd(c, sr[t], mr);
      mi             = madd(c, si[t], mi);
      nr             = madd(s, dr[t], nr);
      ni             = madd(s, di[t], ni);
    }
    re[k]      = mr + ni;
    im[k]      = mi - nr;
    re[11 - k] = mr - ni;
    im[11 - k] = mi + nr;
  }
}

/// Transform `radix` points in place, constant, of VEC_LANES signals
INLINE void fft_points(const size_t radix, vec* re, vec* im)
{
  if (radix == 2) {
    const vec r = re[0] - re[1];
    const vec i = im[0] - im[1];
    re[0] += re[1];
    im[0] += im[1];
    re[1] = r;
    im[1] = i;
  } else if (radix == 3) {
    const vec half = splat(-0.5f);
    const vec turn = splat(0.866025404f); // sin(2 pi / 3)
    const vec sr   = re[1] + re[2];
    const vec si   = im[1] + im[2];
    const vec dr   = turn * (re[1] - re[2]);
    const vec di   = turn * (im[1] - im[2]);
    const vec mr   = madd(half, sr, re[0]);
    const vec mi   = madd(half, si, im[0]);
    re[0] += sr;
    im[0] += si;
    re[1] = mr + di;
    im[1] = mi - dr;
    re[2] = mr - di;
    im[2] = mi + dr;
  } else if (radix == 4) {
    const vec ar = re[0] + re[2];
    const vec ai = im[0] + im[2];
    const vec br = re[0] - re[2];
    const vec bi = im[0] - im[2];
    const vec cr = re[1] + re[3];
    const vec ci = im[1] + im[3];
    const vec dr = re[1] - re[3];
    const vec di = im[1] - im[3];
    re[0]        = ar + cr;
    im[0]        = ai + ci;
    re[1]        = br + di;
    im[1]        = bi - dr;
    re[2]        = ar - cr;
    im[2]        = ai - ci;
    re[3]        = br - di;
    im[3]        = bi + dr;
  } else if (radix == 11) {
    fft_eleven_points(re, im);
  } else {
    const vec cos1 = splat(0.309016994f); // Of 2 pi / 5, and twice that
    const vec cos2 = splat(-0.809016994f);
    const vec sin1 = splat(0.951056516f);
    const vec sin2 = splat(0.587785252f);
    const vec sr1  = re[1] + re[4];
    const vec si1  = im[1] + im[4];
    const vec dr1  = re[1] - re[4];
    const vec di1  = im[1] - im[4];
    const vec sr2  = re[2] + re[3];
    const vec si2  = im[2] + im[3];
    const vec dr2  = re[2] - re[3];
    const vec di2  = im[2] - im[3];
    const vec mr1  = madd(cos1, sr1, madd(cos2, sr2, re[0]));
    const vec mi1  = madd(cos1, si1, madd(cos2, si2, im[0]));
    const vec mr2  = madd(cos2, sr1, madd(cos1, sr2, re[0]));
    const vec mi2  = madd(cos2, si1, madd(cos1, si2, im[0]));
    const vec nr1  = madd(sin1, dr1, sin2 * dr2);
    const vec ni1  = madd(sin1, di1, sin2 * di2);
    const vec nr2  = madd(sin2, dr1, -(sin1 * dr2));
    const vec ni2  = madd(sin2, di1, -(sin1 * di2));
    re[0] += sr1 + sr2;
    im[0] += si1 + si2;
    re[1] = mr1 + ni1;
    im[1] = mi1 - nr1;
    re[2] = mr2 + ni2;
    im[2] = mi2 - nr2;
    re[3] = mr2 - ni2;
    im[3] = mi2 + nr2;
    re[4] = mr1 - ni1;
    im[4] = mi1 + nr1;
  }
}

/// (re, im) *= (c, s)
INLINE void fft_turn(vec c, vec s, vec* re, vec* im)
{
  const vec r = madd(*re, c, -(*im * s));
  *im         = madd(*re, s, *im * c);
  *re         = r;
}

/// Store four vectors `by_fours` or one by one in turns
INLINE void fft_store_zipped(const vec* y, const bool by_fours, float* to)
{
  vec half[4];
  vec all[4];
  UNROLL
  for (size_t k = 0; k < 2; ++k) {
    const vec a     = y[k];
    const vec b     = y[k + 2];
    half[2 * k]     = by_fours ? __builtin_shufflevector(a, b, ZIP_FOURS_LOW)
                               : __builtin_shufflevector(a, b, ZIP_LOW);
    half[2 * k + 1] = by_fours ? __builtin_shufflevector(a, b, ZIP_FOURS_HIGH)
                               : __builtin_shufflevector(a, b, ZIP_HIGH);
  }
  UNROLL
  for (size_t k = 0; k < 2; ++k) {
    const vec a    = half[k];
    const vec b    = half[k + 2];
    all[2 * k]     = by_fours ? __builtin_shufflevector(a, b, ZIP_FOURS_LOW)
                              : __builtin_shufflevector(a, b, ZIP_LOW);
    all[2 * k + 1] = by_fours ? __builtin_shufflevector(a, b, ZIP_FOURS_HIGH)
                              : __builtin_shufflevector(a, b, ZIP_HIGH);
  }
  UNROLL
  for (size_t k = 0; k < 4; ++k) {
    store(to + k * VEC_LANES, all[k]);
  }
}

/// A stage of radix 4 whose stride, constant, is 1 or 4
INLINE void fft_narrow_stage(const maudio_fft_stage* s,
                             const size_t            stride,
                             fft_planes              x,
                             fft_planes              y)
{
  const size_t n = s->n * stride;
  // The last vectors may overlap: they write the same again
  for (size_t i = 0; i < n; i += VEC_LANES) {
    const size_t j = i + VEC_LANES <= n ? i : n - VEC_LANES;
    vec          re[4];
    vec          im[4];
    UNROLL
    for (size_t t = 0; t < 4; ++t) {
      re[t] = load(x.re + t * n + j);
      im[t] = load(x.im + t * n + j);
    }
    fft_points(4, re, im);
    UNROLL
    for (size_t k = 1; k < 4; ++k) {
      const float* const w = s->twiddles + 2 * (k - 1) * n + j;
      fft_turn(load(w), load(w + n), &re[k], &im[k]);
    }
    fft_store_zipped(re, stride == 4, y.re + 4 * j);
    fft_store_zipped(im, stride == 4, y.im + 4 * j);
  }
}

/// A stage whose stride is a multiple of VEC_LANES; the radix is constant
INLINE void fft_wide_stage(const maudio_fft_stage* s,
                           const size_t            radix,
                           fft_planes              x,
                           fft_planes              y)
{
  const size_t n      = s->n;
  const size_t stride = s->stride;
  for (size_t p = 0; p < n; ++p) {
    for (size_t q = 0; q < stride; q += VEC_LANES) {
      vec re[FFT_MAX_RADIX];
      vec im[FFT_MAX_RADIX];
      UNROLL
      for (size_t t = 0; t < radix; ++t) {
        re[t] = load(x.re + q + stride * (p + n * t));
        im[t] = load(x.im + q + stride * (p + n * t));
      }
      fft_points(radix, re, im);
      if (p) { // Else they are 1
        UNROLL
        for (size_t k = 1; k < radix; ++k) {
          const float* const w = s->twiddles + 2 * (k - 1) * n + p;
          fft_turn(splat(w[0]), splat(w[n]), &re[k], &im[k]);
        }
      }
      UNROLL
      for (size_t k = 0; k < radix; ++k) {
        store(y.re + q + stride * (radix * p + k), re[k]);
        store(y.im + q + stride * (radix * p + k), im[k]);
      }
    }
  }
}

/// Transform planes `x`; return where the result is, `x` or `y`
static fft_planes
fft_stages(const maudio_fft_plan* plan, fft_planes x, fft_planes y)
{
  for (size_t i = 0; i < plan->n_stages; ++i) {
    const maudio_fft_stage* const s = &plan->stages[i];
    if (s->stride == 1) {
      fft_narrow_stage(s, 1, x, y);
    } else if (s->stride == 4) {
      fft_narrow_stage(s, 4, x, y);
    } else if (s->radix == 4) {
      fft_wide_stage(s, 4, x, y);
    } else if (s->radix == 2) {
      fft_wide_stage(s, 2, x, y);
    } else if (s->radix == 3) {
      fft_wide_stage(s, 3, x, y);
    } else if (s->radix == 5) {
      fft_wide_stage(s, 5, x, y);
    } else {
      fft_wide_stage(s, 11, x, y);
    }
    const fft_planes done = y;
    y                     = x;
    x                     = done;
  }
  return x;
}

/// Load pairs of floats to two vectors, of the first and of the second ones
INLINE void fft_load_pairs(const float* from, vec* first, vec* second)
{
  const vec a = load(from);
  const vec b = load(from + VEC_LANES);
  *first      = __builtin_shufflevector(a, b, EVEN);
  *second     = __builtin_shufflevector(a, b, ODD);
}

INLINE void fft_store_pairs(float* to, vec first, vec second)
{
  store(to, __builtin_shufflevector(first, second, ZIP_LOW));
  store(to + VEC_LANES, __builtin_shufflevector(first, second, ZIP_HIGH));
}

INLINE vec backwards(vec x)
{
  return __builtin_shufflevector(x, x, BACKWARDS);
}

static fft_planes fft_memory(const maudio_fft_plan* plan, size_t i)
{
  const size_t plane = MAUDIO_FFT_PLANE(plan->n);
  float* const re    = plan->planes + 2 * i * plane;
  return (fft_planes){re, re + plane};
}

static void fft(const maudio_fft_plan* plan, const float* time, float* spectrum)
{
  const size_t n = plan->n;
  fft_planes   z = fft_memory(plan, 0);
  for (size_t k = 0; k < n; k += VEC_LANES) {
    vec re;
    vec im;
    fft_load_pairs(time + 2 * k, &re, &im);
    store(z.re + k, re);
    store(z.im + k, im);
  }
  z       = fft_stages(plan, z, fft_memory(plan, 1));
  z.re[n] = z.re[0];
  z.im[n] = z.im[0];

  // Bins k and n - k hold the transforms of the even and the odd samples
  for (size_t k = 0; k < n; k += VEC_LANES) {
    const size_t mirror = n - k - VEC_LANES + 1;
    const vec    c      = load(plan->turns + k);
    const vec    s      = load(plan->turns + n + k);
    const vec    re     = load(z.re + k);
    const vec    im     = load(z.im + k);
    const vec    far_re = backwards(load(z.re + mirror));
    const vec    far_im = backwards(load(z.im + mirror));
    const vec    dr     = re - far_re;
    const vec    di     = im + far_im;
    const vec    x_re   = madd(c, di, madd(-s, dr, re + far_re));
    const vec    x_im   = madd(-c, dr, madd(-s, di, im - far_im));
    fft_store_pairs(spectrum + 2 * k, 0.5f * x_re, 0.5f * x_im);
  }
  spectrum[2 * n]     = z.re[0] - z.im[0];
  spectrum[2 * n + 1] = 0.0f;
}

static void
inverse_fft(const maudio_fft_plan* plan, const float* spectrum, float* time)
{
  const size_t n = plan->n;
  fft_planes   z = fft_memory(plan, 0);
  for (size_t k = 0; k < n; k += VEC_LANES) {
    const size_t mirror = n - k - VEC_LANES + 1;
    const vec    c      = load(plan->turns + k);
    const vec    s      = load(plan->turns + n + k);
    vec          re;
    vec          im;
    vec          far_re;
    vec          far_im;
    fft_load_pairs(spectrum + 2 * k, &re, &im);
    fft_load_pairs(spectrum + 2 * mirror, &far_re, &far_im);
    far_re       = backwards(far_re);
    far_im       = backwards(far_im);
    const vec dr = re - far_re;
    const vec di = im + far_im;
    store(z.re + k, madd(-s, dr, madd(-c, di, re + far_re)));
    store(z.im + k, madd(c, dr, madd(-s, di, im - far_im)));
  }
  z.re[0] = spectrum[0] + spectrum[2 * n];
  z.im[0] = spectrum[0] - spectrum[2 * n];

  // With real and imaginary parts exchanged a transform is its inverse
  const fft_planes spare = fft_memory(plan, 1);
  z                      = fft_stages(plan, (fft_planes){z.im, z.re},
                                      (fft_planes){spare.im, spare.re});
  for (size_t k = 0; k < n; k += VEC_LANES) {
    fft_store_pairs(time + 2 * k, load(z.im + k), load(z.re + k));
  }
}

#endif /* MAUDIO_KERNELS_FFT_H */

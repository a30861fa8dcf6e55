#include "glide.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

/// Frames that an interpolated one is made of; the middle is before GLIDE_AHEAD
#define N_TAPS ((size_t)2 * GLIDE_AHEAD)

/// Steps between two frames; between them, weights are interpolated
#define N_PHASES 512

/// Frames kept: the window, and what comes into it
#define N_KEPT 1024

/// How fast a rest on whole frames is come to
#define SETTLING 20e-6

struct glide {
  unsigned n_channels;
  size_t   at;     ///< Of the first frame of the window
  size_t   n_kept; ///< Frames
  double   phase;  ///< Of what is played next, beyond the window's middle
  float    weights[N_PHASES + 1][N_TAPS];
  float    kept[N_KEPT * MAUDIO_MAX_CHANNELS]; ///< Interleaved
};

/// A sinc under Nuttall's window, `at` frames from its middle
static double weight(double at)
{
  if (at == 0.0 || fabs(at) >= GLIDE_AHEAD) {
    return at == 0.0 ? 1.0 : 0.0;
  }
  const double turn   = PI * at / GLIDE_AHEAD;
  const double window = 0.3635819 + 0.4891775 * cos(turn) +
                        0.1365995 * cos(2.0 * turn) +
                        0.0106411 * cos(3.0 * turn);
  return window * sin(PI * at) / (PI * at);
}

glide* glide_new(unsigned n_channels)
{
  glide* const g = (glide*)calloc(1, sizeof(glide));
  if (!g) {
    return NULL;
  }
  g->n_channels = n_channels;
  for (int p = 0; p <= N_PHASES; ++p) {
    for (int k = 0; k < (int)N_TAPS; ++k) {
      g->weights[p][k] =
        (float)weight(k - (GLIDE_AHEAD - 1) - (double)p / N_PHASES);
    }
  }
  glide_reset(g);
  return g;
}

void glide_free(glide* g)
{
  free(g);
}

void glide_reset(glide* g)
{
  memset(g->kept, 0, sizeof(g->kept));
  g->at     = 0;
  g->n_kept = GLIDE_AHEAD - 1;
  g->phase  = 0.0;
}

double glide_ahead(const glide* g)
{
  return (double)g->n_kept - (double)(g->at + GLIDE_AHEAD - 1) - g->phase;
}

/// Have the window filled, from `in` as far as it is too short; false if that
/// is not all there
static bool fill_window(glide* g, const float* in, size_t n_in, size_t* n_used)
{
  const size_t c = g->n_channels;
  while (g->n_kept < g->at + N_TAPS) {
    if (*n_used == n_in) {
      return false;
    }
    if (g->n_kept == N_KEPT) {
      g->n_kept -= g->at;
      memmove(g->kept, g->kept + g->at * c, g->n_kept * c * sizeof(float));
      g->at = 0;
    }
    memcpy(g->kept + g->n_kept * c, in + *n_used * c, c * sizeof(float));
    ++g->n_kept;
    ++*n_used;
  }
  return true;
}

static void interpolate(const glide* g, float* out)
{
  const size_t       c                         = g->n_channels;
  const double       at                        = g->phase * N_PHASES;
  const size_t       p                         = (size_t)at;
  const float        part                      = (float)(at - (double)p);
  const float* const low                       = g->weights[p];
  const float* const high                      = g->weights[p + 1];
  const float* const in                        = g->kept + g->at * c;
  float              sums[MAUDIO_MAX_CHANNELS] = {0.0F};
  for (size_t k = 0; k < N_TAPS; ++k) {
    const float w = low[k] + part * (high[k] - low[k]);
    for (size_t i = 0; i < c; ++i) {
      sums[i] += w * in[k * c + i];
    }
  }
  memcpy(out, sums, c * sizeof(float));
}

/// Go on by a frame
static void advance(glide* g, double speed)
{
  if (speed != 1.0) {
    g->phase += speed;
  } else if (g->phase < 0.5) {
    g->phase = 1.0 + fmax(0.0, g->phase - SETTLING);
  } else {
    g->phase = 1.0 + fmin(1.0, g->phase + SETTLING);
  }
  const double whole = floor(g->phase);
  g->at += (size_t)whole;
  g->phase -= whole;
}

size_t glide_read(glide*       g,
                  const float* in,
                  size_t       n_in,
                  float*       out,
                  size_t       n_out,
                  double       speed,
                  size_t*      n_used)
{
  const size_t c = g->n_channels;
  *n_used        = 0;
  for (size_t i = 0; i < n_out; ++i) {
    if (!fill_window(g, in, n_in, n_used)) {
      return i;
    }
    if (g->phase == 0.0) {
      memcpy(out + i * c, g->kept + (g->at + GLIDE_AHEAD - 1) * c,
             c * sizeof(float));
    } else {
      interpolate(g, out + i * c);
    }
    advance(g, speed);
  }
  return n_out;
}

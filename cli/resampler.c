#include "resampler.h"

#include "glide.h"

#include <samplerate.h>
#include <stdlib.h>

struct resampler {
  glide*     same;  ///< For one rate, else NULL
  SRC_STATE* other; ///< For two rates, else NULL
  double     ratio; ///< Rate of the output over that of the input
  double     ahead; ///< With two rates
};

resampler* resampler_new(double in_hz, double out_hz, unsigned n_channels)
{
  resampler* const r = (resampler*)calloc(1, sizeof(resampler));
  if (!r) {
    return NULL;
  }
  int error = 0;
  r->ratio  = out_hz / in_hz;
  if (in_hz == out_hz) {
    r->same = glide_new(n_channels);
  } else {
    r->other = src_new(SRC_SINC_MEDIUM_QUALITY, (int)n_channels, &error);
  }
  if (!r->same && !r->other) {
    resampler_free(r);
    return NULL;
  }
  return r;
}

void resampler_free(resampler* r)
{
  if (r) {
    glide_free(r->same);
    src_delete(r->other);
    free(r);
  }
}

void resampler_reset(resampler* r)
{
  if (r->same) {
    glide_reset(r->same);
  } else {
    src_reset(r->other);
  }
  r->ahead = 0.0;
}

double resampler_ahead(const resampler* r)
{
  return r->same ? glide_ahead(r->same) : r->ahead;
}

size_t resampler_read(resampler*   r,
                      const float* in,
                      size_t       n_in,
                      float*       out,
                      size_t       n_out,
                      double       speed,
                      size_t*      n_used)
{
  if (r->same) {
    return glide_read(r->same, in, n_in, out, n_out, speed, n_used);
  }
  SRC_DATA data = {.data_in       = in,
                   .data_out      = out,
                   .input_frames  = (long)n_in,
                   .output_frames = (long)n_out,
                   .src_ratio     = r->ratio / speed};
  if (src_process(r->other, &data)) {
    data.input_frames_used = 0;
    data.output_frames_gen = 0;
  }
  r->ahead += (double)data.input_frames_used -
              (double)data.output_frames_gen / data.src_ratio;
  *n_used = (size_t)data.input_frames_used;
  return (size_t)data.output_frames_gen;
}

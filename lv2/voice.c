#include "voice.h"

#include "error.h"

#include <samplerate.h>
#include <stdlib.h>

struct voice {
  maudio_generator* generator;
  SRC_STATE*        resampler; ///< NULL: the rates are equal
  double            ratio;     ///< Frames of the host for each sample
  size_t            n_ahead;   ///< Samples the resampler wants before a frame
  size_t            n_silent;  ///< Of them, that it has yet to be given
  float             sample;    ///< What it is given
  bool              is_started;
};

/// Give the resampler a sample; while it looks ahead, silence
static long next_sample(void* user, float** data)
{
  voice* const v = (voice*)user;
  if (v->n_silent) {
    --v->n_silent;
    v->sample = 0.0f;
  } else {
    maudio_generator_run(v->generator, &v->sample, 1);
  }
  *data = &v->sample;
  return 1;
}

static maudio_status
open_resampler(voice* v, double model_hz, double rate_hz, maudio_error* error)
{
  if (rate_hz == model_hz) {
    return MAUDIO_SUCCESS;
  }
  v->ratio = rate_hz / model_hz;
  int code = 0;
  v->resampler =
    src_callback_new(next_sample, SRC_SINC_MEDIUM_QUALITY, 1, &code, v);
  if (!v->resampler) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "Resampler: %s",
                       src_strerror(code));
  }
  // How much silence the first frame takes
  float frame = 0.0f;
  v->n_silent = SIZE_MAX;
  src_callback_read(v->resampler, v->ratio, 1, &frame);
  v->n_ahead = SIZE_MAX - v->n_silent;
  return MAUDIO_SUCCESS;
}

maudio_status voice_new(const maudio_model* model,
                        double              rate_hz,
                        voice**             made,
                        maudio_error*       error)
{
  *made = NULL;
  if (!(rate_hz >= MAUDIO_MIN_RATE_HZ && rate_hz <= MAUDIO_MAX_RATE_HZ)) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Sample rate %g Hz is not in %d to %d Hz", rate_hz,
                       MAUDIO_MIN_RATE_HZ, MAUDIO_MAX_RATE_HZ);
  }
  voice* const v = (voice*)calloc(1, sizeof *v);
  if (!v) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "No memory for a voice");
  }
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  v->ratio             = 1.0;
  maudio_status status = maudio_generator_new(model, &v->generator, error);
  if (!status) {
    status = open_resampler(v, info.rate_hz, rate_hz, error);
  }
  if (status) {
    voice_free(v);
    return status;
  }
  *made = v;
  return MAUDIO_SUCCESS;
}

void voice_free(voice* v)
{
  if (v) {
    if (v->resampler) {
      src_delete(v->resampler);
    }
    maudio_generator_free(v->generator);
    free(v);
  }
}

void voice_start(voice* v, uint64_t seed)
{
  maudio_generator_reset(v->generator, seed);
  if (v->resampler) {
    src_reset(v->resampler);
  }
  v->n_silent   = v->n_ahead;
  v->is_started = true;
}

void voice_stop(voice* v)
{
  v->is_started = false;
}

bool voice_is_started(const voice* v)
{
  return v->is_started;
}

void voice_set(voice* v, maudio_param param, float value)
{
  // What is not a number changes nothing
  maudio_generator_set(v->generator, param, value);
}

void voice_run(voice* v, float* out, size_t n_frames)
{
  if (v->resampler) {
    src_callback_read(v->resampler, v->ratio, (long)n_frames, out);
  } else {
    maudio_generator_run(v->generator, out, n_frames);
  }
}

size_t voice_latency(const voice* v)
{
  return (size_t)((double)v->n_ahead * v->ratio + 0.5);
}

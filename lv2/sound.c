#include "sound.h"

#include "error.h"
#include "model_cache.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char* const factory_names[N_FACTORY] = {"voice", "voice-live"};

static maudio_status
open_denoiser(const char* path, const maudio_model** model, maudio_error* error)
{
  const maudio_status status = model_cache_open(path, model, error);
  if (status) {
    return status;
  }
  maudio_model_info info;
  maudio_model_get_info(*model, &info);
  if (info.task != MAUDIO_TASK_DENOISE) {
    model_cache_close(*model);
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                       "%s: This model makes sound, it does not remove noise",
                       maudio_path_tail(path));
  }
  return MAUDIO_SUCCESS;
}

maudio_status sound_new(const char*   path,
                        double        rate_hz,
                        unsigned      n_channels,
                        sound**       made,
                        maudio_error* error)
{
  *made                = NULL;
  const size_t n_bytes = strlen(path) + 1;
  sound* const s       = (sound*)calloc(1, sizeof *s + n_bytes);
  if (!s) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory",
                       maudio_path_tail(path));
  }
  memcpy(s->path, path, n_bytes);
  maudio_status status = open_denoiser(path, &s->model, error);
  if (status) {
    free(s);
    return status;
  }
  status = maudio_stream_new(s->model, rate_hz, n_channels, &s->stream, error);
  if (status) {
    sound_free(s);
    return status;
  }
  *made = s;
  return MAUDIO_SUCCESS;
}

maudio_status sound_new_factory(unsigned      index,
                                double        rate_hz,
                                unsigned      n_channels,
                                sound**       made,
                                maudio_error* error)
{
  *made = NULL;
  char                path[PATH_MAX];
  const maudio_status found =
    maudio_preset_find(factory_names[index], path, sizeof path, error);
  if (found) {
    return found;
  }
  const maudio_status status =
    sound_new(path, rate_hz, n_channels, made, error);
  if (*made) {
    (*made)->is_factory = true;
  }
  return status;
}

void sound_free(sound* freed)
{
  if (freed) {
    maudio_stream_free(freed->stream);
    model_cache_close(freed->model);
    free(freed);
  }
}

void sound_free_list(sound* first)
{
  while (first) {
    sound* const next = first->next;
    sound_free(first);
    first = next;
  }
}

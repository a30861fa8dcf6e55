#include "sound.h"

#include "error.h"
#include "model_cache.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

const char* const denoise_presets[N_DENOISE_PRESETS] = {
  "voice", "voice-live", "voice-zero", "voice-studio", "voice-stage"};

const char* const generate_presets[N_GENERATE_PRESETS] = {"percussion",
                                                          "piano"};

/// Factory presets by task
static const struct {
  const char* const* names;
  unsigned           n;
} factory[] = {
  [MAUDIO_TASK_DENOISE]  = {denoise_presets, N_DENOISE_PRESETS},
  [MAUDIO_TASK_GENERATE] = {generate_presets, N_GENERATE_PRESETS},
};

unsigned sound_n_factory(maudio_task task)
{
  return factory[task].n;
}

static maudio_status open_model(const char*          path,
                                maudio_task          task,
                                const maudio_model** model,
                                maudio_error*        error)
{
  const maudio_status status = model_cache_open(path, model, error);
  if (status) {
    return status;
  }
  maudio_model_info info;
  maudio_model_get_info(*model, &info);
  if (info.task != task) {
    model_cache_close(*model);
    *model = NULL;
    return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED, "%s: This model %s",
                       maudio_path_tail(path),
                       task == MAUDIO_TASK_GENERATE ? "does not generate audio"
                                                    : "does not remove noise");
  }
  return MAUDIO_SUCCESS;
}

maudio_status sound_new(const char*       path,
                        const sound_spec* spec,
                        sound**           made,
                        maudio_error*     error)
{
  *made                = NULL;
  const size_t n_bytes = strlen(path) + 1;
  sound* const s       = (sound*)calloc(1, sizeof *s + n_bytes);
  if (!s) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory",
                       maudio_path_tail(path));
  }
  memcpy(s->path, path, n_bytes);
  maudio_status status = open_model(path, spec->task, &s->model, error);
  if (!status && spec->task == MAUDIO_TASK_GENERATE) {
    status = voice_new(s->model, spec->rate_hz, &s->voice, error);
  } else if (!status) {
    status = maudio_stream_new(s->model, spec->rate_hz, spec->n_channels,
                               &s->stream, error);
  }
  if (status) {
    sound_free(s);
    return status;
  }
  *made = s;
  return MAUDIO_SUCCESS;
}

maudio_status sound_new_factory(unsigned          index,
                                const sound_spec* spec,
                                sound**           made,
                                maudio_error*     error)
{
  *made                    = NULL;
  const char* const   name = factory[spec->task].names[index];
  char                path[PATH_MAX];
  const maudio_status found =
    maudio_preset_find(name, path, sizeof path, error);
  if (found) {
    return found;
  }
  const maudio_status status = sound_new(path, spec, made, error);
  if (*made) {
    (*made)->is_factory = true;
  }
  return status;
}

void sound_free(sound* freed)
{
  if (freed) {
    maudio_stream_free(freed->stream);
    voice_free(freed->voice);
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

#include "voices.h"

#include "open_model.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

static bool add(voice_list* list, const char* name, const char* path)
{
  if (list->n_voices == VOICES_MAX) {
    return true;
  }
  voice* const v = &list->voices[list->n_voices];
  v->name        = strdup(name);
  v->path        = strdup(path);
  ++list->n_voices;
  return v->name && v->path;
}

/// Return whether a model removes noise; one that cannot be opened is named
/// when it is chosen
static bool is_voice(const char* path)
{
  maudio_model* model = NULL;
  if (maudio_model_open(path, &model, NULL)) {
    return true;
  }
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  maudio_model_free(model);
  return info.task == MAUDIO_TASK_DENOISE;
}

static bool visit(const char* name, const char* path, void* user)
{
  return !is_voice(path) || add((voice_list*)user, name, path);
}

/// Return the last part of a path
static const char* base_name(const char* path)
{
  const char* const slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

bool voices_find(voice_list* list, const char* preset, const char* file)
{
  // Who speaks hears it: half the latency of the default for files
  const char* const wanted = preset ? preset : "voice-stage";
  memset(list, 0, sizeof(*list));
  maudio_model* const model = open_model(wanted, file);
  if (!model) {
    return false;
  }
  maudio_error error = {MAUDIO_SUCCESS, ""};
  if ((file && !add(list, base_name(file), file)) ||
      maudio_preset_each(visit, list, &error)) {
    maudio_model_free(model);
    return complain_plain(error.status ? error.message : "No memory");
  }
  for (size_t i = 0; !file && i < list->n_voices; ++i) {
    if (!strcmp(list->voices[i].name, wanted)) {
      list->current = i;
    }
  }
  list->voices[list->current].model = model;
  return true;
}

/// Free a stream that the effect has done with. NULL is fine
static void free_stream(voice_list* list, maudio_stream* stream)
{
  for (size_t i = 0; i < VOICES_MAX_STREAMS; ++i) {
    if (list->streams[i] == stream) {
      list->streams[i] = NULL;
    }
  }
  maudio_stream_free(stream);
}

static maudio_stream* make_stream(voice_list* list, size_t index)
{
  size_t place = 0;
  while (list->streams[place]) {
    ++place;
  }
  voice* const v = &list->voices[index];
  if (!v->model) {
    v->model = open_model(NULL, v->path);
  }
  maudio_error error = {MAUDIO_SUCCESS, ""};
  if (v->model && maudio_stream_new(v->model, list->rate_hz, list->n_channels,
                                    &list->streams[place], &error)) {
    complain(v->name, "%s", error.message);
  }
  return list->streams[place];
}

bool voices_start(voice_list* list, double rate_hz, unsigned n_channels)
{
  list->rate_hz               = rate_hz;
  list->n_channels            = n_channels;
  maudio_stream* const stream = make_stream(list, list->current);
  maudio_error         error  = {MAUDIO_SUCCESS, ""};
  if (!stream) {
    return false;
  }
  return !maudio_effect_new(rate_hz, n_channels, stream, &list->effect,
                            &error) ||
         complain_plain(error.message);
}

bool voices_play(voice_list* list, size_t index)
{
  if (index == list->current) {
    return true;
  }
  voices_collect(list);
  maudio_stream* const stream = make_stream(list, index);
  if (!stream) {
    return false;
  }
  free_stream(list, maudio_effect_play(list->effect, stream));
  list->current = index;
  return true;
}

void voices_collect(voice_list* list)
{
  free_stream(list, maudio_effect_retired(list->effect));
}

void voices_clear(voice_list* list)
{
  maudio_effect_free(list->effect);
  for (size_t i = 0; i < VOICES_MAX_STREAMS; ++i) {
    maudio_stream_free(list->streams[i]);
  }
  for (size_t i = 0; i < list->n_voices; ++i) {
    maudio_model_free(list->voices[i].model);
    free(list->voices[i].path);
    free(list->voices[i].name);
  }
  memset(list, 0, sizeof(*list));
}

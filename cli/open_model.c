#include "open_model.h"

#include "report.h"

#include <limits.h>
#include <stddef.h>

static maudio_task task_of(const maudio_model* model)
{
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  return info.task;
}

/// Open a model that does `task`, or complain that it `lacks` that
static maudio_model*
open_file(const char* path, maudio_task task, const char* lacks)
{
  maudio_error  error = {MAUDIO_SUCCESS, ""};
  maudio_model* model = NULL;
  if (maudio_model_open(path, &model, &error)) {
    complain_plain(error.message);
    return NULL;
  }
  if (task_of(model) != task) {
    complain(path, "%s", lacks);
    maudio_model_free(model);
    return NULL;
  }
  return model;
}

/// Open the model of a preset, or complain
static maudio_model*
open_preset(const char* name, maudio_task task, const char* lacks)
{
  char         path[PATH_MAX];
  maudio_error error = {MAUDIO_SUCCESS, ""};
  if (maudio_preset_find(name, path, sizeof(path), &error)) {
    complain_plain(error.message);
    return NULL;
  }
  return open_file(path, task, lacks);
}

maudio_model* open_model(const char* preset, const char* file)
{
  static const char lacks[] =
    "is not a model that removes noise ('maudio info' tells what it does)";
  return file
           ? open_file(file, MAUDIO_TASK_DENOISE, lacks)
           : open_preset(preset ? preset : "voice", MAUDIO_TASK_DENOISE, lacks);
}

/// Open a preset if it is a generator; the first one ends the search
static bool visit(const char* name, const char* path, void* user)
{
  (void)name;
  maudio_model** const found = (maudio_model**)user;
  if (maudio_model_open(path, found, NULL)) {
    return true;
  }
  if (task_of(*found) == MAUDIO_TASK_GENERATE) {
    return false;
  }
  maudio_model_free(*found);
  *found = NULL;
  return true;
}

maudio_model* open_generator(const char* preset, const char* file)
{
  static const char lacks[] =
    "is not a model that generates audio ('maudio info' tells what it does)";
  if (file || preset) {
    return file ? open_file(file, MAUDIO_TASK_GENERATE, lacks)
                : open_preset(preset, MAUDIO_TASK_GENERATE, lacks);
  }
  maudio_model* found = NULL;
  maudio_error  error = {MAUDIO_SUCCESS, ""};
  if (maudio_preset_each(visit, &found, &error)) {
    complain_plain(error.message);
  } else if (!found) {
    complain_plain("No preset that generates audio was found, in "
                   "MAUDIO_PRESETS or where installed");
  }
  return found;
}

#include "open_model.h"

#include "report.h"

#include <limits.h>
#include <stddef.h>

maudio_model* open_model(const char* preset, const char* file)
{
  char          path[PATH_MAX];
  maudio_error  error = {MAUDIO_SUCCESS, ""};
  maudio_model* model = NULL;
  if (!file) {
    if (maudio_preset_find(preset ? preset : "voice", path, sizeof(path),
                           &error)) {
      complain_plain(error.message);
      return NULL;
    }
    file = path;
  }
  if (maudio_model_open(file, &model, &error)) {
    complain_plain(error.message);
    return NULL;
  }
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  if (info.task != MAUDIO_TASK_DENOISE) {
    complain(file, "is not a model that processes audio");
    maudio_model_free(model);
    return NULL;
  }
  return model;
}

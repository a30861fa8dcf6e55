#include "checkpoint.h"

#include "error.h"
#include "file.h"
#include "hf_config.h"
#include "model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG "config.json"
#define WEIGHTS "model.safetensors"

static bool is_config(const char* path)
{
  const char* const slash = strrchr(path, '/');
  return !strcmp(slash ? slash + 1 : path, CONFIG);
}

bool maudio_checkpoint_is(const char* path)
{
  struct stat info;
  return is_config(path) || (!stat(path, &info) && S_ISDIR(info.st_mode));
}

/// Join a folder and a file name; false if the result is too long
static bool
join(char* path, const char* folder, size_t n_folder, const char* file)
{
  const bool has_slash = n_folder && folder[n_folder - 1] == '/';
  const int  n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)n_folder, folder,
                         n_folder && !has_slash ? "/" : "", file);
  return n >= 0 && n < PATH_MAX;
}

/// The last part of a folder's path, or "model" if it says nothing
static void name_of(const char* folder, char* name, size_t size)
{
  size_t end = strlen(folder);
  while (end > 1 && folder[end - 1] == '/') {
    --end;
  }
  size_t begin = end;
  while (begin > 0 && folder[begin - 1] != '/') {
    --begin;
  }
  const bool is_here = end == begin || folder[begin] == '.';
  snprintf(name, size, "%.*s", is_here ? 5 : (int)(end - begin),
           is_here ? "model" : folder + begin);
}

maudio_status maudio_checkpoint_open_memory(const void*    config,
                                            size_t         config_size,
                                            const void*    weights,
                                            size_t         weights_size,
                                            const char*    folder,
                                            maudio_model** model,
                                            maudio_error*  error)
{
  *model = NULL;
  char            label[PATH_MAX];
  char            name[64];
  maudio_config   parsed;
  maudio_weights* opened = NULL;
  name_of(folder, name, sizeof name);
  join(label, folder, strlen(folder), CONFIG);
  maudio_status status =
    maudio_hf_config_parse(config, config_size, name, label, &parsed, error);
  if (status) {
    return status;
  }
  join(label, folder, strlen(folder), WEIGHTS);
  status = maudio_weights_open(weights, weights_size, label, &opened, error);
  if (status) {
    maudio_config_clear(&parsed);
    return status;
  }
  const uint64_t fingerprint = maudio_hash(
    maudio_hash(MAUDIO_HASH, config, config_size), weights, weights_size);
  status =
    maudio_model_build(&parsed, opened, fingerprint, label, model, error);
  maudio_weights_free(opened);
  return status;
}

/// If weights of a form that we do not read are there, say so
static maudio_status
explain_absence(const char* folder, size_t n_folder, maudio_error* error)
{
  static const char* const others[] = {
    "model.safetensors.index.json", "pytorch_model.bin",
    "pytorch_model.bin.index.json", "consolidated.safetensors"};

  char        path[PATH_MAX];
  struct stat info;
  for (size_t i = 0; i < sizeof others / sizeof *others; ++i) {
    if (join(path, folder, n_folder, others[i]) && !stat(path, &info)) {
      return maudio_fail(error, MAUDIO_ERR_UNSUPPORTED,
                         "%s: Weights are read from one " WEIGHTS
                         ", which this folder lacks",
                         maudio_path_tail(path));
    }
  }
  return MAUDIO_ERR_NOT_FOUND;
}

maudio_status maudio_checkpoint_open(const char*    path,
                                     maudio_model** model,
                                     maudio_error*  error)
{
  *model = NULL;
  char         folder[PATH_MAX];
  char         file[PATH_MAX];
  const size_t n_folder =
    is_config(path) ? strlen(path) - strlen(CONFIG) : strlen(path);
  if (!join(file, path, n_folder, WEIGHTS)) {
    return maudio_fail(error, MAUDIO_ERR_IO, "%s: Path is too long",
                       maudio_path_tail(path));
  }
  snprintf(folder, sizeof folder, "%.*s", (int)n_folder, path);

  void*         config       = NULL;
  void*         weights      = NULL;
  size_t        config_size  = 0;
  size_t        weights_size = 0;
  maudio_status status       = MAUDIO_SUCCESS;
  join(file, path, n_folder, CONFIG);
  status = maudio_file_read(file, &config, &config_size, error);
  if (!status) {
    join(file, path, n_folder, WEIGHTS);
    status = maudio_file_read(file, &weights, &weights_size, error);
    if (status == MAUDIO_ERR_NOT_FOUND) {
      status = explain_absence(path, n_folder, error);
    }
  }
  if (!status) {
    status = maudio_checkpoint_open_memory(config, config_size, weights,
                                           weights_size, folder, model, error);
  }
  free(weights);
  free(config);
  return status;
}

#include "error.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char suffix[] = ".safetensors";

static const char* const fixed_folders[] = {
  MAUDIO_INSTALLED_PRESETS,
  MAUDIO_SOURCE_PRESETS,
};

#define N_FIXED_FOLDERS (sizeof(fixed_folders) / sizeof(fixed_folders[0]))

/// A walk over the folders that may hold presets, the first has precedence
typedef struct {
  const char* listed;  ///< Rest of MAUDIO_PRESETS, or NULL at its end
  size_t      n_fixed; ///< Number of fixed folders visited
  const char* folder;  ///< The folder, not terminated by 0
  int         length;  ///< Number of bytes of `folder`
} folder_walk;

/// One preset that was seen; owns both strings
typedef struct {
  char*  name;
  char*  path;
  size_t rank; ///< Order in which it was seen
} preset;

typedef struct {
  preset* presets;
  size_t  n_presets;
  size_t  capacity;
} preset_list;

static folder_walk folder_walk_start(void)
{
  const folder_walk walk = {getenv("MAUDIO_PRESETS"), 0, NULL, 0};
  return walk;
}

static bool folder_walk_next(folder_walk* walk)
{
  while (walk->listed) {
    walk->folder      = walk->listed;
    walk->length      = (int)strcspn(walk->listed, ":");
    const char* colon = walk->listed + walk->length;
    walk->listed      = *colon ? colon + 1 : NULL;
    if (walk->length) {
      return true;
    }
  }
  if (walk->n_fixed == N_FIXED_FOLDERS) {
    return false;
  }
  walk->folder = fixed_folders[walk->n_fixed++];
  walk->length = (int)strlen(walk->folder);
  return true;
}

static bool is_file(const char* path)
{
  struct stat info;
  return !stat(path, &info) && S_ISREG(info.st_mode);
}

maudio_status maudio_preset_find(const char*   name,
                                 char*         path,
                                 size_t        size,
                                 maudio_error* error)
{
  if (!name[0] || name[0] == '.' || strchr(name, '/')) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "\"%s\" cannot be the name of a preset", name);
  }

  folder_walk walk = folder_walk_start();
  while (folder_walk_next(&walk)) {
    const int length =
      snprintf(path, size, "%.*s/%s%s", walk.length, walk.folder, name, suffix);
    if (length < 0 || (size_t)length >= size) {
      return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                         "Path of preset \"%s\" in %.*s is longer than %zu "
                         "bytes",
                         name, walk.length, walk.folder, size);
    }
    if (is_file(path)) {
      return MAUDIO_SUCCESS;
    }
  }
  return maudio_fail(error, MAUDIO_ERR_NOT_FOUND,
                     "No preset \"%s\" in the folders of MAUDIO_PRESETS or in "
                     "%s",
                     name, MAUDIO_INSTALLED_PRESETS);
}

static void preset_list_clear(preset_list* list)
{
  for (size_t i = 0; i < list->n_presets; ++i) {
    free(list->presets[i].name);
    free(list->presets[i].path);
  }
  free(list->presets);
}

static bool preset_list_reserve(preset_list* list)
{
  if (list->n_presets < list->capacity) {
    return true;
  }
  const size_t  capacity = list->capacity ? 2 * list->capacity : 16;
  preset* const presets =
    (preset*)realloc(list->presets, capacity * sizeof(preset));
  if (!presets) {
    return false;
  }
  list->presets  = presets;
  list->capacity = capacity;
  return true;
}

static bool preset_list_add(preset_list*       list,
                            const folder_walk* walk,
                            const char*        file,
                            size_t             name_length)
{
  if (!preset_list_reserve(list)) {
    return false;
  }
  const size_t path_size = (size_t)walk->length + strlen(file) + 2;
  const preset added = {strndup(file, name_length), (char*)malloc(path_size),
                        list->n_presets};
  if (!added.name || !added.path) {
    free(added.name);
    free(added.path);
    return false;
  }
  snprintf(added.path, path_size, "%.*s/%s", walk->length, walk->folder, file);
  if (is_file(added.path)) {
    list->presets[list->n_presets++] = added;
  } else {
    free(added.name);
    free(added.path);
  }
  return true;
}

/// Add the presets of one folder; one that cannot be read has none
static bool preset_list_scan(preset_list* list, const folder_walk* walk)
{
  char* const folder = strndup(walk->folder, (size_t)walk->length);
  if (!folder) {
    return false;
  }
  DIR* const dir = opendir(folder);
  free(folder);
  if (!dir) {
    return true;
  }

  bool                 ok    = true;
  const struct dirent* entry = NULL;
  while (ok && (entry = readdir(dir))) {
    const char* const file   = entry->d_name;
    const size_t      length = strlen(file);
    const size_t      tail   = sizeof(suffix) - 1;
    if (file[0] != '.' && length > tail &&
        !strcmp(file + length - tail, suffix)) {
      ok = preset_list_add(list, walk, file, length - tail);
    }
  }
  closedir(dir);
  return ok;
}

static int compare_presets(const void* a, const void* b)
{
  const preset* const left  = (const preset*)a;
  const preset* const right = (const preset*)b;
  const int           order = strcmp(left->name, right->name);
  return order ? order
               : (left->rank > right->rank) - (left->rank < right->rank);
}

maudio_status
maudio_preset_each(maudio_preset_visit visit, void* user, maudio_error* error)
{
  preset_list list = {NULL, 0, 0};
  folder_walk walk = folder_walk_start();
  while (folder_walk_next(&walk)) {
    if (!preset_list_scan(&list, &walk)) {
      preset_list_clear(&list);
      return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                         "No memory to list the presets");
    }
  }

  if (list.n_presets) {
    qsort(list.presets, list.n_presets, sizeof(preset), compare_presets);
  }
  for (size_t i = 0; i < list.n_presets; ++i) {
    const preset* const p = &list.presets[i];
    if (i && !strcmp(p->name, list.presets[i - 1].name)) {
      continue;
    }
    if (!visit(p->name, p->path, user)) {
      break;
    }
  }
  preset_list_clear(&list);
  return MAUDIO_SUCCESS;
}

#include "model_cache.h"

#include "error.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/// An open model and what tells its file from others
typedef struct entry {
  struct entry*   next;
  maudio_model*   model;
  size_t          n_users;
  struct timespec changed;
  off_t           size;
  char            path[]; ///< Without symbolic links
} entry;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static entry*          entries;

static entry* find(const char* path, const struct stat* info)
{
  for (entry* e = entries; e; e = e->next) {
    if (e->size == info->st_size && e->changed.tv_sec == info->st_mtim.tv_sec &&
        e->changed.tv_nsec == info->st_mtim.tv_nsec && !strcmp(e->path, path)) {
      return e;
    }
  }
  return NULL;
}

static maudio_status add(const char*        path,
                         const struct stat* info,
                         entry**            added,
                         maudio_error*      error)
{
  const size_t n_bytes = strlen(path) + 1;
  entry* const e       = (entry*)calloc(1, sizeof *e + n_bytes);
  if (!e) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory",
                       maudio_path_tail(path));
  }
  const maudio_status status = maudio_model_open(path, &e->model, error);
  if (status) {
    free(e);
    return status;
  }
  memcpy(e->path, path, n_bytes);
  e->changed = info->st_mtim;
  e->size    = info->st_size;
  e->next    = entries;
  entries    = e;
  *added     = e;
  return MAUDIO_SUCCESS;
}

maudio_status model_cache_open(const char*          path,
                               const maudio_model** model,
                               maudio_error*        error)
{
  *model = NULL;
  char        real[PATH_MAX];
  struct stat info;
  if (!realpath(path, real) || stat(real, &info)) {
    return maudio_fail(error, MAUDIO_ERR_NOT_FOUND, "%s: %s",
                       maudio_path_tail(path), strerror(errno));
  }

  pthread_mutex_lock(&mutex);
  entry*              e      = find(real, &info);
  const maudio_status status = e ? MAUDIO_SUCCESS : add(real, &info, &e, error);
  if (e) {
    ++e->n_users;
    *model = e->model;
  }
  pthread_mutex_unlock(&mutex);
  return status;
}

void model_cache_close(const maudio_model* model)
{
  if (!model) {
    return;
  }
  pthread_mutex_lock(&mutex);
  for (entry** at = &entries; *at; at = &(*at)->next) {
    entry* const e = *at;
    if (e->model == model) {
      if (--e->n_users == 0) {
        *at = e->next;
        maudio_model_free(e->model);
        free(e);
      }
      break;
    }
  }
  pthread_mutex_unlock(&mutex);
}

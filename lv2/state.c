#include "state.h"

#include "instance.h"

#include <lv2/core/lv2_util.h>
#include <stdlib.h>
#include <string.h>

/// How the host wants paths, where it cares
typedef struct {
  LV2_State_Map_Path*  map;
  LV2_State_Free_Path* free_path;
} paths;

static paths find_paths(const LV2_Feature* const* features)
{
  paths p = {NULL, NULL};
  if (features) {
    lv2_features_query(features, LV2_STATE__mapPath, &p.map, false,
                       LV2_STATE__freePath, &p.free_path, false, NULL);
  }
  return p;
}

static void free_path(const paths* p, char* path)
{
  if (p->free_path) {
    p->free_path->free_path(p->free_path->handle, path);
  } else {
    free(path);
  }
}

/// Any thread but the audio thread, which may run meanwhile
static LV2_State_Status save(LV2_Handle                plugin,
                             LV2_State_Store_Function  store,
                             LV2_State_Handle          handle,
                             uint32_t                  flags,
                             const LV2_Feature* const* features)
{
  (void)flags;
  instance* const in = (instance*)plugin;
  if (!in->uri.model) {
    return LV2_STATE_ERR_NO_FEATURE;
  }
  char* path = player_copy_path(&in->play);
  if (!path && atomic_load(&in->is_missing)) {
    path = strdup(in->missing);
  }
  if (!path) {
    return LV2_STATE_SUCCESS;
  }
  const paths p      = find_paths(features);
  char* const mapped = p.map ? p.map->abstract_path(p.map->handle, path) : NULL;
  const char* const      stored = mapped ? mapped : path;
  const LV2_State_Status status =
    store(handle, in->uri.model, stored, strlen(stored) + 1, in->uri.atom_path,
          LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
  if (mapped) {
    free_path(&p, mapped);
  }
  free(path);
  return status;
}

/// Load the file that a state names, and hand it to the audio thread
static LV2_State_Status
restore_file(instance* in, const char* stored, const paths* p)
{
  char* const mapped =
    p->map ? p->map->absolute_path(p->map->handle, stored) : NULL;
  const char* const   path   = mapped ? mapped : stored;
  sound*              loaded = NULL;
  maudio_error        error  = {.message = ""};
  const maudio_status status = sound_new(path, &in->play.spec, &loaded, &error);
  if (status && strlen(path) < sizeof in->missing) {
    memcpy(in->missing, path, strlen(path) + 1);
    atomic_store(&in->is_missing, true);
  }
  if (mapped) {
    free_path(p, mapped);
  }
  if (status) {
    instance_complain(in, error.message);
    return LV2_STATE_ERR_UNKNOWN;
  }
  player_restore(&in->play, loaded);
  return LV2_STATE_SUCCESS;
}

/// Any thread but the audio thread, which may run meanwhile: no worker needed
static LV2_State_Status restore(LV2_Handle                  plugin,
                                LV2_State_Retrieve_Function retrieve,
                                LV2_State_Handle            handle,
                                uint32_t                    flags,
                                const LV2_Feature* const*   features)
{
  (void)flags;
  instance* const in = (instance*)plugin;
  player_sweep(&in->play);
  if (!in->uri.model) {
    return LV2_STATE_ERR_NO_FEATURE;
  }
  atomic_store(&in->is_missing, false);

  size_t            size         = 0;
  uint32_t          type         = 0;
  uint32_t          stored_flags = 0;
  const char* const stored =
    (const char*)retrieve(handle, in->uri.model, &size, &type, &stored_flags);
  if (!stored) {
    player_restore(&in->play, in->play.factory[0]);
    return LV2_STATE_SUCCESS;
  }
  if ((type != in->uri.atom_path && type != in->uri.atom_string) ||
      !memchr(stored, '\0', size)) {
    instance_complain(in, "The model file of a saved state is no path");
    return LV2_STATE_ERR_BAD_TYPE;
  }
  const paths p = find_paths(features);
  return restore_file(in, stored, &p);
}

const LV2_State_Interface state_interface = {save, restore};

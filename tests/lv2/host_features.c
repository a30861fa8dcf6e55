#include "host_features.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define N_URIDS 256

static char* urids[N_URIDS];
static char  logged[512];

static LV2_URID map_uri(LV2_URID_Map_Handle handle, const char* uri)
{
  (void)handle;
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  LV2_URID i = 0;
  while (urids[i] && strcmp(urids[i], uri)) {
    ++i;
  }
  if (!urids[i]) {
    urids[i] = strdup(uri);
  }
  pthread_mutex_unlock(&mutex);
  assert_true(i + 1 < N_URIDS);
  return i + 1;
}

static const char* unmap_uri(LV2_URID_Unmap_Handle handle, LV2_URID urid)
{
  (void)handle;
  return urid && urid <= N_URIDS ? urids[urid - 1] : NULL;
}

static int log_vprintf(LV2_Log_Handle handle,
                       LV2_URID       type,
                       const char*    format,
                       va_list        arguments)
{
  (void)handle;
  (void)type;
  return vsnprintf(logged, sizeof logged, format, arguments);
}

static int
log_printf(LV2_Log_Handle handle, LV2_URID type, const char* format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  const int n = log_vprintf(handle, type, format, arguments);
  va_end(arguments);
  return n;
}

static LV2_URID_Map   urid_map   = {NULL, map_uri};
static LV2_URID_Unmap urid_unmap = {NULL, unmap_uri};
static LV2_Log_Log    urid_log   = {NULL, log_printf, log_vprintf};

const LV2_Feature host_map_feature   = {LV2_URID__map, &urid_map};
const LV2_Feature host_unmap_feature = {LV2_URID__unmap, &urid_unmap};
const LV2_Feature host_log_feature   = {LV2_LOG__log, &urid_log};

LV2_URID_Map* host_map(void)
{
  return &urid_map;
}

LV2_URID_Unmap* host_unmap(void)
{
  return &urid_unmap;
}

LilvWorld* host_world(void)
{
  static LilvWorld* world;
  if (!world) {
    world = lilv_world_new();
    assert_non_null(world);
    lilv_world_load_all(world);
  }
  return world;
}

const LilvPlugin* host_plugin(const char* uri)
{
  LilvNode* const         node    = lilv_new_uri(host_world(), uri);
  const LilvPlugins*      plugins = lilv_world_get_all_plugins(host_world());
  const LilvPlugin* const plugin  = lilv_plugins_get_by_uri(plugins, node);
  lilv_node_free(node);
  assert_non_null(plugin);
  return plugin;
}

const char* host_logged(void)
{
  static char taken[sizeof logged];
  memcpy(taken, logged, sizeof taken);
  logged[0] = '\0';
  return taken;
}

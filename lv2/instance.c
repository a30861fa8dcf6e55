#include "instance.h"

#include <lv2/core/lv2_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/// The load is smoothed over this time
#define LOAD_SECONDS 0.3

/// A host sets the ports of a saved state within this time of its files
#define SETTLE_SECONDS 0.1

void instance_complain(instance* in, const char* sentence)
{
  lv2_log_error(&in->logger, "maudio: %s\n", sentence);
}

instance* instance_new(size_t                    size,
                       const char*               plugin_uri,
                       const sound_spec*         spec,
                       const LV2_Feature* const* features)
{
  LV2_URID_Map*        map      = NULL;
  LV2_Log_Log*         log      = NULL;
  LV2_Worker_Schedule* schedule = NULL;
  lv2_features_query(features, LV2_URID__map, &map, false, LV2_LOG__log, &log,
                     false, LV2_WORKER__schedule, &schedule, false, NULL);
  instance* const in = (instance*)calloc(1, size);
  if (!in) {
    fputs("maudio: No memory for an instance\n", stderr);
    return NULL;
  }
  in->schedule    = schedule;
  in->ports.n_out = spec->n_channels;
  in->ports.n_in  = spec->task == MAUDIO_TASK_DENOISE ? spec->n_channels : 0;
  if (map) {
    lv2_log_logger_init(&in->logger, map, log);
    lv2_atom_forge_init(&in->forge, map);
    uris_init(&in->uri, map, plugin_uri);
  }

  maudio_error error = {.message = ""};
  if (player_init(&in->play, spec, &error)) {
    instance_complain(in, error.message);
    instance_free(in);
    return NULL;
  }
  return in;
}

void instance_free(instance* in)
{
  sound_free(in->request.loaded);
  player_clear(&in->play);
  free(in);
}

void instance_change(instance* in, sound* s)
{
  ++in->n_changes;
  in->request.is_asked = false;
  if (!s->is_factory || !in->play.wanted->is_factory) {
    in->is_to_tell = true;
  }
  player_want(&in->play, s);
}

/// Number of the factory preset that the port asks for
static unsigned preset_of_port(const instance* in)
{
  const float    value = port_value(&in->ports, PORT_PRESET);
  const unsigned last  = in->play.n_factory - 1;
  if (!(value >= 0.5f)) {
    return 0;
  }
  return value < (float)last + 0.5f ? (unsigned)(value + 0.5f) : last;
}

void instance_choose(instance* in, uint32_t n_frames)
{
  const unsigned preset   = preset_of_port(in);
  sound* const   restored = player_restored(&in->play);
  if (restored && !restored->is_factory) {
    in->n_settle = (size_t)(SETTLE_SECONDS * in->play.spec.rate_hz);
    instance_change(in, restored);
  } else if (restored || !in->is_chosen ||
             (preset != in->preset && !in->n_settle)) {
    if (!restored && in->is_chosen) {
      atomic_store(&in->is_missing, false);
    }
    instance_change(in, in->play.factory[preset]);
  }
  in->is_chosen = true;
  in->preset    = preset;
  in->n_settle -= in->n_settle < n_frames ? in->n_settle : n_frames;
}

double instance_clock(void)
{
  // By the vDSO, without a system call
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void instance_report_load(instance* in, double start_s, uint32_t n_frames)
{
  if (n_frames) {
    const double realtime = n_frames / in->play.spec.rate_hz;
    const double share =
      realtime < LOAD_SECONDS ? realtime / LOAD_SECONDS : 1.0;
    const double load = 100.0 * (instance_clock() - start_s) / realtime;
    in->load += (float)(share * (load - in->load));
  }
  port_report(&in->ports, PORT_LOAD, in->load);
}

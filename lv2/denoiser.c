#include "denoiser.h"

#include "messages.h"
#include "worker.h"

#include <lv2/core/lv2_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/// The load is smoothed over this time
#define LOAD_SECONDS 0.3

/// A host sets the ports of a saved state within this time of its files
#define SETTLE_SECONDS 0.1

void denoiser_complain(denoiser* d, const char* sentence)
{
  lv2_log_error(&d->logger, "maudio: %s\n", sentence);
}

denoiser* denoiser_new(const char*               plugin_uri,
                       unsigned                  n_channels,
                       double                    rate_hz,
                       const LV2_Feature* const* features)
{
  LV2_URID_Map*        map      = NULL;
  LV2_Log_Log*         log      = NULL;
  LV2_Worker_Schedule* schedule = NULL;
  lv2_features_query(features, LV2_URID__map, &map, false, LV2_LOG__log, &log,
                     false, LV2_WORKER__schedule, &schedule, false, NULL);
  denoiser* const d = (denoiser*)calloc(1, sizeof *d);
  if (!d) {
    fputs("maudio: No memory for an instance\n", stderr);
    return NULL;
  }
  d->schedule = schedule;
  if (map) {
    lv2_log_logger_init(&d->logger, map, log);
    lv2_atom_forge_init(&d->forge, map);
    uris_init(&d->uri, map, plugin_uri);
  }

  maudio_error error = {.message = ""};
  if (player_init(&d->play, rate_hz, n_channels, &error)) {
    denoiser_complain(d, error.message);
    denoiser_free(d);
    return NULL;
  }
  return d;
}

void denoiser_free(denoiser* d)
{
  sound_free(d->request.loaded);
  player_clear(&d->play);
  free(d);
}

void denoiser_change(denoiser* d, sound* s)
{
  ++d->n_changes;
  d->request.is_asked = false;
  if (!s->is_factory || !d->play.wanted->is_factory) {
    d->is_to_tell = true;
  }
  player_want(&d->play, s);
}

/// Number of the factory preset that the port asks for
static unsigned preset_of_port(const denoiser* d)
{
  const float value = port_value(&d->ports, PORT_PRESET);
  if (!(value >= 0.5f)) {
    return 0;
  }
  return value < (float)N_FACTORY - 0.5f ? (unsigned)(value + 0.5f)
                                         : N_FACTORY - 1;
}

/// Look at the preset port, and at what a saved state brought
static void choose(denoiser* d, uint32_t n_frames)
{
  const unsigned preset   = preset_of_port(d);
  sound* const   restored = player_restored(&d->play);
  if (restored && !restored->is_factory) {
    d->n_settle = (size_t)(SETTLE_SECONDS * d->play.rate_hz);
    denoiser_change(d, restored);
  } else if (restored || !d->is_chosen ||
             (preset != d->preset && !d->n_settle)) {
    if (!restored && d->is_chosen) {
      atomic_store(&d->is_missing, false);
    }
    denoiser_change(d, d->play.factory[preset]);
  }
  d->is_chosen = true;
  d->preset    = preset;
  d->n_settle -= d->n_settle < n_frames ? d->n_settle : n_frames;
}

static void set_params(denoiser* d)
{
  static const struct {
    maudio_param param;
    port_index   port;
  } all[] = {
    {MAUDIO_PARAM_ENABLED, PORT_ENABLED},
    {MAUDIO_PARAM_STRENGTH, PORT_STRENGTH},
    {MAUDIO_PARAM_MAX_ATTENUATION_DB, PORT_MAX_ATTENUATION},
    {MAUDIO_PARAM_MIX, PORT_MIX},
    {MAUDIO_PARAM_OUTPUT_GAIN_DB, PORT_OUTPUT_GAIN},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
    // What is not a number changes nothing
    maudio_effect_set(d->play.effect, all[i].param,
                      port_value(&d->ports, all[i].port));
  }
}

/// Read the clock: by the vDSO, without a system call
static double now_seconds(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void update_load(denoiser* d, double seconds, uint32_t n_frames)
{
  const double realtime = n_frames / d->play.rate_hz;
  if (n_frames) {
    const double share =
      realtime < LOAD_SECONDS ? realtime / LOAD_SECONDS : 1.0;
    const double load = 100.0 * seconds / realtime;
    d->load += (float)(share * (load - d->load));
  }
}

void denoiser_run(denoiser* d, uint32_t n_frames)
{
  const double start = now_seconds();
  choose(d, n_frames);
  messages_read(d);
  player_update(&d->play);
  worker_schedule(d);

  set_params(d);
  maudio_effect* const effect = d->play.effect;
  maudio_effect_process(effect, d->ports.in, d->ports.out, n_frames);

  messages_write(d);
  port_report(&d->ports, PORT_LATENCY, (float)maudio_effect_latency(effect));
  port_report(&d->ports, PORT_REDUCTION, maudio_effect_reduction_db(effect));
  update_load(d, now_seconds() - start, n_frames);
  port_report(&d->ports, PORT_LOAD, d->load);
}

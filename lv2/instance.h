/** @file
 * What an instance of any plugin here has: a player, messages, a worker, a
 * choice of what plays.
 */
#ifndef MAUDIO_LV2_INSTANCE_H
#define MAUDIO_LV2_INSTANCE_H

#include "player.h"
#include "ports.h"
#include "uris.h"

#include <limits.h>
#include <lv2/atom/forge.h>
#include <lv2/log/logger.h>
#include <lv2/worker/worker.h>

/// A model file asked for by a message, on its way through the worker
typedef struct {
  char     path[PATH_MAX];    ///< What is asked for
  bool     is_asked;          ///< It has yet to be given to the worker
  char     loading[PATH_MAX]; ///< What the worker was given
  uint32_t loading_change;    ///< instance::n_changes when that was done
  sound*   loaded;            ///< The worker's result, on its way back

  atomic_bool is_loading; ///< From the order to the worker to its response
} model_request;

typedef struct {
  player               play;
  port_buffers         ports;
  uris                 uri; ///< All 0 if the host has no URIDs
  LV2_Atom_Forge       forge;
  LV2_Log_Logger       logger;
  LV2_Worker_Schedule* schedule; ///< NULL if the host has no worker
  model_request        request;
  atomic_bool          is_sweeping; ///< The worker was told to
  char        missing[PATH_MAX];    ///< A saved state's file that did not load
  atomic_bool is_missing; ///< Saved again, until something else is chosen

  // The audio thread's
  bool     is_chosen;  ///< The first run() has chosen what plays
  unsigned preset;     ///< What the port said when it was last looked at
  size_t   n_settle;   ///< Frames in which that is no decision of the user
  uint32_t n_changes;  ///< Of what is to play: the latest change wins
  bool     is_to_tell; ///< The host is to be told which file plays
  float    load;       ///< Smoothed percentage of real time
} instance;

/**
 * Make the base of a plugin's instance, which has it as its first member.
 *
 * @param size Of the whole, which is zeroed.
 * @return NULL after one sentence in the log.
 */
instance* instance_new(size_t                    size,
                       const char*               plugin_uri,
                       const sound_spec*         spec,
                       const LV2_Feature* const* features);

/// Free an instance, which the host's worker must have finished with
void instance_free(instance* in);

/// Tell the user one sentence; not for the audio thread
void instance_complain(instance* in, const char* sentence);

/// Play something else, whatever was asked for before
MAUDIO_RT void instance_change(instance* in, sound* s);

/// Look at the preset port, and at what a saved state brought
MAUDIO_RT void instance_choose(instance* in, uint32_t n_frames);

/// Read a clock, in seconds
MAUDIO_RT double instance_clock(void);

/// Report the load of a run() of `n_frames` that began at `start_s`
MAUDIO_RT void
instance_report_load(instance* in, double start_s, uint32_t n_frames);

#endif /* MAUDIO_LV2_INSTANCE_H */

/** @file
 * One instance of a plugin.
 */
#ifndef MAUDIO_LV2_DENOISER_H
#define MAUDIO_LV2_DENOISER_H

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
  uint32_t loading_change;    ///< denoiser::n_changes when that was done
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
} denoiser;

/// Make an instance; NULL and one sentence in the log if that fails
denoiser* denoiser_new(const char*               plugin_uri,
                       unsigned                  n_channels,
                       double                    rate_hz,
                       const LV2_Feature* const* features);

/// Free an instance, which the host's worker must have finished with
void denoiser_free(denoiser* d);

/// Tell the user one sentence; not for the audio thread
void denoiser_complain(denoiser* d, const char* sentence);

/// Play something else, whatever was asked for before
MAUDIO_RT void denoiser_change(denoiser* d, sound* s);

/// Process `n_frames` frames of what the host connected
MAUDIO_RT void denoiser_run(denoiser* d, uint32_t n_frames);

#endif /* MAUDIO_LV2_DENOISER_H */

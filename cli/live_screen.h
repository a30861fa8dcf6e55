/** @file
 * What a terminal shows while audio passes.
 */
#ifndef CLI_LIVE_SCREEN_H
#define CLI_LIVE_SCREEN_H

#include "live_audio.h"

#include <stdbool.h>

typedef struct {
  const char* voice;
  double      strength;
  bool        bypassed;
  double      reduction_db;
  double      latency_s; ///< All of it: model, devices, bridge
  bool        quiet;     ///< Nothing but complaints
} live_state;

/// Show one line of status, if a terminal is there
void live_screen_update(const live_state* state, const live_reading* reading);

/// List the keys and the voices to choose from
void live_screen_help(const char* const* voices, size_t n_voices);

#endif /* CLI_LIVE_SCREEN_H */

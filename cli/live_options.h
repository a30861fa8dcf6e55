/** @file
 * The command line of `maudio live`.
 */
#ifndef CLI_LIVE_OPTIONS_H
#define CLI_LIVE_OPTIONS_H

#include "options.h"

#include <limits.h>
#include <stdbool.h>

/// Frames of a block as fits the devices
#define LIVE_ANY_BLOCK UINT_MAX

typedef struct {
  const char*     input;
  const char*     output;
  denoise_options denoise;
  float           rate_hz;   ///< 0: not given
  float           buffer_ms; ///< Below 0: not given
  float           seconds;   ///< 0: not given
  unsigned        n_channels;
  unsigned        n_block; ///< LIVE_ANY_BLOCK: not given
  bool            two_clocks;
  bool            json;
  bool            quiet;
  bool            help;
} live_options;

/// Read a command line; return COMMAND_OK, or COMMAND_USAGE after a complaint.
/// With `help` the help has been shown
int live_options_read(live_options* options, int argc, char** argv);

#endif /* CLI_LIVE_OPTIONS_H */

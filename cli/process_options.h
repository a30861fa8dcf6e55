/** @file
 * The command line of `maudio process`.
 */
#ifndef CLI_PROCESS_OPTIONS_H
#define CLI_PROCESS_OPTIONS_H

#include "cuda_device.h"
#include "options.h"

#include <stdbool.h>

typedef struct {
  const char*           output; ///< NULL: not given
  denoise_options       denoise;
  device_choice         device;
  maudio_cuda_precision precision;
  float                 warm_up_s;
  unsigned              n_jobs; ///< CPU threads, 0: as many as processors
  bool                  restart;
  bool                  recursive;
  bool                  quiet;
  bool                  json;
  bool                  help; ///< It was shown, and that is all
} process_options;

/// Read all options, or complain; return an exit code. `optind` is the first
/// argument that is none
int process_options_read(process_options* options, int argc, char** argv);

#endif /* CLI_PROCESS_OPTIONS_H */

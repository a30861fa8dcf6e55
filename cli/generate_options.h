/** @file
 * The command line of `maudio generate`.
 */
#ifndef CLI_GENERATE_OPTIONS_H
#define CLI_GENERATE_OPTIONS_H

#include "pcm.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  const char* preset;      ///< NULL: not given
  const char* model;       ///< NULL: not given
  const char* prompt;      ///< NULL: none
  const char* state_in;    ///< NULL: from silence
  const char* state_out;   ///< NULL: not kept
  const char* output;      ///< A file, or "-"
  double      seconds;     ///< To make up
  uint64_t    seed;        ///< By chance if none was given
  float       temperature; ///< Negative: not given
  float       top_p;       ///< Negative: not given
  pcm_format  format;
  bool        has_seed; ///< One was given
  bool        omits_prompt;
  bool        quiet;
  bool        help; ///< It was shown
} generate_options;

/// Read a command line, or complain; return the exit code
int generate_options_read(generate_options* options, int argc, char** argv);

#endif /* CLI_GENERATE_OPTIONS_H */

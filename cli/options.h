/** @file
 * What the verbs share in reading their command lines.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "maudio.h"

#include <getopt.h>
#include <stdbool.h>

/// What every verb that removes noise takes
typedef struct {
  const char* preset;             ///< NULL: not given
  const char* model;              ///< NULL: not given
  float       strength;           ///< 0 to 1
  float       max_attenuation_db; ///< 0 to 100
} denoise_options;

/// Their values when none is given
#define DENOISE_DEFAULTS                           \
  {                                                \
    .strength = 1.0F, .max_attenuation_db = 100.0F \
  }

/// What getopt_long() returns for them; those of a verb follow
enum {
  OPTION_PRESET = 256,
  OPTION_MODEL,
  OPTION_STRENGTH,
  OPTION_MAX_ATTENUATION,
  OPTION_OF_VERB
};

/// Their entries in the table of getopt_long()
#define DENOISE_OPTION_NAMES                                           \
  {"preset", required_argument, NULL, OPTION_PRESET},                  \
    {"model", required_argument, NULL, OPTION_MODEL},                  \
    {"strength", required_argument, NULL, OPTION_STRENGTH},            \
  {                                                                    \
    "max-attenuation", required_argument, NULL, OPTION_MAX_ATTENUATION \
  }

/// Read one of them from `optarg`, or complain and return false; false without
/// a word for what is none of them, of which getopt_long() has complained
bool denoise_option(denoise_options* options, int option);

/// Complain if two of them exclude each other, return COMMAND_USAGE then and
/// COMMAND_OK else
int denoise_options_check(const denoise_options* options, const char* verb);

/// Read a number of `low` to `high` into `*value`, or complain and return false
bool option_number(const char* option,
                   const char* text,
                   float       low,
                   float       high,
                   float*      value);

/// Read an integer of `low` to `high`, or complain and return false
bool option_integer(const char* option,
                    const char* text,
                    unsigned    low,
                    unsigned    high,
                    unsigned*   value);

/// Complain about a command line, point to the help, return COMMAND_USAGE
int usage_error(const char* verb, const char* format, ...)
  __attribute__((format(printf, 2, 3)));

/// Point to the help after getopt_long() has complained, return COMMAND_USAGE
int usage_hint(const char* verb);

#endif /* CLI_OPTIONS_H */

/** @file
 * What the verbs share in reading their command lines.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "maudio.h"

#include <stdbool.h>

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

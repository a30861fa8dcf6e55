/** @file
 * Reading the values of a configuration, each with its limits.
 */
#ifndef MAUDIO_CONFIG_READER_H
#define MAUDIO_CONFIG_READER_H

#include "config.h"
#include "maudio.h"

#include <jansson.h>

/// Where we are in the JSON, and the first failure, which silences later ones
typedef struct {
  const char*   label;
  maudio_error* error;
  maudio_status status;
  char          where[32]; ///< Prefix of keys in messages, "blocks[3]."
} maudio_reader;

/// Marks a key that has to be there
#define MAUDIO_REQUIRED (-1.0)

/// Set the prefix of keys in messages
void maudio_reader_enter(maudio_reader* r, const char* where);

/// Refuse the value of a key: `problem` is the rest of the sentence
void maudio_reader_fail(maudio_reader* r, const char* key, const char* problem);

/// Refuse a name that this version does not know
void maudio_reader_unknown(maudio_reader* r,
                           const char*    key,
                           const char*    value);

/// Read a number from `min` to `max`, or `fallback` if there is none
double maudio_reader_number(maudio_reader* r,
                            const json_t*  object,
                            const char*    key,
                            double         fallback,
                            double         min,
                            double         max);

/// Read a whole number, as maudio_reader_number()
uint32_t maudio_reader_integer(maudio_reader* r,
                               const json_t*  object,
                               const char*    key,
                               double         fallback,
                               uint32_t       min,
                               uint32_t       max);

/// Read a string, or "" after a failure
const char*
maudio_reader_string(maudio_reader* r, const json_t* object, const char* key);

/// Read true or false, or `fallback` if the key is absent or null
bool maudio_reader_bool(maudio_reader* r,
                        const json_t*  object,
                        const char*    key,
                        bool           fallback);

/// Read a range of dt, such as [0, Infinity], which is what it is without one
void maudio_reader_limit(maudio_reader*       r,
                         const json_t*        object,
                         const char*          key,
                         maudio_block_config* block);

#endif /* MAUDIO_CONFIG_READER_H */

/** @file
 * The part "steer" of the JSON of a model file.
 */
#ifndef MAUDIO_CONFIG_STEER_H
#define MAUDIO_CONFIG_STEER_H

#include "config_reader.h"

/// Read `object` to config->steer; the front end has been read
void maudio_steer_config_read(maudio_reader* r,
                              const json_t*  object,
                              maudio_config* config);

#endif /* MAUDIO_CONFIG_STEER_H */

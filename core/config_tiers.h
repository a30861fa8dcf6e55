/** @file
 * What a generator's JSON has: the front end "sample" and the tiers.
 */
#ifndef MAUDIO_CONFIG_TIERS_H
#define MAUDIO_CONFIG_TIERS_H

#include "config_reader.h"

/// Read "front_end" and "tiers" of `root` to config->sample
void maudio_tiers_config_read(maudio_reader* r,
                              const json_t*  root,
                              maudio_config* config);

#endif /* MAUDIO_CONFIG_TIERS_H */

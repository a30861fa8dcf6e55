/** @file
 * What the host gives all plugins: URIDs, and a log. Also the world of plugins.
 */
#ifndef HOST_FEATURES_H
#define HOST_FEATURES_H

#include "host.h"

extern const LV2_Feature host_map_feature;
extern const LV2_Feature host_unmap_feature;
extern const LV2_Feature host_log_feature;

#endif /* HOST_FEATURES_H */

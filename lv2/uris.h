/** @file
 * URIs, and the numbers the host has for them.
 */
#ifndef MAUDIO_LV2_URIS_H
#define MAUDIO_LV2_URIS_H

#include <lv2/urid/urid.h>

#define URI_DENOISE_MONO "urn:maudio:denoise-mono"
#define URI_DENOISE_STEREO "urn:maudio:denoise-stereo"
#define URI_GENERATOR "urn:maudio:generator"
#define URI_MODEL "urn:maudio:model"

typedef struct {
  LV2_URID plugin; ///< Of this plugin
  LV2_URID model;  ///< Path of the model file, or empty
  LV2_URID atom_path;
  LV2_URID atom_string;
  LV2_URID atom_urid;
  LV2_URID midi_event;
  LV2_URID patch_get;
  LV2_URID patch_set;
  LV2_URID patch_subject;
  LV2_URID patch_property;
  LV2_URID patch_value;
} uris;

void uris_init(uris* u, const LV2_URID_Map* map, const char* plugin_uri);

#endif /* MAUDIO_LV2_URIS_H */

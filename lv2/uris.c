#include "uris.h"

#include <lv2/atom/atom.h>
#include <lv2/midi/midi.h>
#include <lv2/patch/patch.h>
#include <stddef.h>

void uris_init(uris* u, const LV2_URID_Map* map, const char* plugin_uri)
{
  const struct {
    LV2_URID*   urid;
    const char* uri;
  } all[] = {
    {&u->plugin, plugin_uri},
    {&u->model, URI_MODEL},
    {&u->atom_path, LV2_ATOM__Path},
    {&u->atom_string, LV2_ATOM__String},
    {&u->atom_urid, LV2_ATOM__URID},
    {&u->midi_event, LV2_MIDI__MidiEvent},
    {&u->patch_get, LV2_PATCH__Get},
    {&u->patch_set, LV2_PATCH__Set},
    {&u->patch_subject, LV2_PATCH__subject},
    {&u->patch_property, LV2_PATCH__property},
    {&u->patch_value, LV2_PATCH__value},
  };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i) {
    *all[i].urid = map->map(map->handle, all[i].uri);
  }
}

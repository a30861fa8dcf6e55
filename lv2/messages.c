#include "messages.h"

#include "worker.h"

#include <lv2/atom/util.h>
#include <string.h>

static bool is_urid(const denoiser* d, const LV2_Atom* atom, LV2_URID urid)
{
  return atom && atom->type == d->uri.atom_urid &&
         atom->size >= sizeof(LV2_URID) &&
         ((const LV2_Atom_URID*)atom)->body == urid;
}

/// Length of the path that `value` holds, or PATH_MAX if it is none
static size_t path_length(const denoiser* d, const LV2_Atom* value)
{
  if (!value ||
      (value->type != d->uri.atom_path && value->type != d->uri.atom_string)) {
    return PATH_MAX;
  }
  const size_t limit = value->size < PATH_MAX ? value->size : PATH_MAX;
  const char*  path  = (const char*)LV2_ATOM_BODY_CONST(value);
  const void*  end   = limit ? memchr(path, '\0', limit) : path;
  return end ? (size_t)((const char*)end - path) : PATH_MAX;
}

static void set_model(denoiser* d, const LV2_Atom* value)
{
  const size_t length = path_length(d, value);
  if (length == PATH_MAX || (length && !d->schedule)) {
    d->is_to_tell = true; // What the host believes is set is not
  } else if (length) {
    worker_ask(d, (const char*)LV2_ATOM_BODY_CONST(value), length);
  } else {
    atomic_store(&d->is_missing, false);
    denoiser_change(d, d->play.factory[d->preset]);
  }
}

static void read_object(denoiser* d, const LV2_Atom_Object* object)
{
  const LV2_Atom* subject  = NULL;
  const LV2_Atom* property = NULL;
  const LV2_Atom* value    = NULL;
  lv2_atom_object_get(object, d->uri.patch_subject, &subject,
                      d->uri.patch_property, &property, d->uri.patch_value,
                      &value, 0);
  if (subject && !is_urid(d, subject, d->uri.plugin)) {
    return;
  }
  if (object->body.otype == d->uri.patch_get) {
    if (!property || is_urid(d, property, d->uri.model)) {
      d->is_to_tell = true;
    }
  } else if (object->body.otype == d->uri.patch_set &&
             is_urid(d, property, d->uri.model)) {
    set_model(d, value);
  }
}

void messages_read(denoiser* d)
{
  const LV2_Atom_Sequence* const control =
    (const LV2_Atom_Sequence*)d->ports.other[PORT_CONTROL];
  if (!d->uri.model || !control ||
      control->atom.size < sizeof(LV2_Atom_Sequence_Body)) {
    return;
  }
  LV2_ATOM_SEQUENCE_FOREACH(control, event)
  {
    if (lv2_atom_forge_is_object_type(&d->forge, event->body.type)) {
      read_object(d, (const LV2_Atom_Object*)&event->body);
    }
  }
}

void messages_write(denoiser* d)
{
  LV2_Atom_Sequence* const notify =
    (LV2_Atom_Sequence*)d->ports.other[PORT_NOTIFY];
  if (!d->uri.model || !notify) {
    return;
  }
  LV2_Atom_Forge* const forge    = &d->forge;
  const uint32_t        capacity = notify->atom.size;
  LV2_Atom_Forge_Frame  sequence;
  lv2_atom_forge_set_buffer(forge, (uint8_t*)notify, capacity);
  if (!lv2_atom_forge_sequence_head(forge, &sequence, 0)) {
    return;
  }
  if (d->is_to_tell) {
    const sound* const   s    = d->play.wanted;
    const char* const    path = s->is_factory ? "" : s->path;
    LV2_Atom_Forge_Frame object;
    const bool           is_written =
      lv2_atom_forge_frame_time(forge, 0) &&
      lv2_atom_forge_object(forge, &object, 0, d->uri.patch_set) &&
      lv2_atom_forge_key(forge, d->uri.patch_property) &&
      lv2_atom_forge_urid(forge, d->uri.model) &&
      lv2_atom_forge_key(forge, d->uri.patch_value) &&
      lv2_atom_forge_path(forge, path, (uint32_t)strlen(path));
    if (is_written) {
      lv2_atom_forge_pop(forge, &object);
      d->is_to_tell = false;
    } else { // An empty sequence now, the whole message later
      lv2_atom_forge_set_buffer(forge, (uint8_t*)notify, capacity);
      lv2_atom_forge_sequence_head(forge, &sequence, 0);
    }
  }
  lv2_atom_forge_pop(forge, &sequence);
}

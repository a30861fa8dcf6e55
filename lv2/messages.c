#include "messages.h"

#include "worker.h"

#include <lv2/atom/util.h>
#include <string.h>

static bool is_urid(const instance* in, const LV2_Atom* atom, LV2_URID urid)
{
  return atom && atom->type == in->uri.atom_urid &&
         atom->size >= sizeof(LV2_URID) &&
         ((const LV2_Atom_URID*)atom)->body == urid;
}

/// Length of the path that `value` holds, or PATH_MAX if it is none
static size_t path_length(const instance* in, const LV2_Atom* value)
{
  if (!value || (value->type != in->uri.atom_path &&
                 value->type != in->uri.atom_string)) {
    return PATH_MAX;
  }
  const size_t limit = value->size < PATH_MAX ? value->size : PATH_MAX;
  const char*  path  = (const char*)LV2_ATOM_BODY_CONST(value);
  const void*  end   = limit ? memchr(path, '\0', limit) : path;
  return end ? (size_t)((const char*)end - path) : PATH_MAX;
}

static void set_model(instance* in, const LV2_Atom* value)
{
  const size_t length = path_length(in, value);
  if (length == PATH_MAX || (length && !in->schedule)) {
    in->is_to_tell = true; // What the host believes is set is not
  } else if (length) {
    worker_ask(in, (const char*)LV2_ATOM_BODY_CONST(value), length);
  } else {
    atomic_store(&in->is_missing, false);
    instance_change(in, in->play.factory[in->preset]);
  }
}

void messages_take(instance* in, const LV2_Atom* atom)
{
  if (!lv2_atom_forge_is_object_type(&in->forge, atom->type)) {
    return;
  }
  const LV2_Atom_Object* const object   = (const LV2_Atom_Object*)atom;
  const LV2_Atom*              subject  = NULL;
  const LV2_Atom*              property = NULL;
  const LV2_Atom*              value    = NULL;
  lv2_atom_object_get(object, in->uri.patch_subject, &subject,
                      in->uri.patch_property, &property, in->uri.patch_value,
                      &value, 0);
  if (subject && !is_urid(in, subject, in->uri.plugin)) {
    return;
  }
  if (object->body.otype == in->uri.patch_get) {
    if (!property || is_urid(in, property, in->uri.model)) {
      in->is_to_tell = true;
    }
  } else if (object->body.otype == in->uri.patch_set &&
             is_urid(in, property, in->uri.model)) {
    set_model(in, value);
  }
}

const LV2_Atom_Sequence* messages_control(const instance* in)
{
  const LV2_Atom_Sequence* const control =
    (const LV2_Atom_Sequence*)in->ports.other[PORT_CONTROL];
  const bool is_readable = in->uri.model && control &&
                           control->atom.size >= sizeof(LV2_Atom_Sequence_Body);
  return is_readable ? control : NULL;
}

void messages_read(instance* in)
{
  const LV2_Atom_Sequence* const control = messages_control(in);
  if (!control) {
    return;
  }
  LV2_ATOM_SEQUENCE_FOREACH(control, event)
  {
    messages_take(in, &event->body);
  }
}

void messages_write(instance* in)
{
  LV2_Atom_Sequence* const notify =
    (LV2_Atom_Sequence*)in->ports.other[PORT_NOTIFY];
  if (!in->uri.model || !notify) {
    return;
  }
  LV2_Atom_Forge* const forge    = &in->forge;
  const uint32_t        capacity = notify->atom.size;
  LV2_Atom_Forge_Frame  sequence;
  lv2_atom_forge_set_buffer(forge, (uint8_t*)notify, capacity);
  if (!lv2_atom_forge_sequence_head(forge, &sequence, 0)) {
    return;
  }
  if (in->is_to_tell) {
    const sound* const   s    = in->play.wanted;
    const char* const    path = s->is_factory ? "" : s->path;
    LV2_Atom_Forge_Frame object;
    const bool           is_written =
      lv2_atom_forge_frame_time(forge, 0) &&
      lv2_atom_forge_object(forge, &object, 0, in->uri.patch_set) &&
      lv2_atom_forge_key(forge, in->uri.patch_property) &&
      lv2_atom_forge_urid(forge, in->uri.model) &&
      lv2_atom_forge_key(forge, in->uri.patch_value) &&
      lv2_atom_forge_path(forge, path, (uint32_t)strlen(path));
    if (is_written) {
      lv2_atom_forge_pop(forge, &object);
      in->is_to_tell = false;
    } else { // An empty sequence now, the whole message later
      lv2_atom_forge_set_buffer(forge, (uint8_t*)notify, capacity);
      lv2_atom_forge_sequence_head(forge, &sequence, 0);
    }
  }
  lv2_atom_forge_pop(forge, &sequence);
}

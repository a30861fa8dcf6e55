/** @file
 * The model file as a property: patch:Set and patch:Get in, patch:Set out.
 */
#ifndef MAUDIO_LV2_MESSAGES_H
#define MAUDIO_LV2_MESSAGES_H

#include "instance.h"

/// Return the messages that came with this run(), or NULL
MAUDIO_RT const LV2_Atom_Sequence* messages_control(const instance* in);

/// Do what a message says, if it is about the model file
MAUDIO_RT void messages_take(instance* in, const LV2_Atom* atom);

/// Do what the messages that came with this run() say
MAUDIO_RT void messages_read(instance* in);

/// Write the answer, if one is due and the host gave room for it
MAUDIO_RT void messages_write(instance* in);

#endif /* MAUDIO_LV2_MESSAGES_H */

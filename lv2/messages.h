/** @file
 * The model file as a property: patch:Set and patch:Get in, patch:Set out.
 */
#ifndef MAUDIO_LV2_MESSAGES_H
#define MAUDIO_LV2_MESSAGES_H

#include "denoiser.h"

/// Do what the messages that came with this run() say
MAUDIO_RT void messages_read(denoiser* d);

/// Write the answer, if one is due and the host gave room for it
MAUDIO_RT void messages_write(denoiser* d);

#endif /* MAUDIO_LV2_MESSAGES_H */

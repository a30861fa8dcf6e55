/** @file
 * What a session keeps besides the ports: the path of the model file, while
 * one plays.
 */
#ifndef MAUDIO_LV2_STATE_H
#define MAUDIO_LV2_STATE_H

#include <lv2/state/state.h>

extern const LV2_State_Interface state_interface;

#endif /* MAUDIO_LV2_STATE_H */

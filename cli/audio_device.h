/** @file
 * The audio devices of this machine, through PortAudio.
 */
#ifndef CLI_AUDIO_DEVICE_H
#define CLI_AUDIO_DEVICE_H

#include <portaudio.h>
#include <stdbool.h>

/// Which way audio goes, seen from us
typedef enum { DEVICE_INPUT, DEVICE_OUTPUT } device_side;

/**
 * Start PortAudio, or complain and return false.
 *
 * From here on, what its libraries write to stderr is lost, for good: see
 * report_alone().
 */
bool devices_open(void);

/// End PortAudio
void devices_close(void);

/// Return the name of a device
const char* device_name(PaDeviceIndex device);

/// Return how many channels a device has on a side
int device_channels(PaDeviceIndex device, device_side side);

/**
 * Find a device, or complain and return paNoDevice.
 *
 * @param text Its number, its name, or a part of the name that no other device
 * has on this side, in either case; NULL for the default.
 */
PaDeviceIndex device_find(const char* text, device_side side);

/// Return whether a sound server or a mixer stands between us and the hardware,
/// which is another one for each direction, maybe: all ALSA devices but cards
bool device_is_served(PaDeviceIndex device);

/// Return whether an input and an output run on one clock: they are one card,
/// or JACK's
bool devices_share_clock(PaDeviceIndex input, PaDeviceIndex output);

/// Return the reason of a PortAudio error as the end of a sentence
const char* device_reason(PaError error);

#endif /* CLI_AUDIO_DEVICE_H */

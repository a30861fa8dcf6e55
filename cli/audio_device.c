#include "audio_device.h"

#include "report.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/// Most candidates that a complaint lists
#define MAX_LISTED 5

static const char* side_name(device_side side)
{
  return side == DEVICE_INPUT ? "input" : "output";
}

const char* device_reason(PaError error)
{
  if (error == paUnanticipatedHostError) {
    const PaHostErrorInfo* const info = Pa_GetLastHostErrorInfo();
    if (info && info->errorText && info->errorText[0]) {
      return info->errorText;
    }
  }
  return Pa_GetErrorText(error);
}

bool devices_open(void)
{
  report_alone();
  const PaError error = Pa_Initialize();
  return error == paNoError ||
         complain("PortAudio", "cannot be started: %s", device_reason(error));
}

void devices_close(void)
{
  Pa_Terminate();
}

const char* device_name(PaDeviceIndex device)
{
  return Pa_GetDeviceInfo(device)->name;
}

int device_channels(PaDeviceIndex device, device_side side)
{
  const PaDeviceInfo* const info = Pa_GetDeviceInfo(device);
  return side == DEVICE_INPUT ? info->maxInputChannels
                              : info->maxOutputChannels;
}

static PaHostApiTypeId device_api(PaDeviceIndex device)
{
  return Pa_GetHostApiInfo(Pa_GetDeviceInfo(device)->hostApi)->type;
}

bool device_is_served(PaDeviceIndex device)
{
  return device_api(device) == paALSA && !strstr(device_name(device), "(hw:");
}

bool devices_share_clock(PaDeviceIndex input, PaDeviceIndex output)
{
  return input == output
           ? !device_is_served(input)
           : device_api(input) == paJACK && device_api(output) == paJACK;
}

static PaDeviceIndex find_default(device_side side)
{
  const PaDeviceIndex device = side == DEVICE_INPUT
                                 ? Pa_GetDefaultInputDevice()
                                 : Pa_GetDefaultOutputDevice();
  if (device == paNoDevice) {
    complain_plain(side == DEVICE_INPUT ? "No audio input device found"
                                        : "No audio output device found");
  }
  return device;
}

static PaDeviceIndex find_number(const char* text, device_side side)
{
  const long number = strtol(text, NULL, 10);
  if (strlen(text) > 6 || number >= Pa_GetDeviceCount()) {
    complain(text, "no such device, see 'maudio devices'");
    return paNoDevice;
  }
  if (!device_channels((PaDeviceIndex)number, side)) {
    complain(text, "device \"%s\" has no %s",
             device_name((PaDeviceIndex)number), side_name(side));
    return paNoDevice;
  }
  return (PaDeviceIndex)number;
}

static bool contains(const char* name, const char* part)
{
  const size_t length = strlen(part);
  for (; strlen(name) >= length; ++name) {
    if (!strncasecmp(name, part, length)) {
      return true;
    }
  }
  return false;
}

/// Devices of one side that fit a text
typedef struct {
  PaDeviceIndex first;
  int           n;
  char          list[512]; ///< "2 (default), 5 (pulse)"
} candidates;

static candidates
find_candidates(const char* text, device_side side, bool whole)
{
  candidates   found = {paNoDevice, 0, ""};
  size_t       used  = 0;
  const size_t size  = sizeof(found.list);
  for (PaDeviceIndex d = 0; d < Pa_GetDeviceCount(); ++d) {
    const char* const name = device_name(d);
    if (!device_channels(d, side) ||
        !(whole ? !strcmp(name, text) : contains(name, text))) {
      continue;
    }
    if (!found.n++) {
      found.first = d;
    }
    if (found.n <= MAX_LISTED && used < size) {
      used += (size_t)snprintf(found.list + used, size - used, "%s%d (%s)",
                               used ? ", " : "", d, name);
    } else if (found.n == MAX_LISTED + 1 && used < size) {
      snprintf(found.list + used, size - used, " ...");
    }
  }
  return found;
}

PaDeviceIndex device_find(const char* text, device_side side)
{
  if (!text) {
    return find_default(side);
  }
  if (text[0] && strspn(text, "0123456789") == strlen(text)) {
    return find_number(text, side);
  }
  candidates found = find_candidates(text, side, true);
  if (!found.n && text[0]) {
    found = find_candidates(text, side, false);
  }
  if (!found.n) {
    complain(text, "no such %s device, see 'maudio devices'", side_name(side));
    return paNoDevice;
  }
  if (found.n > 1) {
    complain(text, "fits %d %s devices: %s", found.n, side_name(side),
             found.list);
    return paNoDevice;
  }
  return found.first;
}

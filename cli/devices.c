#include "audio_device.h"
#include "command.h"
#include "options.h"
#include "patience.h"
#include "report.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/// How long a sound system may take to list its devices
#define PATIENCE_S 15

static const char help[] =
  "Usage: maudio devices [OPTION]...\n"
  "List the audio devices that 'maudio live' can use.\n"
  "\n"
  "      --json   print JSON\n"
  "  -h, --help   show this help\n"
  "\n"
  "Examples:\n"
  "  maudio devices\n"
  "  maudio devices --json\n"
  "\n"
  "Exit status: 0 all done, 1 there are no devices, 2 wrong usage.\n";

static const char* host_name(const PaDeviceInfo* info)
{
  return Pa_GetHostApiInfo(info->hostApi)->name;
}

static const char* default_mark(PaDeviceIndex device)
{
  const bool in  = device == Pa_GetDefaultInputDevice();
  const bool out = device == Pa_GetDefaultOutputDevice();
  return in && out ? "default"
         : in      ? "default input"
         : out     ? "default output"
                   : "";
}

static void print_text(int n_devices)
{
  int name_width = 4;
  int host_width = 6;
  for (PaDeviceIndex d = 0; d < n_devices; ++d) {
    const PaDeviceInfo* const info = Pa_GetDeviceInfo(d);
    const int                 name = (int)strlen(info->name);
    const int                 host = (int)strlen(host_name(info));
    name_width                     = name > name_width ? name : name_width;
    host_width                     = host > host_width ? host : host_width;
  }
  printf("     %-*s  %-*s  %3s  %3s  %6s\n", name_width, "name", host_width,
         "system", "in", "out", "Hz");
  for (PaDeviceIndex d = 0; d < n_devices; ++d) {
    const PaDeviceInfo* const info = Pa_GetDeviceInfo(d);
    const char* const         mark = default_mark(d);
    printf("%3d  %-*s  %-*s  %3d  %3d  %6.0f%s%s\n", d, name_width, info->name,
           host_width, host_name(info), info->maxInputChannels,
           info->maxOutputChannels, info->defaultSampleRate,
           mark[0] ? "  " : "", mark);
  }
}

static bool print_json(int n_devices)
{
  json_t* const list = json_array();
  for (PaDeviceIndex d = 0; d < n_devices; ++d) {
    const PaDeviceInfo* const info = Pa_GetDeviceInfo(d);
    // A name that is not UTF-8 is left out
    json_array_append_new(
      list,
      json_pack("{s:i, s:o*, s:s, s:i, s:i, s:f, s:b, s:b}", "number", d,
                "name", json_string(info->name), "host_api", host_name(info),
                "inputs", info->maxInputChannels, "outputs",
                info->maxOutputChannels, "rate_hz", info->defaultSampleRate,
                "default_input", d == Pa_GetDefaultInputDevice(),
                "default_output", d == Pa_GetDefaultOutputDevice()));
  }
  json_t* const root = json_pack("{s:o}", "devices", list);
  const bool    ok =
    root && !json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
  json_decref(root);
  putchar('\n');
  return ok || complain_plain("The JSON cannot be written");
}

static int list_devices(bool as_json)
{
  patience_begin(PATIENCE_S, false);
  if (!devices_open()) {
    return COMMAND_FAILED;
  }
  const int n_devices = Pa_GetDeviceCount();
  bool      ok        = n_devices > 0;
  if (!ok) {
    complain_plain("No audio devices found");
  } else if (as_json) {
    ok = print_json(n_devices);
  } else {
    print_text(n_devices);
  }
  devices_close();
  patience_end();
  return ok ? COMMAND_OK : COMMAND_FAILED;
}

int command_devices(int argc, char** argv)
{
  static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

  bool as_json = false;
  int  option  = 0;
  while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
    switch (option) {
    case 'j':
      as_json = true;
      break;
    case 'h':
      fputs(help, stdout);
      return COMMAND_OK;
    default:
      return usage_hint("devices");
    }
  }
  return optind < argc
           ? usage_error("devices", "%s: devices takes no names", argv[optind])
           : list_devices(as_json);
}

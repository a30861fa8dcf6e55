#include "live_options.h"

#include "command.h"
#include "maudio.h"
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

static const char help[] =
  "Usage: maudio live [OPTION]...\n"
  "Remove noise between an audio input and an audio output, while you speak.\n"
  "\n"
  "      --input=DEV           device to hear, see 'maudio devices' (default)\n"
  "      --output=DEV          device to play to (default)\n"
  "      --preset=NAME         model to use, see 'maudio info' (voice-stage)\n"
  "      --model=FILE          model file to use instead of a preset\n"
  "      --strength=S          0 (as the input) to 1 (full effect) (1)\n"
  "      --max-attenuation=DB  remove no more than 0 to 100 dB (100: no "
  "limit)\n"
  "      --channels=N          1, or 2 with one mask for both (1)\n"
  "      --rate=HZ             8000 to 192000 (48000, or the device's own)\n"
  "      --block=FRAMES        frames at once, 1 to 8192; 0: as the device "
  "likes\n"
  "                            (256 for one card or JACK, otherwise 0)\n"
  "      --buffer=MS           buffer to ask of each device (its own wish)\n"
  "      --two-clocks          input and output drift although it is one "
  "card\n"
  "      --seconds=S           stop after this time\n"
  "      --json                at the end, one line of statistics\n"
  "  -q, --quiet               no meters on a terminal, no summary\n"
  "  -h, --help                show this help\n"
  "\n"
  "DEV is a number, a name, or a part of one name. Between two cards, or "
  "through\n"
  "a sound server, the output is resampled a little when the delay would "
  "change.\n"
  "\n"
  "Keys on a terminal: up and down or + and - for the strength, b bypass, a\n"
  "number or n and p for another model, ? help, q quit.\n"
  "\n"
  "Examples:\n"
  "  maudio live\n"
  "  maudio live --input usb --output 3 --preset voice-live\n"
  "  maudio live --seconds 60 --json\n"
  "\n"
  "Exit status: 0 all done, 1 a device or model failed, 2 wrong usage.\n";

enum {
  OPTION_INPUT = OPTION_OF_VERB,
  OPTION_OUTPUT,
  OPTION_CHANNELS,
  OPTION_RATE,
  OPTION_BLOCK,
  OPTION_BUFFER,
  OPTION_TWO_CLOCKS,
  OPTION_SECONDS,
  OPTION_JSON
};

static bool read_option(live_options* options, int option)
{
  switch (option) {
  case OPTION_INPUT:
    options->input = optarg;
    return true;
  case OPTION_OUTPUT:
    options->output = optarg;
    return true;
  case OPTION_CHANNELS:
    return option_integer("--channels", optarg, 1, MAUDIO_MAX_CHANNELS,
                          &options->n_channels);
  case OPTION_RATE:
    return option_number("--rate", optarg, MAUDIO_MIN_RATE_HZ,
                         MAUDIO_MAX_RATE_HZ, &options->rate_hz);
  case OPTION_BLOCK:
    return option_integer("--block", optarg, 0, 8192, &options->n_block);
  case OPTION_BUFFER:
    return option_number("--buffer", optarg, 0.0F, 1000.0F,
                         &options->buffer_ms);
  case OPTION_TWO_CLOCKS:
    options->two_clocks = true;
    return true;
  case OPTION_SECONDS:
    return option_number("--seconds", optarg, 0.1F, 1e9F, &options->seconds);
  case OPTION_JSON:
    options->json = true;
    return true;
  case 'q':
    options->quiet = true;
    return true;
  case 'h':
    options->help = true;
    return true;
  default:
    return denoise_option(&options->denoise, option);
  }
}

static bool read_options(live_options* options, int argc, char** argv)
{
  static const struct option names[] = {
    {"input", required_argument, NULL, OPTION_INPUT},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    DENOISE_OPTION_NAMES,
    {"channels", required_argument, NULL, OPTION_CHANNELS},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"block", required_argument, NULL, OPTION_BLOCK},
    {"buffer", required_argument, NULL, OPTION_BUFFER},
    {"two-clocks", no_argument, NULL, OPTION_TWO_CLOCKS},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0}};

  int option = 0;
  while (!options->help &&
         (option = getopt_long(argc, argv, "qh", names, NULL)) != -1) {
    if (!read_option(options, option)) {
      return false;
    }
  }
  return true;
}

int live_options_read(live_options* options, int argc, char** argv)
{
  const live_options defaults = {.denoise    = DENOISE_DEFAULTS,
                                 .buffer_ms  = -1.0F,
                                 .n_channels = 1,
                                 .n_block    = LIVE_ANY_BLOCK};
  *options                    = defaults;
  if (!read_options(options, argc, argv)) {
    return usage_hint("live");
  }
  if (options->help) {
    fputs(help, stdout);
    return COMMAND_OK;
  }
  if (optind < argc) {
    return usage_error("live", "%s: live takes no files", argv[optind]);
  }
  return denoise_options_check(&options->denoise, "live");
}

#include "process_options.h"

#include "command.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

static const char help[] =
  "Usage: maudio process [OPTION]... IN [OUT]\n"
  "  or:  maudio process [OPTION]... IN... -o DIR\n"
  "Remove noise from audio files. The output has the length, sample rate,\n"
  "channels, sample format and metadata of the input.\n"
  "\n"
  "IN is an audio file, a folder of them, or - for standard input; OUT is a\n"
  "file, a folder, or - for WAV on standard output. Without OUT, NAME.EXT\n"
  "becomes NAME-clean.EXT beside it. An OUT that exists is replaced once the\n"
  "output is complete, and may be IN.\n"
  "\n"
  "  -o, --output=OUT          write to this file, or below this folder, "
  "which\n"
  "                            is made if missing; folders of IN are kept\n"
  "      --preset=NAME         model to use, see 'maudio info' (voice)\n"
  "      --model=FILE          model file to use instead of a preset\n"
  "      --strength=S          0 (as the input) to 1 (full effect) (1)\n"
  "      --max-attenuation=DB  remove no more than 0 to 100 dB (100: no "
  "limit)\n"
  "      --warm-up=S           let the network hear the first S seconds, 0 to "
  "30,\n"
  "                            before the file (0)\n"
  "  -r, --recursive           take the folders in a folder, too\n"
  "      --device=DEVICE       cpu; cuda, all GPUs; cuda:N[,N...], some; "
  "auto,\n"
  "                            GPUs if there are any and it is worth it "
  "(auto)\n"
  "      --precision=P         of a GPU: float32, tf32 or bf16 (float32)\n"
  "  -j, --jobs=N              files at once on the CPU, or threads that "
  "decode\n"
  "                            and encode for GPUs, 1 to 1024 (a processor "
  "each)\n"
  "      --restart             make again what an unfinished run has made\n"
  "      --json                a summary on standard output\n"
  "  -q, --quiet               no progress on a terminal\n"
  "  -h, --help                show this help\n"
  "\n"
  "The format of the output is that of the input, unless OUT has another "
  "known\n"
  "extension, such as .wav, .flac, .ogg, .opus, .aiff, .w64 or .caf.\n"
  "\n"
  "A run over several files that was interrupted, or where some failed, is\n"
  "continued by the same command.\n"
  "\n"
  "Examples:\n"
  "  maudio process in.wav out.wav\n"
  "  maudio process interview.flac              # to interview-clean.flac\n"
  "  maudio process --strength 0.7 *.wav -o clean\n"
  "  maudio process -r recordings -o clean\n"
  "  maudio process --device cuda -r archive -o clean --json >summary.json\n"
  "  maudio process --max-attenuation 12 talk.wav talk.opus\n"
  "  sox in.mp3 -t wav - | maudio process - - | aplay\n"
  "\n"
  "Exit status: 0 all done, 1 some input or output failed, 2 wrong usage.\n";

enum {
  OPTION_DEVICE = OPTION_OF_VERB,
  OPTION_PRECISION,
  OPTION_WARM_UP,
  OPTION_RESTART,
  OPTION_JSON
};

static bool read_option(process_options* options, int option)
{
  switch (option) {
  case 'o':
    options->output = optarg;
    return true;
  case 'r':
    options->recursive = true;
    return true;
  case 'j':
    return option_integer("--jobs", optarg, 1, 1024, &options->n_jobs);
  case 'q':
    options->quiet = true;
    return true;
  case 'h':
    options->help = true;
    return true;
  case OPTION_DEVICE:
    return device_read(optarg, &options->device);
  case OPTION_PRECISION:
    return precision_read(optarg, &options->precision);
  case OPTION_WARM_UP:
    return option_number("--warm-up", optarg, 0.0F, 30.0F, &options->warm_up_s);
  case OPTION_RESTART:
    options->restart = true;
    return true;
  case OPTION_JSON:
    options->json = true;
    return true;
  default:
    return denoise_option(&options->denoise, option);
  }
}

int process_options_read(process_options* options, int argc, char** argv)
{
  static const struct option names[] = {
    {"output", required_argument, NULL, 'o'},
    DENOISE_OPTION_NAMES,
    {"recursive", no_argument, NULL, 'r'},
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"precision", required_argument, NULL, OPTION_PRECISION},
    {"warm-up", required_argument, NULL, OPTION_WARM_UP},
    {"jobs", required_argument, NULL, 'j'},
    {"restart", no_argument, NULL, OPTION_RESTART},
    {"json", no_argument, NULL, OPTION_JSON},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0}};

  *options   = (process_options){.denoise = DENOISE_DEFAULTS};
  int option = 0;
  while (!options->help &&
         (option = getopt_long(argc, argv, "o:rj:qh", names, NULL)) != -1) {
    if (!read_option(options, option)) {
      return usage_hint("process");
    }
  }
  if (options->help) {
    fputs(help, stdout);
    return COMMAND_OK;
  }
  if (options->device.kind == DEVICE_CPU &&
      options->precision != MAUDIO_CUDA_FLOAT32) {
    return usage_error("process",
                       "--precision %s needs a GPU, not --device cpu",
                       precision_name(options->precision));
  }
  return denoise_options_check(&options->denoise, "process");
}

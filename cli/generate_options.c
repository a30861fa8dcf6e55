#include "generate_options.h"

#include "command.h"
#include "options.h"
#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/// Most seconds of one run, some 115 days
#define MAX_SECONDS 1e7

/// Seeds of chance are below, so that they are quickly typed again
#define CHANCE_SEEDS 1000000000U

static const char help[] =
  "Usage: maudio generate [OPTION]... OUT\n"
  "Make up audio, sample by sample, with a Mamba network.\n"
  "\n"
  "OUT is an audio file by its extension (.wav, .flac, .ogg and so on), or -\n"
  "for raw samples on standard output. It is mono, at the rate of the model.\n"
  "\n"
  "      --preset=NAME         model to use, see 'maudio info' (the first "
  "that\n"
  "                            generates)\n"
  "      --model=FILE          model file to use instead of a preset\n"
  "      --seconds=S           length of what is made up (10)\n"
  "      --seed=N              0 to 2^64 - 1; the same seed gives the same\n"
  "                            audio (by chance, and shown)\n"
  "      --temperature=T       0 (always the most probable) to 2 (wild) (1)\n"
  "      --top-p=P             leave out improbable values: only the most\n"
  "                            probable that sum to P, 0 to 1 (1)\n"
  "      --prompt=IN           audio file to be continued, of any rate; OUT\n"
  "                            begins with it\n"
  "      --omit-prompt         let OUT begin after it\n"
  "      --state-out=FILE      keep the state at the end\n"
  "      --state-in=FILE       continue from such a state, bit for bit\n"
  "      --format=FORMAT       s16, s24, s32 or f32 (s16)\n"
  "  -q, --quiet               no progress on a terminal, no seed\n"
  "  -h, --help                show this help\n"
  "\n"
  "Ctrl-C ends it early: the file holds what was made until then.\n"
  "\n"
  "Examples:\n"
  "  maudio generate --preset percussion --seconds 30 drums.wav\n"
  "  maudio generate --preset piano --seed 7 --temperature 0.9 piano.flac\n"
  "  maudio generate --prompt start.wav --seconds 20 whole.wav\n"
  "  maudio generate --preset piano --seconds 3600 - |\n"
  "    aplay -f S16_LE -r 16000\n"
  "  maudio generate --seed 7 --state-out later a.wav\n"
  "  maudio generate --state-in later b.wav\n"
  "\n"
  "Exit status: 0 all done, 1 input or output failed, 2 wrong usage.\n";

enum {
  OPTION_SECONDS = OPTION_OF_VERB,
  OPTION_SEED,
  OPTION_TEMPERATURE,
  OPTION_TOP_P,
  OPTION_PROMPT,
  OPTION_OMIT_PROMPT,
  OPTION_STATE_OUT,
  OPTION_STATE_IN,
  OPTION_FORMAT
};

static bool read_seconds(generate_options* options)
{
  char*        end    = NULL;
  const double number = strtod(optarg, &end);
  // A comparison that is false for NaN
  if (end == optarg || *end || !(number >= 0.0 && number <= MAX_SECONDS)) {
    return complain("--seconds", "\"%s\" is not a number from 0 to %g", optarg,
                    MAX_SECONDS);
  }
  options->seconds = number;
  return true;
}

static bool read_seed(generate_options* options)
{
  char* end         = NULL;
  errno             = 0;
  options->seed     = strtoull(optarg, &end, 10);
  options->has_seed = true;
  // strtoull() takes a sign, and turns what follows it around
  return (isdigit((unsigned char)optarg[0]) && !*end && !errno) ||
         complain("--seed", "\"%s\" is not an integer from 0 to 2^64 - 1",
                  optarg);
}

static bool read_option(generate_options* options, int option)
{
  switch (option) {
  case OPTION_PRESET:
    options->preset = optarg;
    return true;
  case OPTION_MODEL:
    options->model = optarg;
    return true;
  case OPTION_SECONDS:
    return read_seconds(options);
  case OPTION_SEED:
    return read_seed(options);
  case OPTION_TEMPERATURE:
    return option_number("--temperature", optarg, 0.0F, 2.0F,
                         &options->temperature);
  case OPTION_TOP_P:
    return option_number("--top-p", optarg, 0.0F, 1.0F, &options->top_p);
  case OPTION_PROMPT:
    options->prompt = optarg;
    return true;
  case OPTION_OMIT_PROMPT:
    options->omits_prompt = true;
    return true;
  case OPTION_STATE_OUT:
    options->state_out = optarg;
    return true;
  case OPTION_STATE_IN:
    options->state_in = optarg;
    return true;
  case OPTION_FORMAT:
    return pcm_format_find(optarg, &options->format) ||
           complain("--format", "\"%s\" is not one of " PCM_FORMATS, optarg);
  case 'q':
    options->quiet = true;
    return true;
  case 'h':
    options->help = true;
    return true;
  default:
    return false;
  }
}

static bool read_options(generate_options* options, int argc, char** argv)
{
  static const struct option names[] = {
    {"preset", required_argument, NULL, OPTION_PRESET},
    {"model", required_argument, NULL, OPTION_MODEL},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"temperature", required_argument, NULL, OPTION_TEMPERATURE},
    {"top-p", required_argument, NULL, OPTION_TOP_P},
    {"prompt", required_argument, NULL, OPTION_PROMPT},
    {"omit-prompt", no_argument, NULL, OPTION_OMIT_PROMPT},
    {"state-out", required_argument, NULL, OPTION_STATE_OUT},
    {"state-in", required_argument, NULL, OPTION_STATE_IN},
    {"format", required_argument, NULL, OPTION_FORMAT},
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

static uint64_t seed_of_chance(void)
{
  uint64_t    seed   = 0;
  FILE* const source = fopen("/dev/urandom", "rb");
  if (!source || fread(&seed, sizeof(seed), 1, source) != 1) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = (uint64_t)now.tv_sec * 1000000007U + (uint64_t)now.tv_nsec;
  }
  if (source) {
    fclose(source);
  }
  return seed % CHANCE_SEEDS;
}

/// Complain about what excludes each other
static int check(const generate_options* options)
{
  if (options->preset && options->model) {
    return usage_error("generate", "--preset and --model exclude each other");
  }
  if (options->has_seed && options->state_in) {
    return usage_error("generate",
                       "--seed and --state-in exclude each other: the state "
                       "has its random numbers");
  }
  return COMMAND_OK;
}

int generate_options_read(generate_options* options, int argc, char** argv)
{
  const generate_options defaults = {
    .seconds     = 10.0,
    .temperature = -1.0F,
    .top_p       = -1.0F,
    .format      = {2, 16},
  };
  *options = defaults;
  if (!read_options(options, argc, argv)) {
    return usage_hint("generate");
  }
  if (options->help) {
    fputs(help, stdout);
    return COMMAND_OK;
  }
  if (argc - optind != 1) {
    return optind < argc
             ? usage_error("generate", "%s: there is one output already",
                           argv[optind + 1])
             : usage_error("generate", "An output is missing, such as out.wav");
  }
  options->output = argv[optind];
  if (!options->has_seed) {
    options->seed = seed_of_chance();
  }
  return check(options);
}

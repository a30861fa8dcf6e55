#include "options.h"

#include "command.h"
#include "report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool option_number(const char* option,
                   const char* text,
                   float       low,
                   float       high,
                   float*      value)
{
  char*       end    = NULL;
  const float number = strtof(text, &end);
  // A comparison that is false for NaN
  if (end == text || *end || !(number >= low && number <= high)) {
    return complain(option, "\"%s\" is not a number from %g to %g", text,
                    (double)low, (double)high);
  }
  *value = number;
  return true;
}

bool option_integer(const char* option,
                    const char* text,
                    unsigned    low,
                    unsigned    high,
                    unsigned*   value)
{
  char*               end    = NULL;
  const unsigned long number = strtoul(text, &end, 10);
  // strtoul() takes a sign, and turns what follows it around
  if (!isdigit((unsigned char)text[0]) || *end || number < low ||
      number > high) {
    return complain(option, "\"%s\" is not an integer from %u to %u", text, low,
                    high);
  }
  *value = (unsigned)number;
  return true;
}

int usage_error(const char* verb, const char* format, ...)
{
  char    sentence[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(sentence, sizeof(sentence), format, args);
  va_end(args);
  complain_plain(sentence);
  return usage_hint(verb);
}

int usage_hint(const char* verb)
{
  fprintf(stderr, "Try 'maudio %s --help'.\n", verb);
  return COMMAND_USAGE;
}

bool denoise_option(denoise_options* options, int option)
{
  switch (option) {
  case OPTION_PRESET:
    options->preset = optarg;
    return true;
  case OPTION_MODEL:
    options->model = optarg;
    return true;
  case OPTION_STRENGTH:
    return option_number("--strength", optarg, 0.0F, 1.0F, &options->strength);
  case OPTION_MAX_ATTENUATION:
    return option_number("--max-attenuation", optarg, 0.0F, 100.0F,
                         &options->max_attenuation_db);
  default:
    return false;
  }
}

int denoise_options_check(const denoise_options* options, const char* verb)
{
  return options->preset && options->model
           ? usage_error(verb, "--preset and --model exclude each other")
           : COMMAND_OK;
}

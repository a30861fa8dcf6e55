#include "audio_input.h"
#include "command.h"
#include "maudio.h"
#include "options.h"
#include "report.h"

#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
  "Usage: maudio info [OPTION]... [PRESET|FILE]...\n"
  "Describe presets and model files; without arguments, every preset.\n"
  "\n"
  "Presets are looked for in the folders of the environment variable\n"
  "MAUDIO_PRESETS (separated by ':'), then where maudio was installed.\n"
  "\n"
  "      --json   print JSON\n"
  "  -h, --help   show this help\n"
  "\n"
  "Examples:\n"
  "  maudio info\n"
  "  maudio info voice\n"
  "  maudio info --json ./my.safetensors\n"
  "\n"
  "Exit status: 0 all done, 1 some preset or file failed, 2 wrong usage.\n";

/// What is printed, and how
typedef struct {
  json_t* presets;  ///< Array to print at the end, or NULL for text
  size_t  n_shown;  ///< Models described
  size_t  n_failed; ///< Models complained about
} info_run;

static const char* task_name(maudio_task task)
{
  return task == MAUDIO_TASK_GENERATE ? "generate" : "denoise";
}

/// Write a number in groups of three digits
static void format_grouped(char* text, size_t size, uint64_t number)
{
  char         digits[24];
  const size_t n_digits = (size_t)snprintf(digits, sizeof(digits), "%llu",
                                           (unsigned long long)number);
  size_t       at       = 0;
  for (size_t i = 0; i < n_digits && at + 2 < size; ++i) {
    if (i && (n_digits - i) % 3 == 0) {
      text[at++] = ',';
    }
    text[at++] = digits[i];
  }
  text[at] = '\0';
}

static void
print_model(const char* name, const char* path, const maudio_model_info* info)
{
  char parameters[40];
  format_grouped(parameters, sizeof(parameters), info->n_parameters);
  printf("%s\n"
         "  task        %s\n"
         "  parameters  %s\n"
         "  network     %u layers, width %u, bands %u\n"
         "  latency     %g ms\n"
         "  rate        %u Hz in training\n"
         "  cost        %.1f million MAC/s\n"
         "  licence     %s\n"
         "  path        %s\n",
         name, task_name(info->task), parameters, info->n_layers, info->d_model,
         info->n_bands, info->latency_ms, info->rate_hz,
         info->macs_per_second * 1e-6, info->licence[0] ? info->licence : "-",
         path);
}

static json_t* describe_model(const char*              name,
                              const char*              path,
                              const maudio_model_info* info)
{
  // A path that is not UTF-8 is left out
  return json_pack(
    "{s:s, s:s, s:f, s:I, s:i, s:f, s:s, s:i, s:i, s:i, s:o*}", "name", name,
    "task", task_name(info->task), "latency_ms", info->latency_ms, "parameters",
    (json_int_t)info->n_parameters, "rate_hz", (int)info->rate_hz,
    "macs_per_second", info->macs_per_second, "licence", info->licence,
    "layers", (int)info->n_layers, "d_model", (int)info->d_model, "bands",
    (int)info->n_bands, "path", json_string(path));
}

static bool show(info_run*                run,
                 const char*              name,
                 const char*              path,
                 const maudio_model_info* info)
{
  if (run->presets) {
    json_t* const model = describe_model(name, path, info);
    if (!model || json_array_append_new(run->presets, model)) {
      return complain(path, "cannot be described in JSON");
    }
  } else {
    fputs(run->n_shown ? "\n" : "", stdout);
    print_model(name, path, info);
  }
  ++run->n_shown;
  return true;
}

/// Describe a model file; NULL for `name`: as the file says
static void show_file(info_run* run, const char* name, const char* path)
{
  maudio_error  error = {MAUDIO_SUCCESS, ""};
  maudio_model* model = NULL;
  if (maudio_model_open(path, &model, &error)) {
    ++run->n_failed;
    if (is_audio_file(path)) {
      complain(path, "is an audio file; info describes presets and models");
    } else {
      complain_plain(error.message);
    }
    return;
  }
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  run->n_failed += !show(run, name ? name : info.name, path, &info);
  maudio_model_free(model);
}

static bool visit(const char* name, const char* path, void* user)
{
  show_file((info_run*)user, name, path);
  return true;
}

static void show_all(info_run* run)
{
  maudio_error error = {MAUDIO_SUCCESS, ""};
  if (maudio_preset_each(visit, run, &error)) {
    complain_plain(error.message);
    ++run->n_failed;
  } else if (!run->n_shown && !run->n_failed && !run->presets) {
    complain_plain("No presets found, in MAUDIO_PRESETS or where installed");
  }
}

/// Describe what an argument names: a preset, or else a file
static void show_argument(info_run* run, const char* argument)
{
  char         path[PATH_MAX];
  maudio_error error = {MAUDIO_SUCCESS, ""};
  if (!strchr(argument, '/') &&
      !maudio_preset_find(argument, path, sizeof(path), &error)) {
    show_file(run, argument, path);
    return;
  }
  FILE* const file = fopen(argument, "rb");
  if (file) {
    fclose(file);
  }
  if (file || strchr(argument, '/') || strchr(argument, '.')) {
    show_file(run, NULL, argument);
  } else {
    complain_plain(error.message);
    ++run->n_failed;
  }
}

static bool print_json(json_t* presets)
{
  json_t* const root = json_pack("{s:O}", "presets", presets);
  const bool    ok =
    root && !json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
  json_decref(root);
  putchar('\n');
  return ok || complain_plain("The JSON cannot be written");
}

static int run_info(bool as_json, char* const* arguments, int n_arguments)
{
  info_run run = {NULL, 0, 0};
  if (as_json) {
    run.presets = json_array();
    if (!run.presets) {
      complain_plain("No memory for JSON");
      return COMMAND_FAILED;
    }
  }

  for (int i = 0; i < n_arguments; ++i) {
    show_argument(&run, arguments[i]);
  }
  if (!n_arguments) {
    show_all(&run);
  }
  if (run.presets) {
    run.n_failed += !print_json(run.presets);
    json_decref(run.presets);
  }
  return run.n_failed ? COMMAND_FAILED : COMMAND_OK;
}

int command_info(int argc, char** argv)
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
      return usage_hint("info");
    }
  }
  return run_info(as_json, argv + optind, argc - optind);
}

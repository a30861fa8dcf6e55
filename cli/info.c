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
  switch (task) {
  case MAUDIO_TASK_GENERATE:
    return "generate";
  case MAUDIO_TASK_TOKENS:
    return "tokens";
  case MAUDIO_TASK_DENOISE:
    break;
  }
  return "denoise";
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

/// Print the kinds of the blocks in order, those that repeat as "12 mamba2"
static void print_layers(const maudio_model* model)
{
  const char* before = "";
  for (uint32_t i = 0; maudio_model_layer(model, i);) {
    const char* const kind = maudio_model_layer(model, i);
    uint32_t          n    = 0;
    for (const char* next = kind; next && !strcmp(next, kind);) {
      ++n;
      next = maudio_model_layer(model, i + n);
    }
    if (n > 1) {
      printf("%s%u %s", before, n, kind);
    } else {
      printf("%s%s", before, kind);
    }
    before = ", ";
    i += n;
  }
}

/// Print what a model that hears audio has
static void print_denoiser(const maudio_model_info* info)
{
  printf("  latency     %g ms\n"
         "  rate        %u Hz in training\n"
         "  cost        %.1f million MAC/s\n",
         info->latency_ms, info->rate_hz, info->macs_per_second * 1e-6);
}

/// Print what a model that makes audio up has
static void print_generator(const maudio_model*      model,
                            const maudio_model_info* info)
{
  maudio_tier_info tier;
  for (uint32_t i = 0; maudio_model_tier(model, i, &tier); ++i) {
    printf("  tier %u      %u layers, width %u, every %u samples\n", i,
           tier.n_layers, tier.d_model, tier.n_frames);
  }
  printf("  rate        %u Hz\n"
         "  cost        %.1f million MAC/s\n",
         info->rate_hz, info->macs_per_second * 1e-6);
}

/// Print what a model of tokens has
static void print_tokens(const maudio_model_info* info)
{
  char vocabulary[40];
  char context[40];
  format_grouped(vocabulary, sizeof(vocabulary), info->n_vocab);
  format_grouped(context, sizeof(context), info->context);
  printf("  vocabulary  %s tokens\n"
         "  context     %s steps, as far as there is attention\n",
         vocabulary, context);
}

static void print_model(const char*              name,
                        const char*              path,
                        const maudio_model*      model,
                        const maudio_model_info* info)
{
  char parameters[40];
  char state[40];
  char macs[40];
  format_grouped(parameters, sizeof(parameters), info->n_parameters);
  format_grouped(state, sizeof(state), info->state_bytes);
  format_grouped(macs, sizeof(macs), (uint64_t)info->macs_per_step);
  printf("%s\n"
         "  task        %s\n"
         "  parameters  %s\n"
         "  network     %u layers, width %u",
         name, task_name(info->task), parameters, info->n_layers,
         info->d_model);
  if (info->task == MAUDIO_TASK_DENOISE) {
    printf(", bands %u", info->n_bands);
  } else if (info->task == MAUDIO_TASK_GENERATE) {
    printf(", tiers %u", info->n_tiers);
  }
  printf("\n  layers      ");
  print_layers(model);
  printf("\n"
         "  state       %s bytes\n"
         "  step        %s MAC\n",
         state, macs);
  switch (info->task) {
  case MAUDIO_TASK_DENOISE:
    print_denoiser(info);
    break;
  case MAUDIO_TASK_GENERATE:
    print_generator(model, info);
    break;
  case MAUDIO_TASK_TOKENS:
    print_tokens(info);
    break;
  }
  printf("  licence     %s\n"
         "  path        %s\n",
         info->licence[0] ? info->licence : "-", path);
}

/// Return the kinds of the blocks in order, or NULL
static json_t* describe_layers(const maudio_model* model)
{
  json_t*     layers = json_array();
  const char* kind   = NULL;
  for (uint32_t i = 0; (kind = maudio_model_layer(model, i)) != NULL; ++i) {
    json_array_append_new(layers, json_string(kind));
  }
  return layers;
}

/// Return the tiers of a generator, of others an empty list
static json_t* describe_tiers(const maudio_model* model)
{
  json_t*          tiers = json_array();
  maudio_tier_info tier;
  for (uint32_t i = 0; maudio_model_tier(model, i, &tier); ++i) {
    json_array_append_new(
      tiers, json_pack("{s:i, s:i, s:i, s:f}", "samples", (int)tier.n_frames,
                       "d_model", (int)tier.d_model, "layers",
                       (int)tier.n_layers, "macs", tier.macs));
  }
  return tiers;
}

static json_t* describe_model(const char*              name,
                              const char*              path,
                              const maudio_model*      model,
                              const maudio_model_info* info)
{
  // A path that is not UTF-8 is left out
  return json_pack(
    "{s:s, s:s, s:f, s:I, s:i, s:f, s:s, s:i, s:i, s:i, s:I, s:f, s:i, s:i,"
    " s:o, s:o, s:o*}",
    "name", name, "task", task_name(info->task), "latency_ms", info->latency_ms,
    "parameters", (json_int_t)info->n_parameters, "rate_hz", (int)info->rate_hz,
    "macs_per_second", info->macs_per_second, "licence", info->licence,
    "layers", (int)info->n_layers, "d_model", (int)info->d_model, "bands",
    (int)info->n_bands, "state_bytes", (json_int_t)info->state_bytes,
    "macs_per_step", info->macs_per_step, "vocabulary", (int)info->n_vocab,
    "context", (int)info->context, "layer_kinds", describe_layers(model),
    "tiers", describe_tiers(model), "path", json_string(path));
}

static bool show(info_run*                run,
                 const char*              name,
                 const char*              path,
                 const maudio_model*      model,
                 const maudio_model_info* info)
{
  if (run->presets) {
    json_t* const text = describe_model(name, path, model, info);
    if (!text || json_array_append_new(run->presets, text)) {
      return complain(path, "cannot be described in JSON");
    }
  } else {
    fputs(run->n_shown ? "\n" : "", stdout);
    print_model(name, path, model, info);
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
  run->n_failed += !show(run, name ? name : info.name, path, model, &info);
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

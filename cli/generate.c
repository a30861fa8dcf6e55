#include "audio_input.h"
#include "command.h"
#include "generate_options.h"
#include "generate_state.h"
#include "interrupt.h"
#include "maudio.h"
#include "open_model.h"
#include "progress.h"
#include "prompt.h"
#include "report.h"
#include "sound_sink.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Samples that are made up at once: Ctrl-C is heard between them
#define BLOCK 1024

/// A generator on its way to an output
typedef struct {
  const generate_options* options;
  maudio_generator*       g;
  maudio_model_info       info;
  uint64_t                n_samples; ///< To be made up
  uint64_t                n_made;    ///< Made up and written
  sound_sink              sink;
  progress                shown;
  progress_file           file; ///< The output, its size counted in samples
} generation;

/// Set the generator as the options say, all but the prompt
static bool prepare(generation* run)
{
  const generate_options* const options = run->options;
  if (!options->state_in) {
    maudio_generator_reset(run->g, options->seed);
  } else if (!generate_state_read(run->g, options->state_in)) {
    return false;
  }
  // Those that were not given are the generator's or the state's own
  if (options->temperature >= 0.0F) {
    maudio_generator_set(run->g, MAUDIO_PARAM_TEMPERATURE,
                         options->temperature);
  }
  if (options->top_p >= 0.0F) {
    maudio_generator_set(run->g, MAUDIO_PARAM_TOP_P, options->top_p);
  }
  return true;
}

static bool take_prompt(const float* samples, size_t n, void* user)
{
  generation* const run = (generation*)user;
  maudio_generator_prompt(run->g, samples, n);
  return run->options->omits_prompt || sound_sink_write(&run->sink, samples, n);
}

static bool make_up(generation* run)
{
  float samples[BLOCK];
  while (run->n_made < run->n_samples && !interrupted()) {
    const uint64_t rest = run->n_samples - run->n_made;
    const size_t   n    = rest < BLOCK ? (size_t)rest : BLOCK;
    maudio_generator_run(run->g, samples, n);
    if (!sound_sink_write(&run->sink, samples, n)) {
      return false;
    }
    run->n_made += n;
    progress_add(&run->shown, &run->file, n);
  }
  return true;
}

/// Write the prompt and what follows; after a signal, what there is by then
static bool render(generation* run, audio_input* prompt)
{
  return (!prompt ||
          prompt_read(prompt, run->info.rate_hz, take_prompt, run)) &&
         make_up(run) && (run->n_made || !interrupted());
}

/// Say in the file how it was made
static void write_comment(char* text, size_t size, const generation* run)
{
  const generate_options* const options = run->options;
  int n = snprintf(text, size, "maudio generate: %s", run->info.name);
  if (options->prompt) {
    n += snprintf(text + n, size - (size_t)n, ", after a prompt");
  }
  if (options->state_in) {
    snprintf(text + n, size - (size_t)n, ", continued");
  } else {
    snprintf(text + n, size - (size_t)n,
             ", seed %llu, temperature %g, top-p %g",
             (unsigned long long)options->seed,
             options->temperature < 0.0F ? 1.0 : (double)options->temperature,
             options->top_p < 0.0F ? 1.0 : (double)options->top_p);
  }
}

static bool generate_to_output(generation* run, audio_input* prompt)
{
  const generate_options* const options = run->options;
  char                          comment[512];
  write_comment(comment, sizeof(comment), run);
  const uint64_t n_prompt =
    prompt && prompt->info.frames != SF_COUNT_MAX
      ? (uint64_t)((double)prompt->info.frames * run->info.rate_hz /
                   prompt->info.samplerate)
      : 0;
  if (!sound_sink_open(&run->sink, options->output, &options->format,
                       run->info.rate_hz, n_prompt + run->n_samples, comment)) {
    return false;
  }
  if (!options->has_seed && !options->state_in && !options->quiet) {
    char line[48];
    snprintf(line, sizeof(line), "seed %llu",
             (unsigned long long)options->seed);
    report_line(line);
  }
  progress_start(&run->shown, 1, run->n_samples, options->quiet);
  progress_file_start(&run->shown, &run->file, options->output,
                      run->info.rate_hz, run->n_samples, run->n_samples);
  const bool made = render(run, prompt);
  const bool ok   = sound_sink_close(&run->sink, made);
  progress_file_end(&run->shown, &run->file);
  progress_end(&run->shown);
  return ok && (!options->state_out ||
                generate_state_write(run->g, options->state_out));
}

static bool generate(const generate_options* options, const maudio_model* model)
{
  generation* const run = (generation*)calloc(1, sizeof(*run));
  if (!run) {
    return complain_plain(strerror(ENOMEM));
  }
  maudio_error error = {MAUDIO_SUCCESS, ""};
  run->options       = options;
  maudio_model_get_info(model, &run->info);
  run->n_samples = (uint64_t)(options->seconds * run->info.rate_hz + 0.5);
  bool ok        = !maudio_generator_new(model, &run->g, &error) ||
            complain_plain(error.message);
  ok = ok && prepare(run);
  if (ok && options->prompt) {
    audio_input prompt;
    ok = audio_input_open(&prompt, options->prompt);
    if (ok) {
      ok = generate_to_output(run, &prompt);
      audio_input_close(&prompt);
    }
  } else if (ok) {
    ok = generate_to_output(run, NULL);
  }
  maudio_generator_free(run->g);
  free(run);
  return ok;
}

int command_generate(int argc, char** argv)
{
  generate_options options;
  const int        code = generate_options_read(&options, argc, argv);
  if (code != COMMAND_OK || options.help) {
    return code;
  }
  maudio_model* const model = open_generator(options.preset, options.model);
  if (!model) {
    return COMMAND_FAILED;
  }
  const bool ok = generate(&options, model);
  maudio_model_free(model);
  return ok ? COMMAND_OK : COMMAND_FAILED;
}

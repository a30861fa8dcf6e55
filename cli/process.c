#include "command.h"
#include "crew.h"
#include "interrupt.h"
#include "jobs.h"
#include "maudio.h"
#include "open_model.h"
#include "output.h"
#include "process_options.h"
#include "process_run.h"
#include "report.h"
#include "unfinished.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/// Audio for each CPU thread from which a GPU, which takes a second to start,
/// is worth it
#define WORTH_S 60.0

/// Find the file of a model, or complain and return false
static bool find_model(const denoise_options* options, char* path, size_t size)
{
  if (options->model) {
    snprintf(path, size, "%s", options->model);
    return true;
  }
  maudio_error error = {MAUDIO_SUCCESS, ""};
  return !maudio_preset_find(options->preset ? options->preset : "voice", path,
                             size, &error) ||
         complain_plain(error.message);
}

/// Return the length of a plain audio file, 0 if it is none
static double length_s(const char* path)
{
  struct stat info;
  SF_INFO     format = {0};
  if (stat(path, &info) || !S_ISREG(info.st_mode)) {
    return 0.0;
  }
  SNDFILE* const file = sf_open(path, SFM_READ, &format);
  sf_close(file);
  return file && format.frames != SF_COUNT_MAX
           ? (double)format.frames / format.samplerate
           : 0.0;
}

/// Return whether there is enough work for a GPU
static bool is_worth_it(const process_run* run)
{
  const size_t n_files   = run->list->n_jobs;
  const size_t n_threads = run->n_jobs < n_files ? run->n_jobs : n_files;
  double       rest_s    = WORTH_S * (double)n_threads;
  for (size_t i = 0; i < n_files && rest_s > 0.0 && !interrupted(); ++i) {
    rest_s -= length_s(run->list->jobs[i].in);
  }
  return rest_s <= 0.0;
}

/// Open the GPUs to use, if any; false after a complaint
static bool open_devices(const process_options* options,
                         const process_run*     run,
                         const char*            model_path,
                         cuda_devices*          devices)
{
  memset(devices, 0, sizeof(*devices));
  const bool must = options->device.kind == DEVICE_CUDA ||
                    options->precision != MAUDIO_CUDA_FLOAT32;
  if (options->device.kind == DEVICE_CPU || (!must && !is_worth_it(run))) {
    return true;
  }
  maudio_error error = {MAUDIO_SUCCESS, ""};
  if (!cuda_devices_find(devices, &options->device, &error) &&
      !cuda_devices_open(devices, model_path, options->precision, &error)) {
    return true;
  }
  cuda_devices_close(devices);
  return !must || complain_plain(error.message);
}

/// Leave out what an earlier part of this run has done
static void skip_done(process_run* run, const unfinished* before)
{
  job_list* const list   = run->list;
  size_t          n_left = 0;
  for (size_t i = 0; i < list->n_jobs; ++i) {
    job* const work = &list->jobs[i];
    if (unfinished_has(before, work)) {
      free(work->in);
      free(work->out);
      ++run->result.n_skipped;
    } else {
      list->jobs[n_left++] = *work;
    }
  }
  list->n_jobs = n_left;
}

static void convert_all(const process_options* options,
                        process_run*           run,
                        cuda_devices*          devices)
{
  summary* const result = &run->result;
  result->precision     = precision_name(options->precision);
  result->n_jobs        = run->n_jobs;
  result->n_gpus        = (unsigned)devices->n;
  progress_start(&run->shown, run->list->n_jobs, jobs_sort(run->list),
                 options->quiet);
  if (devices->n) {
    cuda_devices_describe(devices, result->device, sizeof(result->device));
    process_on_gpus(run, devices);
  } else {
    snprintf(result->device, sizeof(result->device), "the CPU");
    process_on_cpu(run);
  }
  progress_end(&run->shown);
}

static bool all_done(const process_run* run)
{
  return !run->result.failures.n && !run->list->failures.n && !interrupted() &&
         !run->result.n_left;
}

/// Do the work and tell about it, with the model on the CPU
static int
run_on_model(const process_options* options, process_run* run, const char* path)
{
  unfinished   before = {.path = ""};
  cuda_devices devices;
  if (run->list->folder && run->list->n_jobs > 1) {
    const unfinished_settings settings = {
      path, run->settings.strength, run->settings.max_attenuation_db,
      run->settings.warm_up_s, precision_name(options->precision)};
    unfinished_begin(&before, run->list->folder, &settings, options->restart);
    skip_done(run, &before);
  }
  if (!open_devices(options, run, path, &devices)) {
    return COMMAND_FAILED;
  }
  const size_t n_files = run->list->n_jobs;
  convert_all(options, run, &devices);
  cuda_devices_close(&devices);
  unfinished_end(&before, all_done(run));
  if (run->shown.shown && n_files + run->result.n_skipped > 1) {
    summary_show(&run->result);
  }
  if (options->json && !summary_print_json(&run->result, interrupted())) {
    complain("standard output", "the summary cannot be written");
    return COMMAND_FAILED;
  }
  return all_done(run) ? COMMAND_OK : COMMAND_FAILED;
}

static int run_jobs(const process_options* options, job_list* list)
{
  char path[PATH_MAX];
  if (!find_model(&options->denoise, path, sizeof(path))) {
    return COMMAND_FAILED;
  }
  maudio_model* const model = open_model(NULL, path);
  if (!model) {
    return COMMAND_FAILED;
  }
  process_run run = {
    .settings = {model, options->denoise.strength,
                 options->denoise.max_attenuation_db, options->warm_up_s},
    .list     = list,
    .n_jobs   = options->n_jobs ? options->n_jobs : crew_processors()};
  output_prepare();
  summary_start(&run.result);
  const int code = run_on_model(options, &run, path);
  summary_clear(&run.result);
  maudio_model_free(model);
  return code;
}

int command_process(int argc, char** argv)
{
  process_options options;
  int             code = process_options_read(&options, argc, argv);
  if (code != COMMAND_OK || options.help) {
    return code;
  }
  job_list list = {0};
  code          = jobs_plan(&list, argv + optind, argc - optind, options.output,
                            options.recursive);
  if (code == COMMAND_OK && options.json && list.n_jobs == 1 &&
      !strcmp(list.jobs[0].out, "-")) {
    code = usage_error("process", "--json and the output - are both standard "
                                  "output");
  }
  if (code == COMMAND_OK) {
    code = run_jobs(&options, &list);
  }
  jobs_clear(&list);
  return code;
}

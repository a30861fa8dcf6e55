#include "audio_format.h"
#include "audio_input.h"
#include "audio_writer.h"
#include "command.h"
#include "denoise.h"
#include "interrupt.h"
#include "jobs.h"
#include "maudio.h"
#include "metadata.h"
#include "open_model.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "report.h"

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
  "  -r, --recursive           take the folders in a folder, too\n"
  "  -q, --quiet               no progress on a terminal\n"
  "  -h, --help                show this help\n"
  "\n"
  "The format of the output is that of the input, unless OUT has another "
  "known\n"
  "extension, such as .wav, .flac, .ogg, .opus, .aiff, .w64 or .caf.\n"
  "\n"
  "Examples:\n"
  "  maudio process in.wav out.wav\n"
  "  maudio process interview.flac              # to interview-clean.flac\n"
  "  maudio process --strength 0.7 *.wav -o clean\n"
  "  maudio process -r recordings -o clean\n"
  "  maudio process --max-attenuation 12 talk.wav talk.opus\n"
  "  sox in.mp3 -t wav - | maudio process - - | aplay\n"
  "\n"
  "Exit status: 0 all done, 1 some input or output failed, 2 wrong usage.\n";

typedef struct {
  const char*     output;
  denoise_options denoise;
  bool            recursive;
  bool            quiet;
  bool            help;
} process_options;

static bool read_option(process_options* options, int option)
{
  switch (option) {
  case 'o':
    options->output = optarg;
    return true;
  case 'r':
    options->recursive = true;
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

static bool read_options(process_options* options, int argc, char** argv)
{
  static const struct option names[] = {
    {"output", required_argument, NULL, 'o'}, DENOISE_OPTION_NAMES,
    {"recursive", no_argument, NULL, 'r'},    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};

  int option = 0;
  while (!options->help &&
         (option = getopt_long(argc, argv, "o:rqh", names, NULL)) != -1) {
    if (!read_option(options, option)) {
      return false;
    }
  }
  return true;
}

/// Encode into an open output, all but making it appear
static bool render(const denoise_settings* settings,
                   audio_input*            input,
                   const output*           out,
                   int                     format,
                   progress*               shown)
{
  SF_INFO info = input->info;
  info.format  = format;
  audio_writer writer;
  if (!audio_writer_open(&writer, out->fd, out->written, &info,
                         DENOISE_BLOCK)) {
    return false;
  }
  metadata_copy(input->file, writer.file);
  const bool ok = denoise(settings, input, &writer, shown);
  return audio_writer_close(&writer) && ok && !interrupted();
}

static bool make_output(const denoise_settings* settings,
                        audio_input*            input,
                        const job*              work,
                        bool                    needs_folder,
                        progress*               shown)
{
  const sf_count_t n_frames = input->info.frames;
  progress_file(shown, input->label, input->info.samplerate,
                n_frames == SF_COUNT_MAX ? 0 : (uint64_t)n_frames);
  if (input->info.samplerate < MAUDIO_MIN_RATE_HZ ||
      input->info.samplerate > MAUDIO_MAX_RATE_HZ) {
    return complain(input->label,
                    "its sample rate of %d Hz is outside %d to "
                    "%d Hz",
                    input->info.samplerate, MAUDIO_MIN_RATE_HZ,
                    MAUDIO_MAX_RATE_HZ);
  }
  const int format = audio_format_choose(work->in, &input->info, work->out);
  if (!format || (needs_folder && !jobs_make_folder(work->out))) {
    return false;
  }

  output out;
  if (!output_open(&out, work->out, input->mode)) {
    return false;
  }
  if (!render(settings, input, &out, format, shown)) {
    output_discard(&out);
    return false;
  }
  return output_commit(&out);
}

static bool run_job(const denoise_settings* settings,
                    const job*              work,
                    bool                    needs_folder,
                    progress*               shown)
{
  audio_input input;
  if (!audio_input_open(&input, work->in)) {
    return false;
  }
  const bool ok = make_output(settings, &input, work, needs_folder, shown);
  audio_input_close(&input);
  return ok;
}

static int run_jobs(const process_options* options, const job_list* list)
{
  maudio_model* const model =
    open_model(options->denoise.preset, options->denoise.model);
  if (!model) {
    return COMMAND_FAILED;
  }
  const denoise_settings settings = {model, options->denoise.strength,
                                     options->denoise.max_attenuation_db};

  progress shown;
  progress_start(&shown, list->n_jobs, options->quiet);
  for (size_t i = 0; i < list->n_jobs && !interrupted(); ++i) {
    const bool ok = run_job(&settings, &list->jobs[i], list->below, &shown);
    progress_file_end(&shown, ok);
  }
  progress_end(&shown);
  maudio_model_free(model);
  return shown.n_failed || list->n_failed || interrupted() ? COMMAND_FAILED
                                                           : COMMAND_OK;
}

int command_process(int argc, char** argv)
{
  process_options options = {.denoise = DENOISE_DEFAULTS};
  if (!read_options(&options, argc, argv)) {
    return usage_hint("process");
  }
  if (options.help) {
    fputs(help, stdout);
    return COMMAND_OK;
  }
  if (denoise_options_check(&options.denoise, "process")) {
    return COMMAND_USAGE;
  }

  job_list list = {0};
  int      code = jobs_plan(&list, argv + optind, argc - optind, options.output,
                            options.recursive);
  if (code == COMMAND_OK) {
    code = run_jobs(&options, &list);
  }
  jobs_clear(&list);
  return code;
}

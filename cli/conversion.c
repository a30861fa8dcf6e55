#include "conversion.h"

#include "audio_format.h"
#include "interrupt.h"
#include "maudio.h"
#include "metadata.h"
#include "report.h"

static bool open_output(conversion* c, bool needs_folder, size_t max_frames)
{
  const audio_input* const input = &c->input;
  const job* const         work  = c->work;
  if (input->info.samplerate < MAUDIO_MIN_RATE_HZ ||
      input->info.samplerate > MAUDIO_MAX_RATE_HZ) {
    return complain(input->label,
                    "its sample rate of %d Hz is outside %d to "
                    "%d Hz",
                    input->info.samplerate, MAUDIO_MIN_RATE_HZ,
                    MAUDIO_MAX_RATE_HZ);
  }
  SF_INFO info = input->info;
  info.format  = audio_format_choose(work->in, &input->info, work->out);
  if (!info.format || (needs_folder && !jobs_make_folder(work->out)) ||
      !output_open(&c->out, work->out, input->mode)) {
    return false;
  }
  if (!audio_writer_open(&c->writer, c->out.fd, c->out.written, &info,
                         max_frames)) {
    output_discard(&c->out);
    return false;
  }
  metadata_copy(input->file, c->writer.file);
  return true;
}

bool conversion_open(conversion* c,
                     const job*  work,
                     bool        needs_folder,
                     size_t      max_frames,
                     progress*   shown)
{
  c->work  = work;
  c->shown = (progress_file){.n_bytes = (double)work->n_bytes};
  if (!audio_input_open(&c->input, work->in)) {
    return false;
  }
  const sf_count_t n_frames = c->input.info.frames;
  progress_file_start(
    shown, &c->shown, c->input.label, c->input.info.samplerate,
    n_frames == SF_COUNT_MAX ? 0 : (uint64_t)n_frames, work->n_bytes);
  if (!open_output(c, needs_folder, max_frames)) {
    audio_input_close(&c->input);
    return false;
  }
  return true;
}

bool conversion_close(conversion* c, bool ok)
{
  const bool complete = audio_writer_close(&c->writer) && ok && !interrupted();
  if (!complete) {
    output_discard(&c->out);
  }
  const bool appeared = complete && output_commit(&c->out);
  audio_input_close(&c->input);
  return appeared;
}

double conversion_audio_s(const conversion* c)
{
  return (double)c->shown.at_frame / c->input.info.samplerate;
}

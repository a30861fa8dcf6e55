#include "bulk_file.h"

#include "audio_format.h"
#include "denoise.h"
#include "interrupt.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

/// Return whether a sample format has samples that 32-bit float has not
static bool is_fine(int format)
{
  const unsigned bits = audio_format_bits(format);
  return bits ? bits > 24 : (format & SF_FORMAT_SUBMASK) == SF_FORMAT_DOUBLE;
}

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

bulk_file* bulk_file_open(process_run* run, const job* work)
{
  bulk_file* const file = (bulk_file*)calloc(1, sizeof(bulk_file));
  if (!file) {
    complain(input_label(work->in), "no memory to process it");
    return NULL;
  }
  if (!conversion_open(&file->c, work, run->list->folder, DENOISE_BLOCK,
                       &run->shown)) {
    free(file);
    return NULL;
  }
  if (!warm_up_read(&file->before, &file->c.input, run->settings.warm_up_s)) {
    conversion_close(&file->c, false);
    bulk_file_free(file);
    return NULL;
  }
  file->run        = run;
  file->n_channels = (size_t)file->c.input.info.channels;
  file->n_signals  = file->n_channels == 2 ? 1 : file->n_channels;
  file->is_fine    = is_fine(file->c.input.info.format);
  return file;
}

bool bulk_file_close(bulk_file* file)
{
  return conversion_close(&file->c, !file->failed);
}

void bulk_file_free(bulk_file* file)
{
  if (file) {
    residue_delay_free(&file->residues);
    warm_up_free(&file->before);
    free(file->signals);
    free(file);
  }
}

void bulk_file_failed(bulk_file* file)
{
  if (!file->failed) {
    file->failed = true;
    if (!interrupted()) {
      summary_failed(&file->run->result, file->c.input.label);
    }
  }
}

bool bulk_file_prepare(bulk_file* file)
{
  file->to_skip = file->before.n_frames + file->latency;
  return !file->is_fine ||
         residue_delay_init(&file->residues, file->latency, file->n_channels) ||
         complain(file->c.input.label, "no memory for %zu channels",
                  file->n_channels);
}

/// Return whether all are finite, without a jump for each
static bool are_finite(const float* samples, size_t n)
{
  const uint32_t exponent = 0x7F800000U;
  uint32_t       n_bad    = 0;
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits = 0;
    memcpy(&bits, &samples[i], sizeof(bits));
    n_bad |= (bits & exponent) == exponent;
  }
  return !n_bad;
}

/// Check and spread frames over the channels of a slot, from `at` on
static bool take_floats(const bulk_file* file,
                        bulk_slot*       slot,
                        const float*     samples,
                        size_t           at,
                        size_t           n_frames)
{
  const size_t n_channels = file->n_channels;
  if (!are_finite(samples, n_frames * n_channels)) {
    return denoise_check_floats(&file->c.input, samples, n_frames,
                                file->n_read);
  }
  for (size_t c = 0; c < n_channels && n_channels > 1; ++c) {
    float* const row = slot->samples + c * file->slot_frames + at;
    for (size_t i = 0; i < n_frames; ++i) {
      row[i] = samples[i * n_channels + c];
    }
  }
  return true;
}

/// Read at most a block into a slot, from `at` on; return frames, 0 at the end,
/// or -1 after a complaint
static sf_count_t
read_floats(bulk_file* file, bulk_slot* slot, size_t at, void* scratch)
{
  const size_t most = smaller(file->slot_frames - at, DENOISE_BLOCK);
  float* const samples =
    file->n_channels == 1 ? slot->samples + at : (float*)scratch;
  const sf_count_t n =
    sf_readf_float(file->c.input.file, samples, (sf_count_t)most);
  return n <= 0 || take_floats(file, slot, samples, at, (size_t)n) ? n : -1;
}

/// The same with what 32-bit float has not
static sf_count_t read_fine(bulk_file* file, bulk_slot* slot, size_t at)
{
  const size_t     n_channels = file->n_channels;
  const size_t     most       = smaller(file->slot_frames - at, DENOISE_BLOCK);
  double* const    samples    = slot->residues + at * n_channels;
  const sf_count_t n =
    sf_readf_double(file->c.input.file, samples, (sf_count_t)most);
  if (n > 0) {
    if (!denoise_check(&file->c.input, samples, (size_t)n, file->n_read)) {
      return -1;
    }
    residue_split(slot->samples + at, file->slot_frames, samples, (size_t)n,
                  n_channels);
  }
  return n;
}

/// Read at most a block of what comes before the file
static size_t
read_before(bulk_file* file, bulk_slot* slot, size_t at, double* scratch)
{
  const size_t  n_channels = file->n_channels;
  const size_t  most       = smaller(file->slot_frames - at, DENOISE_BLOCK);
  double* const samples =
    file->is_fine ? slot->residues + at * n_channels : scratch;
  const size_t n = warm_up_take(&file->before, samples, most, n_channels);
  residue_split(slot->samples + at, file->slot_frames, samples, n, n_channels);
  return n;
}

/// Fill a slot with silence from `at` on, as far as there is to come
static size_t flush(bulk_file* file, bulk_slot* slot, size_t at)
{
  const size_t n_channels = file->n_channels;
  const size_t n          = smaller(file->n_flush, file->slot_frames - at);
  for (size_t c = 0; c < n_channels; ++c) {
    memset(slot->samples + c * file->slot_frames + at, 0, n * sizeof(float));
  }
  if (file->is_fine) {
    memset(slot->residues + at * n_channels, 0,
           n * n_channels * sizeof(double));
  }
  file->n_flush -= n;
  return n;
}

bool bulk_file_read(bulk_file* file, bulk_slot* slot, double* scratch)
{
  size_t at = 0;
  if (file->is_fine && !slot->residues) {
    slot->residues = (double*)malloc(slot->n_samples * sizeof(double));
    if (!slot->residues) {
      return complain(file->c.input.label, "no memory for its samples");
    }
  }
  size_t n_before = 0;
  while (at < file->slot_frames &&
         (n_before = read_before(file, slot, at, scratch)) > 0) {
    at += n_before;
  }
  while (!file->at_end && at < file->slot_frames) {
    const sf_count_t n = file->is_fine ? read_fine(file, slot, at)
                                       : read_floats(file, slot, at, scratch);
    if (n < 0 || interrupted()) {
      return false;
    }
    if (n == 0) {
      file->at_end  = true;
      file->n_flush = file->n_read ? file->latency : 0;
      if (!audio_input_check_end(&file->c.input, file->n_read)) {
        return false;
      }
    }
    file->n_read += n;
    at += (size_t)n;
  }
  slot->n_frames = at + flush(file, slot, at);
  return true;
}

bool bulk_file_is_read(const bulk_file* file)
{
  return file->at_end && !file->n_flush;
}

/// Get frames of a slot, from `at` on
static void interleave(const bulk_file* file,
                       const bulk_slot* slot,
                       size_t           at,
                       double*          samples,
                       size_t           n_frames)
{
  const size_t n_channels = file->n_channels;
  for (size_t c = 0; c < n_channels; ++c) {
    const float* const row = slot->samples + c * file->slot_frames + at;
    for (size_t i = 0; i < n_frames; ++i) {
      samples[i * n_channels + c] = (double)row[i];
    }
  }
}

bool bulk_file_write(bulk_file* file, const bulk_slot* slot, double* scratch)
{
  const size_t n_channels = file->n_channels;
  const size_t n_frames   = slot->n_frames;
  if (file->is_fine) {
    residue_delay_run(&file->residues, slot->residues, n_frames);
  }
  const size_t n_skipped = smaller(file->to_skip, n_frames);
  file->to_skip -= n_skipped;

  for (size_t at = n_skipped; at < n_frames; at += DENOISE_BLOCK) {
    const size_t n       = smaller(n_frames - at, DENOISE_BLOCK);
    double*      samples = scratch;
    if (file->is_fine) {
      samples = slot->residues + at * n_channels;
      residue_join(slot->samples + at, file->slot_frames, samples, n,
                   n_channels);
    } else {
      interleave(file, slot, at, samples, n);
    }
    if (interrupted() || !audio_writer_write(&file->c.writer, samples, n)) {
      return false;
    }
    progress_add(&file->run->shown, &file->c.shown, n);
  }
  return true;
}

/** @file
 * A file that is made of another: opened, and made to appear when complete.
 */
#ifndef CLI_CONVERSION_H
#define CLI_CONVERSION_H

#include "audio_input.h"
#include "audio_writer.h"
#include "jobs.h"
#include "output.h"
#include "progress.h"

#include <stdbool.h>
#include <stddef.h>

/// Must not move while it is open
typedef struct {
  const job*    work;
  audio_input   input;
  output        out;
  audio_writer  writer;
  progress_file shown;
} conversion;

/**
 * Open both files, or complain and return false; metadata are copied.
 *
 * @param needs_folder Make the folder of the output if missing.
 * @param max_frames Most frames of one audio_writer_write().
 */
bool conversion_open(conversion* c,
                     const job*  work,
                     bool        needs_folder,
                     size_t      max_frames,
                     progress*   shown);

/**
 * Close both files, and have the output appear if `ok`.
 *
 * @return Whether it did; false without a word if not `ok`, or when a signal
 * asked us to end.
 */
bool conversion_close(conversion* c, bool ok);

/// Return seconds of audio that have been counted as progress
double conversion_audio_s(const conversion* c);

#endif /* CLI_CONVERSION_H */

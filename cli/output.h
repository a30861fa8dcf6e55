/** @file
 * Outputs that appear whole or not at all.
 *
 * A file is written beside its target under a temporary name, and renamed when
 * it is complete. What cannot be renamed (standard output, a FIFO, a device)
 * gets a copy of a temporary file when that is complete.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct {
  const char* label;            ///< What messages call the output
  const char* written;          ///< What messages call the file written to
  int         fd;               ///< To write to: a seekable file
  int         sink;             ///< To copy `fd` to when complete, or -1
  char        target[PATH_MAX]; ///< The file to replace
  char        temp[PATH_MAX];   ///< Its replacement, "" with a sink
} output;

/// Call this before the first thread that makes files or folders
void output_prepare(void);

/**
 * Open an output, or complain and return false.
 *
 * @param path "-" is standard output; a symbolic link is followed. Must live
 * as long as the output.
 * @param mode Permission bits for a file that does not exist yet.
 */
bool output_open(output* out, const char* path, mode_t mode);

/// Make a complete output appear, or complain and return false; then it is over
bool output_commit(output* out);

/// Forget an output that will not be complete
void output_discard(output* out);

#endif /* CLI_OUTPUT_H */

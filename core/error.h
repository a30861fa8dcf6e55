/** @file
 * How the library reports failures.
 */
#ifndef MAUDIO_ERROR_H
#define MAUDIO_ERROR_H

#include "maudio.h"

/**
 * Record a failure and return `status`, so that callers can return it at once.
 *
 * @param error Filled with `status` and one formatted sentence; may be NULL. A
 * message that does not fit is cut short, at the end of a character; control
 * characters, which names in hostile files may hold, become question marks.
 */
maudio_status
maudio_fail(maudio_error* error, maudio_status status, const char* format, ...)
  __attribute__((format(printf, 3, 4)));

/**
 * Return the end of a long path, for messages that have to say more than it.
 *
 * The result points into `path` and has at most 96 bytes; whole folders are
 * dropped from the front where that suffices.
 */
const char* maudio_path_tail(const char* path);

#endif /* MAUDIO_ERROR_H */

/** @file
 * Everything that the command writes to stderr; any thread may.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>

/// Name of `path` in messages: "-" is standard input
const char* input_label(const char* path);

/// Print one sentence, "maudio: SUBJECT: what", and return false
bool complain(const char* subject, const char* format, ...)
  __attribute__((format(printf, 2, 3)));

/// Print one sentence that names its subject itself, and return false
bool complain_plain(const char* sentence);

/// Return the sentence that this thread complained with last, or ""
const char* last_complaint(void);

/// Print a line that is neither a complaint nor a result
void report_line(const char* text);

/**
 * Keep what libraries write to stderr, such as those of sound systems, away
 * from the user from now on: it goes to the file MAUDIO_DEVICE_LOG, if that is
 * set.
 */
void report_alone(void);

/// Return whether a terminal shows what is written
bool report_is_seen(void);

/// As complain_plain(), from a signal handler
void complain_urgently(const char* sentence);

/// Show a line of status that the next one, or a complaint, replaces
void status_show(const char* text);

/// Remove the line of status, if one is shown
void status_clear(void);

#endif /* CLI_REPORT_H */

/** @file
 * Keys of a terminal, as they are pressed.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>

/// Keys that are not a character
enum { KEY_NONE = -1, KEY_UP = 256, KEY_DOWN };

/**
 * Have standard input give keys without Enter and without showing them, if it
 * is a terminal and we are in its foreground.
 *
 * However the process ends, by a crash as well, the terminal is then as it was.
 */
bool terminal_open(void);

/// Undo terminal_open()
void terminal_close(void);

/// Wait up to `timeout_ms` for a key, or a signal; without a terminal just wait
int terminal_key(int timeout_ms);

#endif /* CLI_TERMINAL_H */

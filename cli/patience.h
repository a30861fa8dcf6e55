/** @file
 * An end to waiting for a sound system that does not answer.
 *
 * PortAudio starts, opens and closes devices by calls that may never return,
 * as when a sound server hangs.
 */
#ifndef CLI_PATIENCE_H
#define CLI_PATIENCE_H

#include <stdbool.h>

/**
 * Give what follows some seconds. After that the command ends with
 * COMMAND_FAILED, and a sentence unless it is `silent`; earlier, by itself, if
 * a signal asked it to end.
 *
 * The terminal is restored; nothing else that is lost by this may be open.
 */
void patience_begin(unsigned seconds, bool silent);

/// It has answered
void patience_end(void);

#endif /* CLI_PATIENCE_H */

/** @file
 * Ending on a signal without leaving anything behind.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <pthread.h>
#include <stdbool.h>

/**
 * Take note of SIGINT, SIGTERM and SIGHUP, so that work can stop and clean up;
 * have a write to a closed pipe or past a size limit fail instead of killing.
 */
void interrupt_catch(void);

/// Return whether a signal asked us to end
bool interrupted(void);

/// Let a thread that reads or writes see the signal that came, too
void interrupt_thread(pthread_t thread);

/// End by the signal that came, as if it had never been caught
void interrupt_end(void);

#endif /* CLI_INTERRUPT_H */

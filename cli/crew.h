/** @file
 * Threads that share one work.
 */
#ifndef CLI_CREW_H
#define CLI_CREW_H

#include <stddef.h>

/**
 * Run `work(user)` in `n_threads` threads, one of which may be this one, until
 * each has returned. A signal that asks us to end gets to all of them.
 */
void crew_run(size_t n_threads, void (*work)(void* user), void* user);

/// Return the number of processors that this process may use
unsigned crew_processors(void);

#endif /* CLI_CREW_H */

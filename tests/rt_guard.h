/** @file
 * Counts what an audio thread must not do: calls of malloc(), calloc(),
 * realloc(), free(), their aligned kin, and pthread_mutex_lock().
 *
 * Linked into a test, it stands before the C library for every library of the
 * process.
 */
#ifndef RT_GUARD_H
#define RT_GUARD_H

/// Count calls of this thread from now on
void rt_guard_enter(void);

/// Stop counting; return how many there were
unsigned rt_guard_leave(void);

#endif /* RT_GUARD_H */

/** @file
 * Counts what an audio thread must not do: calls of the C library that
 * allocate, lock, wait, start threads, read or write.
 *
 * Linked into a test, it stands before the C library for every library of the
 * process; for those that are loaded with dlopen() the test has to be linked
 * with its symbols exported (ENABLE_EXPORTS). What asks the system without the
 * C library, no_syscalls.h sees.
 */
#ifndef RT_GUARD_H
#define RT_GUARD_H

/// Count calls of this thread from now on
void rt_guard_enter(void);

/// Stop counting; return how many there were
unsigned rt_guard_leave(void);

/// Return the function that was called last while calls were counted, or ""
const char* rt_guard_last(void);

#endif /* RT_GUARD_H */

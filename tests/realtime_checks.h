/** @file
 * Assertions about functions that an audio thread may call. Tests that use
 * them link rt_guard.c and no_syscalls.c.
 */
#ifndef REALTIME_CHECKS_H
#define REALTIME_CHECKS_H

/// Call `use(user)` while the guard watches, and fail on any call it counts
void check_guarded(void (*use)(void*), void* user);

/// Call `use(user)` while the kernel lets no system call pass; skip the test
/// where the system has no such filter
void check_confined(void (*use)(void*), void* user);

/// Fail if `use(user)` leaves denormals otherwise than it found them
void check_float_mode_kept(void (*use)(void*), void* user);

#endif /* REALTIME_CHECKS_H */

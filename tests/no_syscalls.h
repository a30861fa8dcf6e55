/** @file
 * Runs a function that must not ask the system for anything.
 */
#ifndef NO_SYSCALLS_H
#define NO_SYSCALLS_H

typedef enum {
  NO_SYSCALLS_DONE,       ///< It returned
  NO_SYSCALLS_KILLED,     ///< It called the system, and was killed for it
  NO_SYSCALLS_CRASHED,    ///< It ended otherwise
  NO_SYSCALLS_UNSUPPORTED ///< This system has no such filter
} no_syscalls_result;

/**
 * Call `function(user)` in a child process that the kernel kills at its first
 * system call, however it is made. What it changes in memory is lost.
 */
no_syscalls_result no_syscalls(void (*function)(void*), void* user);

#endif /* NO_SYSCALLS_H */

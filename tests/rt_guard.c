#define _GNU_SOURCE // RTLD_NEXT

#include "rt_guard.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The C library's own functions under their other names
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void  __libc_free(void* memory);

static _Thread_local bool        is_watching;
static _Thread_local unsigned    n_calls;
static _Thread_local const char* last_call = "";

static void count(const char* name)
{
  if (is_watching) {
    ++n_calls;
    last_call = name;
  }
}

void rt_guard_enter(void)
{
  n_calls     = 0;
  last_call   = "";
  is_watching = true;
}

unsigned rt_guard_leave(void)
{
  is_watching = false;
  return n_calls;
}

const char* rt_guard_last(void)
{
  return last_call;
}

// Memory: dlsym(), which the others ask, may need it itself

void* malloc(size_t size)
{
  count("malloc");
  return __libc_malloc(size);
}

void* calloc(size_t n, size_t size)
{
  count("calloc");
  return __libc_calloc(n, size);
}

void* realloc(void* memory, size_t size)
{
  count("realloc");
  return __libc_realloc(memory, size);
}

void* aligned_alloc(size_t alignment, size_t size)
{
  count("aligned_alloc");
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size)
{
  count("posix_memalign");
  *memory = __libc_memalign(alignment, size);
  return *memory ? 0 : ENOMEM;
}

void free(void* memory)
{
  count("free");
  __libc_free(memory);
}

/// Set a pointer to the function that would have been called
static void find_next(const char* name, void* function, size_t size)
{
  void* const symbol = dlsym(RTLD_NEXT, name);
  memcpy(function, &symbol, size); // ISO C has no cast for this
}

/// Define a function that counts, and calls the C library's
#define GUARD(type, name, parameters, arguments) \
  type name parameters                           \
  {                                              \
    type(*next) parameters = NULL;               \
    count(#name);                                \
    find_next(#name, &next, sizeof next);        \
    return next arguments;                       \
  }

GUARD(void*,
      mmap,
      (void* at, size_t size, int access, int flags, int fd, off_t offset),
      (at, size, access, flags, fd, offset))
GUARD(int, munmap, (void* at, size_t size), (at, size))
GUARD(int, mprotect, (void* at, size_t size, int access), (at, size, access))
GUARD(int, madvise, (void* at, size_t size, int advice), (at, size, advice))

// Locks and threads

GUARD(int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
GUARD(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock), (lock))
GUARD(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock), (lock))
GUARD(int,
      pthread_cond_wait,
      (pthread_cond_t * condition, pthread_mutex_t* mutex),
      (condition, mutex))
GUARD(int,
      pthread_cond_timedwait,
      (pthread_cond_t * condition,
       pthread_mutex_t*       mutex,
       const struct timespec* end),
      (condition, mutex, end))
GUARD(int, pthread_cond_signal, (pthread_cond_t * condition), (condition))
GUARD(int, pthread_cond_broadcast, (pthread_cond_t * condition), (condition))
GUARD(int,
      pthread_create,
      (pthread_t * thread,
       const pthread_attr_t* attributes,
       void* (*start)(void*),
       void* user),
      (thread, attributes, start, user))
GUARD(int, pthread_join, (pthread_t thread, void** result), (thread, result))
GUARD(int, sem_wait, (sem_t * semaphore), (semaphore))
GUARD(int, sem_post, (sem_t * semaphore), (semaphore))

// Time

GUARD(int,
      nanosleep,
      (const struct timespec* time, struct timespec* rest),
      (time, rest))
GUARD(int,
      clock_nanosleep,
      (clockid_t              clock,
       int                    flags,
       const struct timespec* time,
       struct timespec*       rest),
      (clock, flags, time, rest))
GUARD(int, usleep, (useconds_t microseconds), (microseconds))
GUARD(int, sched_yield, (void), ())

// Files

GUARD(int, close, (int fd), (fd))
GUARD(ssize_t, read, (int fd, void* data, size_t size), (fd, data, size))
GUARD(ssize_t, write, (int fd, const void* data, size_t size), (fd, data, size))
GUARD(ssize_t,
      writev,
      (int fd, const struct iovec* parts, int n),
      (fd, parts, n))
GUARD(off_t, lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
GUARD(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms))
GUARD(int,
      select,
      (int n, fd_set* in, fd_set* out, fd_set* other, struct timeval* time),
      (n, in, out, other, time))
GUARD(FILE*, fopen, (const char* path, const char* mode), (path, mode))
GUARD(int, fclose, (FILE * file), (file))
GUARD(int, fflush, (FILE * file), (file))
GUARD(int, fputs, (const char* text, FILE* file), (text, file))
GUARD(int, puts, (const char* text), (text))
GUARD(size_t,
      fread,
      (void* data, size_t size, size_t n, FILE* file),
      (data, size, n, file))
GUARD(size_t,
      fwrite,
      (const void* data, size_t size, size_t n, FILE* file),
      (data, size, n, file))
GUARD(int,
      vfprintf,
      (FILE * file, const char* format, va_list list),
      (file, format, list))

// Functions of as many arguments as they are given

int fprintf(FILE* file, const char* format, ...)
{
  va_list list;
  count("fprintf");
  va_start(list, format);
  const int result = vfprintf(file, format, list);
  va_end(list);
  return result;
}

int printf(const char* format, ...)
{
  va_list list;
  count("printf");
  va_start(list, format);
  const int result = vfprintf(stdout, format, list);
  va_end(list);
  return result;
}

int open(const char* path, int flags, ...)
{
  int (*next)(const char*, int, ...) = NULL;
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) ? va_arg(list, mode_t) : 0;
  va_end(list);
  count("open");
  find_next("open", &next, sizeof next);
  return next(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...)
{
  int (*next)(int, const char*, int, ...) = NULL;
  va_list list;
  va_start(list, flags);
  const mode_t mode = (flags & O_CREAT) ? va_arg(list, mode_t) : 0;
  va_end(list);
  count("openat");
  find_next("openat", &next, sizeof next);
  return next(folder, path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
  int (*next)(int, unsigned long, ...) = NULL;
  va_list list;
  va_start(list, request);
  void* const argument = va_arg(list, void*);
  va_end(list);
  count("ioctl");
  find_next("ioctl", &next, sizeof next);
  return next(fd, request, argument);
}

long syscall(long number, ...)
{
  long (*next)(long, ...) = NULL;
  long    a[6];
  va_list list;
  va_start(list, number);
  for (size_t i = 0; i < sizeof a / sizeof a[0]; ++i) {
    a[i] = va_arg(list, long);
  }
  va_end(list);
  count("syscall");
  find_next("syscall", &next, sizeof next);
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

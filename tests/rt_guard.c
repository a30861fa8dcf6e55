#define _GNU_SOURCE // RTLD_NEXT

#include "rt_guard.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// The C library's own functions under their other names
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void  __libc_free(void* memory);

static _Thread_local bool     is_watching;
static _Thread_local unsigned n_calls;

static void count(void)
{
  n_calls += is_watching;
}

void rt_guard_enter(void)
{
  n_calls     = 0;
  is_watching = true;
}

unsigned rt_guard_leave(void)
{
  is_watching = false;
  return n_calls;
}

void* malloc(size_t size)
{
  count();
  return __libc_malloc(size);
}

void* calloc(size_t n, size_t size)
{
  count();
  return __libc_calloc(n, size);
}

void* realloc(void* memory, size_t size)
{
  count();
  return __libc_realloc(memory, size);
}

void* aligned_alloc(size_t alignment, size_t size)
{
  count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size)
{
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory ? 0 : ENOMEM;
}

void free(void* memory)
{
  count();
  __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t* mutex)
{
  count();
  int (*next)(pthread_mutex_t*) = NULL;
  void* const symbol            = dlsym(RTLD_NEXT, "pthread_mutex_lock");
  memcpy(&next, &symbol, sizeof next); // ISO C has no cast for this
  return next(mutex);
}

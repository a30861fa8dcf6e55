#include "failing_alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

// The C library's own functions under their other names
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t n, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void  __libc_free(void* memory);

static _Thread_local bool     is_active;
static _Thread_local unsigned n_left;
static _Thread_local int      n_blocks;

void failing_alloc_start(unsigned n_successes)
{
  n_left    = n_successes;
  n_blocks  = 0;
  is_active = true;
}

int failing_alloc_stop(void)
{
  is_active = false;
  return n_blocks;
}

/// Return whether an allocation may succeed
static bool take(void)
{
  if (is_active && n_left == 0) {
    errno = ENOMEM;
    return false;
  }
  n_left -= is_active;
  return true;
}

static void* count(void* memory)
{
  n_blocks += is_active && memory;
  return memory;
}

void* malloc(size_t size)
{
  return take() ? count(__libc_malloc(size)) : NULL;
}

void* calloc(size_t n, size_t size)
{
  return take() ? count(__libc_calloc(n, size)) : NULL;
}

void* realloc(void* memory, size_t size)
{
  if (!take()) {
    return NULL;
  }
  void* const moved = __libc_realloc(memory, size);
  return memory ? moved : count(moved);
}

void* aligned_alloc(size_t alignment, size_t size)
{
  return take() ? count(__libc_memalign(alignment, size)) : NULL;
}

int posix_memalign(void** memory, size_t alignment, size_t size)
{
  *memory = aligned_alloc(alignment, size);
  return *memory ? 0 : ENOMEM;
}

void free(void* memory)
{
  n_blocks -= is_active && memory;
  __libc_free(memory);
}

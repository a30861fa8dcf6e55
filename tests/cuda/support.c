#include "support.h"

#include <stdio.h>
#include <stdlib.h>

void stop(const char* what)
{
  fprintf(stderr, "test_cuda: %s\n", what);
  exit(EXIT_FAILURE);
}

void must(maudio_status status, const maudio_error* error)
{
  if (status) {
    stop(error->message);
  }
}

void* memory(size_t n, size_t size)
{
  void* const p = calloc(n ? n : 1, size);
  if (!p) {
    stop("no memory");
  }
  return p;
}

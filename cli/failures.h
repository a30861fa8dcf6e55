/** @file
 * Inputs that came to nothing, and why.
 */
#ifndef CLI_FAILURES_H
#define CLI_FAILURES_H

#include <stddef.h>

typedef struct {
  char* path;
  char* reason; ///< One sentence
} failure;

typedef struct {
  failure* items; ///< Fewer than `n` where memory was short
  size_t   n_items;
  size_t   n;
} failure_list;

/// Note a failure, whose reason is the last complaint of this thread
void failures_add(failure_list* list, const char* path);

void failures_clear(failure_list* list);

#endif /* CLI_FAILURES_H */

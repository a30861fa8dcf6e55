#include "failures.h"

#include "report.h"

#include <stdlib.h>
#include <string.h>

void failures_add(failure_list* list, const char* path)
{
  ++list->n;
  // Doubled at the powers of two
  if (!(list->n_items & (list->n_items - 1))) {
    const size_t   capacity = list->n_items ? 2 * list->n_items : 1;
    failure* const items =
      (failure*)realloc(list->items, capacity * sizeof(failure));
    if (!items) {
      return;
    }
    list->items = items;
  }
  failure* const item = &list->items[list->n_items];
  item->path          = strdup(path);
  item->reason        = strdup(last_complaint());
  if (item->path && item->reason) {
    ++list->n_items;
  } else {
    free(item->path);
    free(item->reason);
  }
}

void failures_clear(failure_list* list)
{
  for (size_t i = 0; i < list->n_items; ++i) {
    free(list->items[i].path);
    free(list->items[i].reason);
  }
  free(list->items);
}

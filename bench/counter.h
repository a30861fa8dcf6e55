/** @file
 * Kernels that stand before others and note which weights and states they are
 * given.
 */
#ifndef COUNTER_H
#define COUNTER_H

#include "kernels.h"

/// Some memory
typedef struct {
  const char* begin;
  size_t      size;
} counter_range;

/**
 * Return kernels that call `kernels` and note what they touch.
 *
 * @param working Memory that holds neither weights nor state,
 * @param state apart from this, in the middle of it.
 */
const maudio_kernels* counter_kernels(const maudio_kernels* kernels,
                                      counter_range         working,
                                      counter_range         state);

/// Return the bytes touched since the last call, each once
double counter_take(void);

/// Free what the counter holds
void counter_free(void);

#endif /* COUNTER_H */

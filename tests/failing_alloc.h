/** @file
 * An allocator that fails when told to, and knows what was not freed.
 *
 * Linked into a test, it stands before the C library for every library of the
 * process.
 */
#ifndef FAILING_ALLOC_H
#define FAILING_ALLOC_H

/// From now on let `n_successes` allocations of this thread succeed, no more
void failing_alloc_start(unsigned n_successes);

/// Stop failing; return how many blocks allocated since are not yet freed
int failing_alloc_stop(void);

#endif /* FAILING_ALLOC_H */

/** @file
 * What the files of test_cuda share.
 */
#ifndef MAUDIO_TEST_CUDA_SUPPORT_H
#define MAUDIO_TEST_CUDA_SUPPORT_H

#include "maudio.h"

#include <stddef.h>

/// End the test with a sentence
void stop(const char* what);

void must(maudio_status status, const maudio_error* error);

/// Zeros, or the end of the test
void* memory(size_t n, size_t size);

#endif /* MAUDIO_TEST_CUDA_SUPPORT_H */

/** @file
 * Reading a whole file into memory.
 */
#ifndef MAUDIO_FILE_H
#define MAUDIO_FILE_H

#include "maudio.h"

/**
 * Read the regular file `path`.
 *
 * @param[out] data Its bytes, to be freed with free(); never NULL on success.
 * @param[out] size Number of bytes.
 */
maudio_status maudio_file_read(const char*   path,
                               void**        data,
                               size_t*       size,
                               maudio_error* error);

#endif /* MAUDIO_FILE_H */

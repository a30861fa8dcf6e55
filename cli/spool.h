/** @file
 * Temporary files for what can only be read or written once, such as pipes.
 */
#ifndef CLI_SPOOL_H
#define CLI_SPOOL_H

#include <stdbool.h>
#include <stddef.h>

/// Return the folder of temporary files: TMPDIR, or /tmp
const char* spool_folder(void);

/// Open a file without a name that vanishes when closed; -1 and errno on error
int spool_open(void);

/// Result of spool_copy()
typedef enum {
  SPOOL_DONE,
  SPOOL_READ_FAILED,  ///< errno tells why
  SPOOL_WRITE_FAILED, ///< errno tells why
  SPOOL_INTERRUPTED   ///< A signal asked us to end
} spool_result;

/// Copy everything from one descriptor to another
spool_result spool_copy(int from, int to);

/// Write `size` bytes; false and errno on error
bool write_all(int fd, const void* data, size_t size);

#endif /* CLI_SPOOL_H */

#include "spool.h"

#include "interrupt.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char* spool_folder(void)
{
  const char* const folder = getenv("TMPDIR");
  return folder && folder[0] ? folder : "/tmp";
}

int spool_open(void)
{
  char      path[PATH_MAX];
  const int length =
    snprintf(path, sizeof(path), "%s/maudio-XXXXXX", spool_folder());
  if (length < 0 || (size_t)length >= sizeof(path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  const int fd = mkstemp(path);
  if (fd >= 0) {
    unlink(path);
  }
  return fd;
}

bool write_all(int fd, const void* data, size_t size)
{
  const char* rest = (const char*)data;
  while (size) {
    const ssize_t n = write(fd, rest, size);
    if (n < 0 && (errno != EINTR || interrupted())) {
      return false;
    }
    if (n > 0) {
      rest += n;
      size -= (size_t)n;
    }
  }
  return true;
}

spool_result spool_copy(int from, int to)
{
  char block[65536];
  for (;;) {
    const ssize_t n = read(from, block, sizeof(block));
    if (interrupted()) {
      return SPOOL_INTERRUPTED;
    }
    if (n == 0) {
      return SPOOL_DONE;
    }
    if (n < 0 && errno != EINTR) {
      return SPOOL_READ_FAILED;
    }
    if (n > 0 && !write_all(to, block, (size_t)n)) {
      return interrupted() ? SPOOL_INTERRUPTED : SPOOL_WRITE_FAILED;
    }
  }
}

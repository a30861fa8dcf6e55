#include "file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static maudio_status
fail_errno(maudio_error* error, const char* label, int code)
{
  const maudio_status status =
    (code == ENOENT || code == ENOTDIR) ? MAUDIO_ERR_NOT_FOUND : MAUDIO_ERR_IO;
  return maudio_fail(error, status, "%s: %s", label, strerror(code));
}

/// Read `size` bytes, or fewer where the file has shrunk meanwhile
static maudio_status read_all(int           fd,
                              const char*   label,
                              char*         data,
                              size_t        size,
                              maudio_error* error)
{
  size_t n_read = 0;
  while (n_read < size) {
    const ssize_t n = read(fd, data + n_read, size - n_read);
    if (n < 0 && errno != EINTR) {
      return fail_errno(error, label, errno);
    }
    if (n == 0) {
      return maudio_fail(error, MAUDIO_ERR_IO,
                         "%s: Ends after %zu bytes, expected %zu", label,
                         n_read, size);
    }
    n_read += n > 0 ? (size_t)n : 0;
  }
  return MAUDIO_SUCCESS;
}

static maudio_status read_fd(int           fd,
                             const char*   label,
                             void**        data,
                             size_t*       size,
                             maudio_error* error)
{
  struct stat info;
  if (fstat(fd, &info)) {
    return fail_errno(error, label, errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return maudio_fail(error, MAUDIO_ERR_IO, "%s: Not a regular file", label);
  }
  if (info.st_size < 0 || (uintmax_t)info.st_size >= SIZE_MAX) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: Too large", label);
  }

  const size_t n_bytes = (size_t)info.st_size;
  char* const  bytes   = (char*)malloc(n_bytes ? n_bytes : 1);
  if (!bytes) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "%s: No memory for %zu bytes", label, n_bytes);
  }
  const maudio_status status = read_all(fd, label, bytes, n_bytes, error);
  if (status) {
    free(bytes);
    return status;
  }
  *data = bytes;
  *size = n_bytes;
  return MAUDIO_SUCCESS;
}

maudio_status maudio_file_read(const char*   path,
                               void**        data,
                               size_t*       size,
                               maudio_error* error)
{
  const char* const label = maudio_path_tail(path);

  // Non-blocking, so that opening a FIFO by mistake cannot hang
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return fail_errno(error, label, errno);
  }
  const maudio_status status = read_fd(fd, label, data, size, error);
  close(fd);
  return status;
}

#include "output.h"

#include "report.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// Replace the last part of `path` (PATH_MAX bytes) by `name`
static bool replace_name(char* path, const char* name)
{
  char* const  slash = strrchr(path, '/');
  const size_t folder =
    name[0] != '/' && slash ? (size_t)(slash - path) + 1 : 0;
  const size_t size = strlen(name) + 1;
  if (folder + size > PATH_MAX) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(path + folder, name, size);
  return true;
}

/// Follow symbolic links at `path` (PATH_MAX bytes), also to a missing file
static bool follow_links(char* path)
{
  for (int n_links = 0; n_links < 40; ++n_links) {
    char          link[PATH_MAX];
    const ssize_t length = readlink(path, link, sizeof(link) - 1);
    if (length < 0) {
      return errno == EINVAL || errno == ENOENT;
    }
    link[length] = '\0';
    if (!replace_name(path, link)) {
      return false;
    }
  }
  errno = ELOOP;
  return false;
}

static bool open_sink(output* out, int sink)
{
  out->fd = spool_open();
  if (out->fd < 0) {
    complain(spool_folder(), "%s", strerror(errno));
    if (sink != STDOUT_FILENO) {
      close(sink);
    }
    return false;
  }
  out->sink    = sink;
  out->written = spool_folder();
  return true;
}

/// Open a replacement for a file that is there, or NULL: a new one of `mode`
static bool open_beside(output* out, const struct stat* replaced, mode_t mode)
{
  if (!follow_links(out->target)) {
    return complain(out->label, "%s", strerror(errno));
  }
  memcpy(out->temp, out->target, sizeof(out->temp));
  if (!replace_name(out->temp, ".maudio-XXXXXX")) {
    return complain(out->label, "%s", strerror(errno));
  }
  out->fd = mkstemp(out->temp);
  if (out->fd < 0) {
    return complain(out->label, "cannot be written: %s", strerror(errno));
  }
  if (replaced) {
    // Only root may, but then the file should stay with its owner
    const int kept = fchown(out->fd, replaced->st_uid, replaced->st_gid);
    (void)kept;
  }
  if (fchmod(out->fd, mode)) {
    complain(out->label, "%s", strerror(errno));
    output_discard(out);
    return false;
  }
  return true;
}

static mode_t mask = 0;

/// Reading the mask means changing it, for every thread
static void read_mask(void)
{
  mask = umask(0);
  umask(mask);
}

void output_prepare(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, read_mask);
}

static mode_t new_file_mode(mode_t mode)
{
  output_prepare();
  return mode & 0666 & ~mask;
}

bool output_open(output* out, const char* path, mode_t mode)
{
  out->label   = path;
  out->written = path;
  out->fd      = -1;
  out->sink    = -1;
  out->temp[0] = '\0';

  if (!strcmp(path, "-")) {
    out->label = "standard output";
    if (isatty(STDOUT_FILENO)) {
      return complain(out->label, "is a terminal");
    }
    return open_sink(out, STDOUT_FILENO);
  }
  const size_t size = strlen(path) + 1;
  if (size > sizeof(out->target)) {
    return complain(path, "%s", strerror(ENAMETOOLONG));
  }
  memcpy(out->target, path, size);

  struct stat info;
  if (stat(path, &info)) {
    return open_beside(out, NULL, new_file_mode(mode));
  }
  if (S_ISDIR(info.st_mode)) {
    return complain(path, "is a folder");
  }
  if (!S_ISREG(info.st_mode)) {
    const int sink = open(path, O_WRONLY | O_CLOEXEC);
    return sink < 0 ? complain(path, "cannot be written: %s", strerror(errno))
                    : open_sink(out, sink);
  }
  // A rename would replace a file that its owner has made read-only
  if (access(path, W_OK)) {
    return complain(path, "cannot be written: %s", strerror(errno));
  }
  return open_beside(out, &info, info.st_mode & 07777);
}

static bool commit_sink(output* out)
{
  spool_result result = SPOOL_READ_FAILED;
  if (lseek(out->fd, 0, SEEK_SET) == 0) {
    result = spool_copy(out->fd, out->sink);
  }
  int code = errno;
  if (out->sink != STDOUT_FILENO && close(out->sink) && result == SPOOL_DONE) {
    code   = errno;
    result = SPOOL_WRITE_FAILED;
  }
  close(out->fd);
  if (result == SPOOL_READ_FAILED || result == SPOOL_WRITE_FAILED) {
    complain(result == SPOOL_READ_FAILED ? out->written : out->label, "%s",
             strerror(code));
  }
  return result == SPOOL_DONE;
}

bool output_commit(output* out)
{
  if (out->sink >= 0) {
    return commit_sink(out);
  }
  if (close(out->fd) || rename(out->temp, out->target)) {
    complain(out->label, "cannot be written: %s", strerror(errno));
    unlink(out->temp);
    return false;
  }
  return true;
}

void output_discard(output* out)
{
  close(out->fd);
  if (out->sink >= 0 && out->sink != STDOUT_FILENO) {
    close(out->sink);
  }
  if (out->temp[0]) {
    unlink(out->temp);
  }
}

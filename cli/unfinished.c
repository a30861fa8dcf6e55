#include "unfinished.h"

#include "maudio.h"
#include "spool.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_SIZE 512

/// Return a hash of the content of a file (FNV-1a), so that a model that was
/// trained anew is another one
static uint64_t hash_file(const char* path)
{
  uint64_t      hash = 14695981039346656037ULL;
  unsigned char block[4096];
  FILE* const   file = fopen(path, "rbe");
  size_t        n    = 0;
  while (file && (n = fread(block, 1, sizeof(block), file)) > 0) {
    for (size_t i = 0; i < n; ++i) {
      hash = (hash ^ block[i]) * 1099511628211ULL;
    }
  }
  if (file) {
    fclose(file);
  }
  return hash;
}

static void describe(const unfinished_settings* settings, char* text)
{
  snprintf(text, TEXT_SIZE,
           "An unfinished run of maudio process %s: the same command continues "
           "it.\nmodel %016" PRIx64 "\nstrength %.9g\nmax-attenuation %.9g\n"
           "warm-up %.9g\nprecision %s\n",
           maudio_version(), hash_file(settings->model_path),
           (double)settings->strength, (double)settings->max_attenuation_db,
           (double)settings->warm_up_s, settings->precision);
}

/// Return whether the file is there and says `text`
static bool is_same(const char* path, const char* text)
{
  char      found[TEXT_SIZE];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const ssize_t n = read(fd, found, sizeof(found));
  close(fd);
  return n == (ssize_t)strlen(text) && !memcmp(found, text, (size_t)n);
}

static bool write_text(const char* path, const char* text)
{
  const int fd =
    open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd < 0) {
    return false;
  }
  const bool ok = write_all(fd, text, strlen(text));
  return !close(fd) && ok;
}

void unfinished_begin(unfinished*                u,
                      const char*                folder,
                      const unfinished_settings* settings,
                      bool                       restart)
{
  char text[TEXT_SIZE];
  memset(u, 0, sizeof(*u));
  const int length =
    snprintf(u->path, sizeof(u->path), "%s/" UNFINISHED_NAME, folder);
  if (length < 0 || (size_t)length >= sizeof(u->path)) {
    u->path[0] = '\0';
    return;
  }
  describe(settings, text);
  u->continues = !restart && is_same(u->path, text);

  // Where it cannot be written, neither can the outputs, which will be told
  struct stat info;
  if ((!u->continues &&
       (!jobs_make_folder(u->path) || !write_text(u->path, text))) ||
      stat(u->path, &info)) {
    u->path[0] = '\0';
    return;
  }
  u->since = info.st_mtim;
}

static bool is_later(const struct timespec* a, const struct timespec* b)
{
  return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec
                                : a->tv_nsec > b->tv_nsec;
}

bool unfinished_has(const unfinished* u, const job* work)
{
  struct stat in;
  struct stat out;
  if (!u->path[0] || !u->continues || stat(work->in, &in) ||
      stat(work->out, &out) || !S_ISREG(out.st_mode) ||
      !is_later(&out.st_mtim, &u->since)) {
    return false;
  }
  const bool in_place = in.st_dev == out.st_dev && in.st_ino == out.st_ino;
  return in_place || is_later(&out.st_mtim, &in.st_mtim);
}

void unfinished_end(const unfinished* u, bool all_done)
{
  if (u->path[0] && all_done) {
    unlink(u->path);
  }
}

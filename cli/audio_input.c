#include "audio_input.h"

#include "container.h"
#include "report.h"
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

void sndfile_lock(void)
{
  pthread_mutex_lock(&opening);
}

void sndfile_unlock(void)
{
  pthread_mutex_unlock(&opening);
}

const char* sndfile_reason(SNDFILE* file)
{
  static _Thread_local char reason[256];

  const char*       text       = sf_strerror(file);
  const char* const prefixes[] = {"Error : ", "Error in ", "Internal error : "};
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); ++i) {
    const size_t length = strlen(prefixes[i]);
    if (!strncmp(text, prefixes[i], length)) {
      text += length;
      break;
    }
  }
  snprintf(reason, sizeof(reason), "%s", text);
  reason[strcspn(reason, "\n")] = '\0';
  const size_t length           = strlen(reason);
  if (length && reason[length - 1] == '.') {
    reason[length - 1] = '\0';
  }
  return reason;
}

static int open_descriptor(const char* path)
{
  if (strcmp(path, "-") != 0) {
    return open(path, O_RDONLY | O_CLOEXEC);
  }
  if (isatty(STDIN_FILENO)) {
    errno = ENOTTY;
    return -1;
  }
  return dup(STDIN_FILENO);
}

/// Replace a descriptor by that of a temporary file with its content, or -1
static int store(int fd, const char* label)
{
  const int stored = spool_open();
  if (stored < 0) {
    complain(spool_folder(), "%s", strerror(errno));
    close(fd);
    return -1;
  }
  const spool_result result = spool_copy(fd, stored);
  const int          code   = errno;
  close(fd);
  if (result == SPOOL_DONE && lseek(stored, 0, SEEK_SET) == 0) {
    return stored;
  }
  if (result == SPOOL_READ_FAILED) {
    complain(label, "cannot be read: %s", strerror(code));
  } else if (result == SPOOL_WRITE_FAILED) {
    complain(label, "cannot be stored in %s: %s", spool_folder(),
             strerror(code));
  }
  close(stored);
  return -1;
}

/// Return a descriptor of a seekable file at its start, or -1
static int open_seekable(audio_input* input, const char* path)
{
  const int fd = open_descriptor(path);
  if (fd < 0) {
    complain(input->label, "%s",
             errno == ENOTTY ? "is a terminal" : strerror(errno));
    return -1;
  }
  struct stat info;
  if (fstat(fd, &info)) {
    complain(input->label, "%s", strerror(errno));
    close(fd);
    return -1;
  }
  if (S_ISDIR(info.st_mode)) {
    complain(input->label, "is a folder");
    close(fd);
    return -1;
  }
  if (!S_ISREG(info.st_mode) || lseek(fd, 0, SEEK_CUR) != 0) {
    return store(fd, input->label);
  }
  input->mode = info.st_mode & 07777;
  return fd;
}

bool audio_input_open(audio_input* input, const char* path)
{
  memset(input, 0, sizeof(*input));
  input->label = input_label(path);
  input->mode  = 0666;

  const int fd = open_seekable(input, path);
  if (fd < 0) {
    return false;
  }
  if (lseek(fd, 0, SEEK_END) == 0) {
    close(fd);
    return complain(input->label, "is empty");
  }
  lseek(fd, 0, SEEK_SET);
  if (!container_is_complete(fd, input->label)) {
    close(fd);
    return false;
  }

  // Closes the descriptor, also when it fails
  sndfile_lock();
  input->file = sf_open_fd(fd, SFM_READ, &input->info, SF_TRUE);
  if (!input->file) {
    if (sf_error(NULL) == SF_ERR_UNRECOGNISED_FORMAT) {
      complain(input->label, "is not an audio file that can be read");
    } else {
      complain(input->label, "cannot be read as audio: %s",
               sndfile_reason(NULL));
    }
  }
  sndfile_unlock();
  return input->file != NULL;
}

void audio_input_close(audio_input* input)
{
  sf_close(input->file);
}

bool audio_input_check_end(const audio_input* input, sf_count_t n_frames)
{
  if (sf_error(input->file)) {
    return complain(input->label, "is damaged after %lld frames: %s",
                    (long long)n_frames, sndfile_reason(input->file));
  }
  // The length of an MPEG stream is an estimate
  const bool promised =
    input->info.frames != SF_COUNT_MAX &&
    (input->info.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_MPEG;
  if (promised && n_frames < input->info.frames) {
    return complain(input->label,
                    "is truncated: %lld frames, its header promises %lld",
                    (long long)n_frames, (long long)input->info.frames);
  }
  return true;
}

bool is_audio_file(const char* path)
{
  struct stat info;
  if (stat(path, &info) || !S_ISREG(info.st_mode)) {
    return false;
  }
  SF_INFO        format = {0};
  SNDFILE* const file   = sf_open(path, SFM_READ, &format);
  if (file) {
    sf_close(file);
  }
  return file != NULL;
}

#include "report.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// A complaint with the path that it may name
#define SENTENCE_SIZE (PATH_MAX + 1026)

static pthread_mutex_t lock         = PTHREAD_MUTEX_INITIALIZER;
static bool            status_shown = false;

/// What this thread complained about last
static _Thread_local char last[SENTENCE_SIZE];

/// Where it goes, or NULL for stderr
static FILE* own_stream = NULL;
static int   own_fd     = -1;

static FILE* stream(void)
{
  return own_stream ? own_stream : stderr;
}

const char* input_label(const char* path)
{
  return strcmp(path, "-") ? path : "standard input";
}

static void clear_line(void)
{
  if (status_shown) {
    fputs("\r\033[K", stream());
    fflush(stream());
    status_shown = false;
  }
}

bool complain(const char* subject, const char* format, ...)
{
  char    what[1024];
  char    sentence[SENTENCE_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof(what), format, args);
  va_end(args);
  snprintf(sentence, sizeof(sentence), "%s: %s", subject, what);
  return complain_plain(sentence);
}

bool complain_plain(const char* sentence)
{
  pthread_mutex_lock(&lock);
  clear_line();
  fprintf(stream(), "maudio: %s\n", sentence);
  pthread_mutex_unlock(&lock);
  snprintf(last, sizeof(last), "%s", sentence);
  return false;
}

const char* last_complaint(void)
{
  return last;
}

void complain_urgently(const char* sentence)
{
  static const char start[] = "maudio: ";
  const int         fd      = own_stream ? own_fd : STDERR_FILENO;
  if (write(fd, start, sizeof(start) - 1) > 0 &&
      write(fd, sentence, strlen(sentence)) > 0 && write(fd, "\n", 1) > 0) {
    return;
  }
}

void status_show(const char* text)
{
  pthread_mutex_lock(&lock);
  fprintf(stream(), "\r%s\033[K", text);
  fflush(stream());
  status_shown = true;
  pthread_mutex_unlock(&lock);
}

void status_clear(void)
{
  pthread_mutex_lock(&lock);
  clear_line();
  pthread_mutex_unlock(&lock);
}

bool report_is_seen(void)
{
  return isatty(fileno(stream())) == 1;
}

void report_line(const char* text)
{
  pthread_mutex_lock(&lock);
  clear_line();
  fprintf(stream(), "%s\n", text);
  fflush(stream());
  pthread_mutex_unlock(&lock);
}

void report_alone(void)
{
  if (own_stream) {
    return;
  }
  const char* const path = getenv("MAUDIO_DEVICE_LOG");
  const int         copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  const int         log  = open(path && path[0] ? path : "/dev/null",
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  own_stream = copy < 0 ? NULL : fdopen(copy, "w");
  own_fd     = copy;
  if (own_stream && log >= 0) {
    setvbuf(own_stream, NULL, _IOLBF, BUFSIZ);
    fflush(stderr);
    dup2(log, STDERR_FILENO);
  }
  if (log >= 0) {
    close(log);
  }
}

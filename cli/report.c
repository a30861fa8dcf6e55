#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool status_shown = false;

const char* input_label(const char* path)
{
  return strcmp(path, "-") ? path : "standard input";
}

bool complain(const char* subject, const char* format, ...)
{
  status_clear();
  fprintf(stderr, "maudio: %s: ", subject);
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  return false;
}

bool complain_plain(const char* sentence)
{
  status_clear();
  fprintf(stderr, "maudio: %s\n", sentence);
  return false;
}

void status_show(const char* text)
{
  fprintf(stderr, "\r%s\033[K", text);
  fflush(stderr);
  status_shown = true;
}

void status_clear(void)
{
  if (status_shown) {
    fputs("\r\033[K", stderr);
    status_shown = false;
  }
}

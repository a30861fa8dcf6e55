#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/// Longest path in a message, in bytes
#define MAX_TAIL 96

const char* maudio_version(void)
{
  return MAUDIO_VERSION;
}

const char* maudio_strerror(maudio_status status)
{
  switch (status) {
  case MAUDIO_SUCCESS:
    return "Success";
  case MAUDIO_ERR_NO_MEMORY:
    return "Memory could not be allocated";
  case MAUDIO_ERR_NOT_FOUND:
    return "File or preset does not exist";
  case MAUDIO_ERR_IO:
    return "File could not be read or written";
  case MAUDIO_ERR_BAD_MODEL:
    return "Model file is damaged or inconsistent";
  case MAUDIO_ERR_VERSION:
    return "Model file is of an unknown format version";
  case MAUDIO_ERR_UNSUPPORTED:
    return "Model asks for something this build does not do";
  case MAUDIO_ERR_BAD_ARG:
    return "Argument out of range";
  case MAUDIO_ERR_BAD_STATE:
    return "Saved state does not belong to what loads it";
  }
  return "Unknown error";
}

static bool is_utf8_tail(char c)
{
  return ((unsigned char)c & 0xC0) == 0x80;
}

/// Cut the last character if only some of its bytes are there
static void trim_partial_utf8(char* text)
{
  const size_t length = strlen(text);
  size_t       lead   = length;
  while (lead > 0 && is_utf8_tail(text[lead - 1])) {
    --lead;
  }
  if (lead == 0) {
    return;
  }
  --lead;
  const unsigned char c        = (unsigned char)text[lead];
  const size_t        expected = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  if (length - lead < expected) {
    text[lead] = '\0';
  }
}

static void replace_control_characters(char* text)
{
  for (; *text; ++text) {
    const unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7F) {
      *text = '?';
    }
  }
}

maudio_status
maudio_fail(maudio_error* error, maudio_status status, const char* format, ...)
{
  if (error) {
    va_list args;
    va_start(args, format);
    error->status     = status;
    error->message[0] = '\0';
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    trim_partial_utf8(error->message);
    replace_control_characters(error->message);
  }
  return status;
}

const char* maudio_path_tail(const char* path)
{
  const size_t length = strlen(path);
  if (length <= MAX_TAIL) {
    return path;
  }
  const char* tail  = path + (length - MAX_TAIL);
  const char* slash = strchr(tail, '/');
  if (slash && slash[1]) {
    return slash + 1;
  }
  while (is_utf8_tail(*tail)) {
    ++tail;
  }
  return tail;
}

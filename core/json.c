#include "json.h"

#include "error.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/// More values than any model needs: bounds the memory of the parsed tree
#define MAX_VALUES ((size_t)1 << 20)

/// If Python's Infinity begins at `text`, make it null, padded with spaces
static void replace_infinity(char* text, size_t size)
{
  if (size >= 8 && memcmp(text, "Infinity", 8) == 0) {
    memcpy(text, "null    ", 8);
  }
}

/// Check what the parser does not, before it allocates anything
static maudio_status scan(char*         text,
                          size_t        size,
                          unsigned      max_depth,
                          const char*   label,
                          maudio_error* error)
{
  bool     in_string = false;
  unsigned depth     = 0;
  size_t   n_values  = 0;
  for (size_t i = 0; i < size; ++i) {
    const char c = text[i];
    if (in_string) {
      i += c == '\\';
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
      ++n_values;
    } else if (c == '}' || c == ']') {
      depth -= depth > 0;
    } else if (c == ',') {
      ++n_values;
    } else if (c == 'I') {
      replace_infinity(text + i, size - i);
    }
    if (depth > max_depth) {
      return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                         "%s: JSON is nested deeper than %u levels", label,
                         max_depth);
    }
    if (n_values > MAX_VALUES) {
      return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                         "%s: JSON has more than %zu values", label,
                         MAX_VALUES);
    }
  }
  return MAUDIO_SUCCESS;
}

static maudio_status parse_copy(char*         text,
                                size_t        size,
                                unsigned      max_depth,
                                const char*   label,
                                json_t**      root,
                                maudio_error* error)
{
  const maudio_status status = scan(text, size, max_depth, label, error);
  if (status) {
    return status;
  }

  json_error_t  failure;
  json_t* const parsed =
    json_loadb(text, size, JSON_REJECT_DUPLICATES, &failure);
  if (!parsed) {
    // The parser leaves the text empty where it has run out of memory early
    if (!*failure.text ||
        json_error_code(&failure) == json_error_out_of_memory) {
      return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", label);
    }
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL,
                       "%s: Bad JSON at byte %d: %s", label, failure.position,
                       failure.text);
  }
  if (!json_is_object(parsed)) {
    json_decref(parsed);
    return maudio_fail(error, MAUDIO_ERR_BAD_MODEL, "%s: JSON is not an object",
                       label);
  }
  *root = parsed;
  return MAUDIO_SUCCESS;
}

maudio_status maudio_json_parse(const char*   text,
                                size_t        size,
                                unsigned      max_depth,
                                const char*   label,
                                json_t**      root,
                                maudio_error* error)
{
  char* const copy = (char*)malloc(size ? size : 1);
  if (!copy) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", label);
  }
  memcpy(copy, text, size);
  const maudio_status status =
    parse_copy(copy, size, max_depth, label, root, error);
  free(copy);
  return status;
}

#include "weights_header.h"

#include <stdlib.h>
#include <string.h>

bool maudio_weights_header_add(maudio_weights_header* header,
                               const char*            name,
                               maudio_dtype           type,
                               unsigned               n_dims,
                               const size_t*          shape)
{
  if (!header->entries) {
    header->entries = json_object();
  }
  json_t* const lengths = json_array();
  size_t        n       = maudio_dtype_size(type);
  for (unsigned i = 0; i < n_dims; ++i) {
    n *= shape[i];
    json_array_append_new(lengths, json_integer((json_int_t)shape[i]));
  }
  const json_int_t begin = (json_int_t)header->n_bytes;
  header->n_bytes += n;
  const json_int_t end = (json_int_t)header->n_bytes;
  json_t* const    entry =
    json_pack("{s:s, s:o, s:[I, I]}", "dtype", maudio_dtype_name(type), "shape",
              lengths, "data_offsets", begin, end);
  return json_array_size(lengths) == n_dims &&
         json_object_set_new(header->entries, name, entry) == 0;
}

/// Put the length before `n` bytes of JSON, and spaces after them
static char* frame(const char* json, size_t n, size_t* size)
{
  const size_t length = (n + 7) / 8 * 8;
  char* const  bytes  = (char*)malloc(8 + length);
  if (!bytes) {
    return NULL;
  }
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = (char)(unsigned char)((uint64_t)length >> (8 * i));
  }
  memset(bytes + 8, ' ', length);
  memcpy(bytes + 8, json, n);
  *size = 8 + length;
  return bytes;
}

char* maudio_weights_header_finish(maudio_weights_header* header,
                                   json_t*                metadata,
                                   size_t*                size)
{
  json_t* const whole = json_object();
  char*         bytes = NULL;
  if ((!metadata || !json_object_set(whole, "__metadata__", metadata)) &&
      (!header->entries || !json_object_update(whole, header->entries))) {
    char* const text = json_dumps(whole, JSON_COMPACT);
    bytes            = text ? frame(text, strlen(text), size) : NULL;
    free(text);
  }
  json_decref(whole);
  json_decref(header->entries);
  *header = (maudio_weights_header){0};
  return bytes;
}

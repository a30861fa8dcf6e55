#include "generate_state.h"

#include "output.h"
#include "report.h"
#include "spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Read a file that should have `size` bytes
static bool read_bytes(void* bytes, size_t size, const char* path)
{
  FILE* const file = fopen(path, "rb");
  if (!file) {
    return complain(path, "%s", strerror(errno));
  }
  errno             = 0;
  const size_t n    = fread(bytes, 1, size, file);
  const bool   more = n == size && fgetc(file) != EOF;
  const int    code = ferror(file) ? errno : 0;
  fclose(file);
  if (code) {
    return complain(path, "%s", strerror(code));
  }
  return (n == size && !more) ||
         complain(path, "is not a state of this model: %s than its %zu bytes",
                  more ? "more" : "less", size);
}

bool generate_state_read(maudio_generator* g, const char* path)
{
  const size_t size  = maudio_generator_state_size(g);
  void* const  bytes = malloc(size);
  if (!bytes) {
    return complain(path, "%s", strerror(ENOMEM));
  }
  bool ok = read_bytes(bytes, size, path);
  if (ok && maudio_generator_load_state(g, bytes, size)) {
    ok = complain(path, "is not a state of this model, or is damaged");
  }
  free(bytes);
  return ok;
}

bool generate_state_write(const maudio_generator* g, const char* path)
{
  const size_t size  = maudio_generator_state_size(g);
  void* const  bytes = malloc(size);
  output       out;
  if (!bytes) {
    return complain(path, "%s", strerror(ENOMEM));
  }
  bool ok = output_open(&out, path, 0666);
  if (ok) {
    maudio_generator_save_state(g, bytes);
    if (write_all(out.fd, bytes, size)) {
      ok = output_commit(&out);
    } else {
      ok = complain(path, "cannot be written: %s", strerror(errno));
      output_discard(&out);
    }
  }
  free(bytes);
  return ok;
}

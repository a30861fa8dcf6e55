#include "command.h"
#include "interrupt.h"
#include "maudio.h"
#include "options.h"
#include "output.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG "config.json"
#define WEIGHTS "model.safetensors"

static const char help[] =
  "Usage: maudio quantize [OPTION]... IN OUT\n"
  "Make a model smaller: its matrices become 8-bit integers, with a scale for\n"
  "each row. What is left is about a quarter of float32.\n"
  "\n"
  "IN is a model file, and so is OUT; or IN is a folder with config.json and\n"
  "model.safetensors, and OUT is one, made if missing.\n"
  "\n"
  "  -q, --quiet   do not say what came out\n"
  "  -h, --help    show this help\n"
  "\n"
  "Examples:\n"
  "  maudio quantize voice.safetensors voice-int8.safetensors\n"
  "  maudio quantize mamba-130m-hf mamba-130m-int8\n"
  "\n"
  "Exit status: 0 done, 1 some input or output failed, 2 wrong usage.\n";

static bool is_folder(const char* path)
{
  struct stat info;
  return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/// Return whether `path` is a config.json, and put where it is into `folder`
static bool config_folder(const char* path, char* folder)
{
  const char* const slash = strrchr(path, '/');
  if (strcmp(slash ? slash + 1 : path, CONFIG) != 0) {
    return false;
  }
  const int n = slash ? (int)(slash - path) : 1;
  return snprintf(folder, PATH_MAX, "%.*s", n, slash ? path : ".") < PATH_MAX;
}

static bool join(char* path, const char* folder, const char* name)
{
  const int n = snprintf(path, PATH_MAX, "%s/%s", folder, name);
  return (n >= 0 && n < PATH_MAX) ||
         complain(folder, "%s", strerror(ENAMETOOLONG));
}

/// Write all bytes, or complain; also stop when a signal has asked to
static bool write_all(const output* out, const void* data, size_t size)
{
  const char* bytes = (const char*)data;
  while (size) {
    if (interrupted()) {
      return false;
    }
    const ssize_t n = write(out->fd, bytes, size);
    if (n < 0 && errno != EINTR) {
      return complain(out->written, "cannot be written: %s", strerror(errno));
    }
    if (n > 0) {
      bytes += n;
      size -= (size_t)n;
    }
  }
  return true;
}

/// Where a file goes, and whether the failure has been complained about
typedef struct {
  output* out;
  bool    failed;
} sink;

static bool take(const void* data, size_t size, void* user)
{
  sink* const to = (sink*)user;
  to->failed     = !write_all(to->out, data, size);
  return !to->failed;
}

/// Refuse what is no model, before anything is written
static bool check_model(const char* path)
{
  maudio_error  error = {MAUDIO_SUCCESS, ""};
  maudio_model* model = NULL;
  if (maudio_model_open(path, &model, &error)) {
    return complain_plain(error.message);
  }
  maudio_model_free(model);
  return true;
}

static bool
quantize_file(const char* from, const char* to, maudio_quantize_info* info)
{
  output out;
  if (!output_open(&out, to, 0666)) {
    return false;
  }
  maudio_error error = {MAUDIO_SUCCESS, ""};
  sink         user  = {&out, false};
  if (maudio_quantize(from, take, &user, info, &error)) {
    output_discard(&out);
    return user.failed ? false : complain_plain(error.message);
  }
  return output_commit(&out);
}

static bool copy_file(const char* from, const char* to)
{
  FILE* const file = fopen(from, "rb");
  if (!file) {
    return complain(from, "%s", strerror(errno));
  }
  output out;
  bool   ok = output_open(&out, to, 0666);
  if (ok) {
    char   bytes[4096];
    size_t n = 0;
    while (ok && (n = fread(bytes, 1, sizeof(bytes), file))) {
      ok = write_all(&out, bytes, n);
    }
    if (ok && ferror(file)) {
      ok = complain(from, "%s", strerror(errno));
    }
    if (ok) {
      ok = output_commit(&out);
    } else {
      output_discard(&out);
    }
  }
  fclose(file);
  return ok;
}

/// Quantize what a folder holds; one that was made does not stay empty
static bool
quantize_folder(const char* from, const char* to, maudio_quantize_info* info)
{
  char from_config[PATH_MAX];
  char from_weights[PATH_MAX];
  char to_config[PATH_MAX];
  char to_weights[PATH_MAX];
  if (!join(from_config, from, CONFIG) || !join(from_weights, from, WEIGHTS) ||
      !join(to_config, to, CONFIG) || !join(to_weights, to, WEIGHTS)) {
    return false;
  }
  const bool made = !mkdir(to, 0777);
  if (!made && errno != EEXIST) {
    return complain(to, "cannot be made: %s", strerror(errno));
  }
  if (!made && !is_folder(to)) {
    return complain(to, "is not a folder, but %s is", from);
  }
  const bool ok = quantize_file(from_weights, to_weights, info) &&
                  copy_file(from_config, to_config);
  if (!ok && made) {
    unlink(to_weights);
    rmdir(to);
  }
  return ok;
}

static void tell(const char* to, const maudio_quantize_info* info)
{
  char text[PATH_MAX + 512];
  snprintf(text, sizeof(text),
           "%s: %llu of %llu tensors in int8, %llu bytes of %llu (%.1f %%), "
           "a row of %s is off by %.2f %%, the others by less",
           to, (unsigned long long)info->n_quantized,
           (unsigned long long)info->n_tensors,
           (unsigned long long)info->n_bytes_after,
           (unsigned long long)info->n_bytes_before,
           100.0 * (double)info->n_bytes_after / (double)info->n_bytes_before,
           info->worst_tensor, 100.0 * info->worst_error);
  if (strcmp(to, "-") != 0) {
    puts(text);
  } else {
    report_line(text);
  }
}

static int quantize(const char* from, const char* to, bool quiet)
{
  char                 folder[PATH_MAX];
  maudio_quantize_info info = {0};
  if (!check_model(from)) {
    return COMMAND_FAILED;
  }
  if (config_folder(from, folder)) {
    from = folder;
  }
  const bool ok = is_folder(from) ? quantize_folder(from, to, &info)
                                  : quantize_file(from, to, &info);
  if (ok && !quiet) {
    tell(to, &info);
  }
  return ok ? COMMAND_OK : COMMAND_FAILED;
}

int command_quantize(int argc, char** argv)
{
  static const struct option names[] = {{"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

  bool quiet  = false;
  int  option = 0;
  while ((option = getopt_long(argc, argv, "qh", names, NULL)) != -1) {
    switch (option) {
    case 'q':
      quiet = true;
      break;
    case 'h':
      fputs(help, stdout);
      return COMMAND_OK;
    default:
      return usage_hint("quantize");
    }
  }
  if (argc - optind != 2) {
    return usage_error("quantize", "An input and an output are needed");
  }
  return quantize(argv[optind], argv[optind + 1], quiet);
}

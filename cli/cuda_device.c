#include "cuda_device.h"

#include "crew.h"
#include "report.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libmaudio-cuda.so"

static const char* const precisions[] = {
  [MAUDIO_CUDA_FLOAT32] = "float32",
  [MAUDIO_CUDA_TF32]    = "tf32",
  [MAUDIO_CUDA_BF16]    = "bf16",
};

bool precision_read(const char* text, maudio_cuda_precision* precision)
{
  for (int i = MAUDIO_CUDA_FLOAT32; i <= MAUDIO_CUDA_BF16; ++i) {
    if (!strcmp(text, precisions[i])) {
      *precision = (maudio_cuda_precision)i;
      return true;
    }
  }
  return complain("--precision", "\"%s\" is not float32, tf32 or bf16", text);
}

const char* precision_name(maudio_cuda_precision precision)
{
  return precisions[precision];
}

/// Read numbers separated by commas, each once; false if they are not
static bool read_ids(const char* text, device_choice* choice)
{
  do {
    char*               end = NULL;
    const unsigned long id  = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || id > INT_MAX ||
        (*end && *end != ',') || choice->n_ids == CUDA_MAX_DEVICES) {
      return false;
    }
    for (size_t i = 0; i < choice->n_ids; ++i) {
      if (choice->ids[i] == (int)id) {
        return false;
      }
    }
    choice->ids[choice->n_ids++] = (int)id;
    text                         = *end ? end + 1 : NULL;
  } while (text);
  return true;
}

bool device_read(const char* text, device_choice* choice)
{
  static const char with_ids[] = "cuda:";

  *choice = (device_choice){.kind = DEVICE_CUDA};
  if (!strcmp(text, "auto")) {
    choice->kind = DEVICE_AUTO;
    return true;
  }
  if (!strcmp(text, "cpu")) {
    choice->kind = DEVICE_CPU;
    return true;
  }
  if (!strcmp(text, "cuda") || (!strncmp(text, with_ids, strlen(with_ids)) &&
                                read_ids(text + strlen(with_ids), choice))) {
    return true;
  }
  return complain("--device",
                  "\"%s\" is not auto, cpu, cuda or cuda:N[,N...], each number "
                  "once",
                  text);
}

static maudio_status
fail(maudio_error* error, maudio_status status, const char* format, ...)
  __attribute__((format(printf, 3, 4)));

static maudio_status
fail(maudio_error* error, maudio_status status, const char* format, ...)
{
  char    sentence[sizeof(error->message)];
  va_list args;
  va_start(args, format);
  vsnprintf(sentence, sizeof(sentence), format, args);
  va_end(args);
  memcpy(error->message, sentence, sizeof(sentence));
  error->status = status;
  return status;
}

/// Find the library: where MAUDIO_CUDA_LIBRARY says, where it is installed, or
/// in the build folder that the command is in
static bool find_library(char* path, size_t size)
{
  static const char* const places[] = {MAUDIO_CUDA_PLACE, "../cuda"};

  const char* const named = getenv("MAUDIO_CUDA_LIBRARY");
  if (named && named[0]) {
    snprintf(path, size, "%s", named);
    return true;
  }
  char          own[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
  if (length <= 0) {
    return false;
  }
  own[length]       = '\0';
  char* const slash = strrchr(own, '/');
  *slash            = '\0';
  for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); ++i) {
    const int n = snprintf(path, size, "%s/%s/" LIBRARY, own, places[i]);
    if (n > 0 && (size_t)n < size && !access(path, F_OK)) {
      return true;
    }
  }
  return false;
}

/// Find all functions; false if one is missing
static bool bind(cuda_devices* devices)
{
  cuda_api* const api = &devices->api;
  const struct {
    const char* name;
    void*       function; ///< Where its address goes
  } functions[] = {
    {"maudio_cuda_count", &api->count},
    {"maudio_cuda_open", &api->open},
    {"maudio_cuda_close", &api->close},
    {"maudio_cuda_get_info", &api->get_info},
    {"maudio_cuda_buffer", &api->buffer},
    {"maudio_cuda_buffer_free", &api->buffer_free},
    {"maudio_cuda_signal_new", &api->signal_new},
    {"maudio_cuda_signal_free", &api->signal_free},
    {"maudio_cuda_signal_reset", &api->signal_reset},
    {"maudio_cuda_signal_latency", &api->signal_latency},
    {"maudio_cuda_signal_hop", &api->signal_hop},
    {"maudio_cuda_submit", &api->submit},
    {"maudio_cuda_wait", &api->wait},
  };
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); ++i) {
    void* const symbol = dlsym(devices->library, functions[i].name);
    if (!symbol) {
      return false;
    }
    memcpy(functions[i].function, (const void*)&symbol, sizeof(symbol));
  }
  return true;
}

static maudio_status load(cuda_devices* devices, maudio_error* error)
{
  char path[PATH_MAX + 64];
  if (!find_library(path, sizeof(path))) {
    return fail(error, MAUDIO_ERR_NOT_FOUND,
                "This maudio was built without CUDA: " LIBRARY
                " is not beside it");
  }
  devices->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!devices->library) {
    return fail(error, MAUDIO_ERR_NOT_FOUND, "The CUDA library: %s", dlerror());
  }
  return bind(devices) ? MAUDIO_SUCCESS
                       : fail(error, MAUDIO_ERR_VERSION,
                              "%.200s is of another version of maudio", path);
}

static maudio_status choose(cuda_devices*        devices,
                            const device_choice* choice,
                            int                  n_present,
                            maudio_error*        error)
{
  if (!choice->n_ids) {
    devices->n =
      n_present < CUDA_MAX_DEVICES ? (size_t)n_present : CUDA_MAX_DEVICES;
    for (size_t i = 0; i < devices->n; ++i) {
      devices->ids[i] = (int)i;
    }
    return MAUDIO_SUCCESS;
  }
  for (size_t i = 0; i < choice->n_ids; ++i) {
    if (choice->ids[i] >= n_present) {
      return fail(error, MAUDIO_ERR_NOT_FOUND,
                  "There is no GPU %d: the last one is %d", choice->ids[i],
                  n_present - 1);
    }
  }
  devices->n = choice->n_ids;
  memcpy(devices->ids, choice->ids, sizeof(devices->ids));
  return MAUDIO_SUCCESS;
}

maudio_status cuda_devices_find(cuda_devices*        devices,
                                const device_choice* choice,
                                maudio_error*        error)
{
  int n_present = 0;
  memset(devices, 0, sizeof(*devices));
  maudio_status status = load(devices, error);
  if (!status) {
    status = devices->api.count(&n_present, error);
  }
  if (!status && n_present < 1) {
    status = fail(error, MAUDIO_ERR_NOT_FOUND, "There is no GPU");
  }
  return status ? status : choose(devices, choice, n_present, error);
}

/// All GPUs being opened: each takes most of a second
typedef struct {
  cuda_devices*         devices;
  const char*           model_path;
  maudio_cuda_precision precision;
  atomic_size_t         next;
  maudio_error          errors[CUDA_MAX_DEVICES];
} opening;

static void open_some(void* user)
{
  opening* const      o       = (opening*)user;
  cuda_devices* const devices = o->devices;
  size_t              i       = 0;
  while ((i = atomic_fetch_add(&o->next, 1)) < devices->n) {
    if (devices->api.open(o->model_path, devices->ids[i], o->precision,
                          &devices->engines[i], &o->errors[i])) {
      devices->engines[i] = NULL;
    }
  }
}

maudio_status cuda_devices_open(cuda_devices*         devices,
                                const char*           model_path,
                                maudio_cuda_precision precision,
                                maudio_error*         error)
{
  opening o = {devices, model_path, precision, 0, {{MAUDIO_SUCCESS, ""}}};
  crew_run(devices->n, open_some, &o);
  for (size_t i = 0; i < devices->n; ++i) {
    if (!devices->engines[i]) {
      *error = o.errors[i];
      return o.errors[i].status;
    }
  }
  return MAUDIO_SUCCESS;
}

void cuda_devices_describe(const cuda_devices* devices, char* text, size_t size)
{
  maudio_cuda_info info;
  devices->api.get_info(devices->engines[0], &info);
  size_t length = (size_t)snprintf(text, size, "cuda:%d", devices->ids[0]);
  for (size_t i = 1; i < devices->n && length < size; ++i) {
    length +=
      (size_t)snprintf(text + length, size - length, ",%d", devices->ids[i]);
  }
  if (length < size) {
    char count[32] = "";
    if (devices->n > 1) {
      snprintf(count, sizeof(count), "%zux ", devices->n);
    }
    snprintf(text + length, size - length, " (%s%s)", count, info.name);
  }
}

void cuda_devices_close(cuda_devices* devices)
{
  for (size_t i = 0; i < devices->n; ++i) {
    if (devices->engines[i]) {
      devices->api.close(devices->engines[i]);
    }
  }
  if (devices->library) {
    dlclose(devices->library);
  }
  memset(devices, 0, sizeof(*devices));
}

#include "network.h"

#include "file.h"
#include "model_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const double network_rates[NETWORK_N_RATES] = {8000,  11025, 16000,  17875,
                                               22050, 32000, 44100,  48000,
                                               88200, 96000, 176400, 192000};

void* network_read(const char* name, size_t* size)
{
  char         path[512];
  void*        data  = NULL;
  maudio_error error = {.message = ""};
  snprintf(path, sizeof path, "%s/golden/network_%s.safetensors",
           MAUDIO_TEST_DIR, name);
  if (maudio_file_read(path, &data, size, &error)) {
    fail_msg("%s", error.message);
  }
  return data;
}

static maudio_model* open_memory(const void* data, size_t size)
{
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  if (maudio_model_open_memory(data, size, "network", &model, &error)) {
    fail_msg("%s", error.message);
  }
  return model;
}

maudio_model* network_open(const char* name)
{
  size_t              size  = 0;
  void* const         data  = network_read(name, &size);
  maudio_model* const model = open_memory(data, size);
  free(data);
  return model;
}

/// What maudio_quantize() wrote
typedef struct {
  char*  data;
  size_t size;
} written;

static bool append(const void* data, size_t size, void* user)
{
  written* const to = (written*)user;
  to->data          = (char*)realloc(to->data, to->size + size + 1);
  assert_non_null(to->data);
  memcpy(to->data + to->size, data, size);
  to->size += size;
  return true;
}

maudio_model* network_open_int8(const char* name)
{
  char                 path[512];
  written              to    = {NULL, 0};
  maudio_error         error = {.message = ""};
  maudio_quantize_info info;
  snprintf(path, sizeof path, "%s/golden/network_%s.safetensors",
           MAUDIO_TEST_DIR, name);
  if (maudio_quantize(path, append, &to, &info, &error)) {
    fail_msg("%s", error.message);
  }
  maudio_model* const model = open_memory(to.data, to.size);
  free(to.data);
  return model;
}

void network_set_tensor(void*        file,
                        const char*  name,
                        size_t       n,
                        const float* values)
{
  char* const bytes    = (char*)file;
  uint64_t    n_header = 0;
  memcpy(&n_header, bytes, sizeof n_header);
  char* const header = (char*)calloc(n_header + 1, 1);
  assert_non_null(header);
  memcpy(header, bytes + 8, n_header);
  char quoted[80];
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  const char* at = strstr(header, quoted);
  at             = at ? strstr(at, "data_offsets\":[") : NULL;
  assert_non_null(at);
  char*                    rest  = NULL;
  const unsigned long long begin = strtoull(strchr(at, '[') + 1, &rest, 10);
  const unsigned long long end   = strtoull(rest + 1, NULL, 10);
  free(header);
  const size_t n_floats = (size_t)(end - begin) / sizeof *values;
  for (size_t i = 0; i < n_floats; ++i) {
    memcpy(bytes + 8 + n_header + begin + i * sizeof *values, &values[i % n],
           sizeof *values);
  }
}

/// Open a file whose mask becomes `re`, and free it
static maudio_model* open_constant(char* file, size_t size, float re)
{
  const float zero   = 0.0f;
  const float bias[] = {re - 1.0f, 0.0f};
  network_set_tensor(file, "band_out.weight", 1, &zero);
  network_set_tensor(file, "band_out.bias", 2, bias);
  maudio_model* const model = open_memory(file, size);
  free(file);
  return model;
}

maudio_model* network_open_constant(const char* name, float re)
{
  size_t      size = 0;
  char* const file = (char*)network_read(name, &size);
  return open_constant(file, size, re);
}

maudio_model* network_make_constant(double   window_ms,
                                    double   hop_ms,
                                    unsigned lookahead,
                                    float    re)
{
  char json[512];
  snprintf(json, sizeof json,
           "{\"format_version\": \"1.0\", \"name\": \"made\","
           " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\","
           " \"rate_hz\": 16000, \"window_ms\": %g, \"hop_ms\": %g,"
           " \"lookahead\": %u,"
           " \"compress\": 0.3, \"power_floor\": 1e-10,"
           " \"band_edges\": [0, %d]}, \"d_model\": 8, \"norm_eps\": 1e-5,"
           " \"blocks\": [{\"mixer\": \"band_mlp\", \"d_hidden\": 5}]}",
           window_ms, hop_ms, lookahead, (int)(window_ms * 8) + 1);
  model_builder* const builder = model_builder_new(json);
  model_builder_add_network(builder);
  size_t      size = 0;
  char* const file = (char*)model_builder_finish(builder, &size);
  model_builder_free(builder);
  return open_constant(file, size, re);
}

maudio_model* network_make_tiers(void)
{
  model_builder* const builder = model_builder_new(model_builder_tiers_json);
  model_builder_add_network(builder);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(builder, &size);
  model_builder_free(builder);
  maudio_model* const model = open_memory(file, size);
  free(file);
  return model;
}

maudio_generator* network_generator(const maudio_model* model)
{
  maudio_generator* generator = NULL;
  maudio_error      error     = {.message = ""};
  if (maudio_generator_new(model, &generator, &error)) {
    fail_msg("%s", error.message);
  }
  return generator;
}

maudio_model* network_make_steer(void)
{
  model_builder* const builder = model_builder_new(model_builder_steer_json);
  model_builder_add_network(builder);
  size_t      size = 0;
  void* const file = model_builder_finish(builder, &size);
  model_builder_free(builder);
  maudio_model* const model = open_memory(file, size);
  free(file);
  return model;
}

maudio_stream*
network_stream(const maudio_model* model, double rate_hz, unsigned n_channels)
{
  maudio_stream* stream = NULL;
  maudio_error   error  = {.message = ""};
  if (maudio_stream_new(model, rate_hz, n_channels, &stream, &error)) {
    fail_msg("%s", error.message);
  }
  return stream;
}

float* network_floats(size_t n)
{
  float* const floats = (float*)calloc(n + 1, sizeof *floats);
  assert_non_null(floats);
  return floats;
}

float* network_signal(size_t n_frames, double rate_hz, uint32_t seed)
{
  float* const x = network_floats(n_frames);
  for (size_t i = 0; i < n_frames; ++i) {
    const double t     = (double)i / rate_hz;
    const double voice = sin(880 * t + 3 * sin(19 * t)) * sin(12 * t);
    seed               = seed * 1664525U + 1013904223U;
    const double noise = (double)(seed >> 8) / 8388608.0 - 1.0;
    x[i]               = (float)(0.3 * voice + 0.05 * noise);
  }
  return x;
}

void network_process(maudio_stream*      stream,
                     unsigned            n_channels,
                     const float* const* in,
                     float* const*       out,
                     size_t              n_frames,
                     size_t              block)
{
  size_t next = 0;
  for (size_t done = 0; done < n_frames;) {
    next                  = (next * 5 + 3) % 4096; // 3, 18, 93, 468...
    const size_t n_wanted = block ? block : next % 700;
    const size_t n = n_wanted < n_frames - done ? n_wanted : n_frames - done;
    const float* ins[2]  = {in[0] + done, in[n_channels - 1] + done};
    float* const outs[2] = {out[0] + done, out[n_channels - 1] + done};
    maudio_stream_process(stream, ins, outs, n);
    done += n;
  }
}

float* network_run(const maudio_model* model,
                   double              rate_hz,
                   const float*        in,
                   size_t              n_frames,
                   size_t              block)
{
  float* const         out    = network_floats(n_frames);
  maudio_stream* const stream = network_stream(model, rate_hz, 1);
  network_process(stream, 1, &in, &out, n_frames, block);
  maudio_stream_free(stream);
  return out;
}

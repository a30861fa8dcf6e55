/** @file
 * Any bytes may be opened as a model; what opens can be run.
 */
#include "maudio.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { N_FRAMES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Run noise through the model; any output will do, as long as it is written
static void run(const maudio_model* model, double rate_hz)
{
  maudio_stream* stream = NULL;
  if (maudio_stream_new(model, rate_hz, 1, &stream, NULL)) {
    return;
  }
  float    signal[N_FRAMES];
  uint32_t random = 1;
  for (unsigned i = 0; i < N_FRAMES; ++i) {
    random    = random * 1664525U + 1013904223U;
    signal[i] = (float)(random >> 8) / 16777216.0f - 0.5f;
  }
  float*             out = signal;
  const float* const in  = signal;
  maudio_stream_process(stream, &in, &out, N_FRAMES);
  maudio_stream_free(stream);
}

/// Have the model make up something, if it can
static void generate(const maudio_model* model)
{
  maudio_generator* generator = NULL;
  if (maudio_generator_new(model, &generator, NULL)) {
    return;
  }
  float signal[N_FRAMES];
  maudio_generator_run(generator, signal, N_FRAMES);
  maudio_generator_prompt(generator, signal, N_FRAMES);
  maudio_generator_free(generator);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
  maudio_model* model = NULL;
  maudio_error  error;
  if (maudio_model_open_memory(data, size, "fuzz", &model, &error)) {
    if (model || !error.status || !*error.message) {
      abort(); // A failure has to say why
    }
    return 0;
  }
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  run(model, MAUDIO_MIN_RATE_HZ);
  run(model, 3.0 * MAUDIO_MIN_RATE_HZ);
  generate(model);
  maudio_model_free(model);
  return 0;
}

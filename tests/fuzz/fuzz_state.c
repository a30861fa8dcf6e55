/** @file
 * A saved state may be damaged anywhere; what loads can be run.
 *
 * The input is a list of patches of four bytes: where (3), and the byte to
 * put there.
 */
#include "maudio.h"
#include "model_builder.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_FRAMES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Make a stream that every input uses; it lives as long as the program
static maudio_stream* make_stream(const char* json)
{
  model_builder* const builder = model_builder_new(json);
  model_builder_add_network(builder);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(builder, &size);
  model_builder_free(builder);

  maudio_model*  model  = NULL;
  maudio_stream* stream = NULL;
  maudio_error   error;
  if (maudio_model_open_memory(file, size, "small", &model, &error) ||
      maudio_stream_new(model, MAUDIO_MIN_RATE_HZ, 1, &stream, &error)) {
    fprintf(stderr, "%s\n", error.message);
    abort();
  }
  free(file);
  return stream;
}

/// Patch the state of a stream; `state` has room for it
static void
run(maudio_stream* stream, uint8_t* state, const uint8_t* data, size_t size)
{
  const size_t n_bytes = maudio_stream_state_size(stream);
  maudio_stream_reset(stream);
  maudio_stream_save_state(stream, state);
  for (size_t i = 0; i + 4 <= size; i += 4) {
    const size_t at     = data[i] | data[i + 1] << 8 | data[i + 2] << 16;
    state[at % n_bytes] = data[i + 3];
  }
  if (maudio_stream_load_state(stream, state, n_bytes) == MAUDIO_SUCCESS) {
    float              signal[N_FRAMES] = {0.5f, -0.25f};
    float*             out              = signal;
    const float* const in               = signal;
    maudio_stream_process(stream, &in, &out, N_FRAMES);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
  static maudio_stream* streams[3];
  static uint8_t*       states[3];
  const char* const     jsons[3] = {model_builder_small_json,
                                    model_builder_steer_json,
                                    model_builder_filter_json};
  for (unsigned i = 0; i < 3; ++i) {
    if (!streams[i]) {
      streams[i] = make_stream(jsons[i]);
      states[i]  = (uint8_t*)malloc(maudio_stream_state_size(streams[i]));
    }
    run(streams[i], states[i], data, size);
  }
  return 0;
}

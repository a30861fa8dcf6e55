/** @file
 * Any bytes may be a config.json and its weights; what opens can be run.
 *
 * The input is the length of the config in two bytes, the config, the weights.
 */
#include "checkpoint.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { N_STEPS = 20, CONTEXT = 7 };

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Run tokens through the model; any scores will do
static void run(const maudio_model* model, uint32_t n_vocab)
{
  maudio_sequence* sequence = NULL;
  if (maudio_sequence_new(model, CONTEXT, &sequence, NULL)) {
    return;
  }
  uint32_t ids[N_STEPS];
  for (uint32_t i = 0; i < N_STEPS; ++i) {
    ids[i] = i * 7 % n_vocab;
  }
  float* const logits = (float*)malloc((size_t)3 * n_vocab * sizeof *logits);
  if (!logits || maudio_sequence_step(sequence, 3, ids, logits) ||
      maudio_sequence_step(sequence, N_STEPS - 3, ids + 3, NULL)) {
    abort();
  }
  free(logits);
  maudio_sequence_free(sequence);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
  if (size < 2) {
    return 0;
  }
  size_t n_config              = (size_t)(data[0] | data[1] << 8);
  n_config                     = n_config < size - 2 ? n_config : size - 2;
  const uint8_t* const weights = data + 2 + n_config;
  maudio_model*        model   = NULL;
  maudio_error         error   = {.message = ""};
  if (maudio_checkpoint_open_memory(data + 2, n_config, weights,
                                    size - 2 - n_config, "fuzz", &model,
                                    &error)) {
    if (model || !error.status || !*error.message) {
      abort(); // A failure has to say why
    }
    return 0;
  }
  maudio_model_info info;
  maudio_model_get_info(model, &info);
  run(model, info.n_vocab);
  maudio_model_free(model);
  return 0;
}

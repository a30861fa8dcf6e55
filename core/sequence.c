#include "error.h"
#include "float_mode.h"
#include "model.h"
#include "saved_state.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

/// Longest context: sizes cannot overflow with it
#define MAX_CONTEXT ((size_t)1 << 24)

/// D' d_model padded, V' n_vocab padded; chunk is model->n_chunk
struct maudio_sequence {
  const maudio_model* model;
  size_t              window;
  size_t              n_bytes; ///< Of this allocation
  size_t              n_state;
  float*              state;   ///< (n_state)
  float*              x;       ///< (chunk, D')
  float*              y;       ///< (chunk, D')
  float*              logits;  ///< (chunk, V')
  float*              scratch; ///< What runs of the backbone need
};

/// Where the arrays begin, in floats after the struct
typedef struct {
  size_t state;
  size_t x;
  size_t y;
  size_t logits;
  size_t scratch;
  size_t end;
} layout;

static layout plan(const maudio_model* model, size_t window)
{
  const maudio_backbone* backbone = &model->backbone;
  const size_t           n_x      = model->n_chunk * backbone->d_pad;
  layout                 at       = {.state = 0};
  at.x      = at.state + maudio_pad(maudio_backbone_state(backbone, window));
  at.y      = at.x + n_x;
  at.logits = at.y + n_x;
  at.scratch =
    at.logits + model->n_chunk * maudio_pad(model->config.tokens.n_vocab);
  at.end =
    at.scratch +
    maudio_pad(maudio_backbone_scratch(backbone, model->n_chunk, window));
  return at;
}

maudio_status maudio_sequence_new(const maudio_model* model,
                                  size_t              max_context,
                                  maudio_sequence**   sequence,
                                  maudio_error*       error)
{
  *sequence = NULL;
  if (model->config.task != MAUDIO_TASK_TOKENS) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Model '%s' works on audio and has no sequences of "
                       "tokens",
                       model->config.name);
  }
  if (max_context > MAX_CONTEXT) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "A context of %zu steps is more than %zu", max_context,
                       MAX_CONTEXT);
  }
  const size_t window  = max_context ? max_context : model->info.context;
  const layout at      = plan(model, window);
  const size_t n_head  = (sizeof **sequence + ALIGNMENT - 1) / ALIGNMENT;
  const size_t n_bytes = n_head * ALIGNMENT + at.end * sizeof(float);

  void* const memory = aligned_alloc(ALIGNMENT, n_bytes);
  if (!memory) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for a sequence of %zu bytes, with a context "
                       "of %zu steps",
                       n_bytes, window);
  }
  memset(memory, 0, n_bytes);
  float* const floats = (float*)memory + n_head * ALIGNMENT / sizeof(float);
  *sequence           = memory;
  **sequence          = (maudio_sequence){
             .model   = model,
             .window  = window,
             .n_bytes = n_bytes,
             .n_state = maudio_backbone_state(&model->backbone, window),
             .state   = floats + at.state,
             .x       = floats + at.x,
             .y       = floats + at.y,
             .logits  = floats + at.logits,
             .scratch = floats + at.scratch};
  return MAUDIO_SUCCESS;
}

void maudio_sequence_free(maudio_sequence* sequence)
{
  free(sequence);
}

void maudio_sequence_reset(maudio_sequence* sequence)
{
  memset(sequence->state, 0, sequence->n_state * sizeof(float));
}

/// Take up to a chunk of tokens
static void
run(maudio_sequence* sequence, size_t n, const uint32_t* ids, float* logits)
{
  const maudio_model* model   = sequence->model;
  const size_t        n_vocab = model->tokens.n_vocab;
  maudio_token_front_in(&model->tokens, n, ids, sequence->x);
  maudio_backbone_run(&model->backbone, n, sequence->window, sequence->x,
                      sequence->y, sequence->state, sequence->scratch);
  if (!logits) {
    return;
  }
  maudio_token_front_out(&model->tokens, n, sequence->y, sequence->logits);
  for (size_t i = 0; i < n; ++i) {
    memcpy(logits + i * n_vocab, sequence->logits + i * maudio_pad(n_vocab),
           n_vocab * sizeof *logits);
  }
}

maudio_status maudio_sequence_step(maudio_sequence* sequence,
                                   size_t           n_steps,
                                   const uint32_t*  ids,
                                   float*           logits)
{
  const size_t n_vocab = sequence->model->tokens.n_vocab;
  const size_t n_chunk = sequence->model->n_chunk;
  for (size_t i = 0; i < n_steps; ++i) {
    if (ids[i] >= n_vocab) {
      return MAUDIO_ERR_BAD_ARG;
    }
  }
  const uint64_t mode = maudio_float_mode_enter();
  for (size_t done = 0; done < n_steps;) {
    const size_t left = n_steps - done;
    const size_t n    = left < n_chunk ? left : n_chunk;
    run(sequence, n, ids + done, logits ? logits + done * n_vocab : NULL);
    done += n;
  }
  maudio_float_mode_leave(mode);
  return MAUDIO_SUCCESS;
}

size_t maudio_sequence_memory(const maudio_sequence* sequence)
{
  return sequence->n_bytes;
}

/// The parts of a sequence's state, of which `segment` is the only one
static maudio_state describe(const maudio_sequence* sequence,
                             maudio_segment*        segment)
{
  *segment           = (maudio_segment){sequence->state, sequence->n_state};
  maudio_state state = {
    .header     = {.magic       = {'m', 'a', 'u', 'd', 's', 'e', 'q', '1'},
                   .fingerprint = sequence->model->fingerprint,
                   .shape       = {sequence->window, 0}},
    .segments   = segment,
    .n_segments = 1};
  state.header.size = maudio_state_size(&state);
  return state;
}

size_t maudio_sequence_state_size(const maudio_sequence* sequence)
{
  maudio_segment segment;
  return describe(sequence, &segment).header.size;
}

void maudio_sequence_save_state(const maudio_sequence* sequence, void* data)
{
  maudio_segment     segment;
  const maudio_state state = describe(sequence, &segment);
  maudio_state_save(&state, data);
}

maudio_status maudio_sequence_load_state(maudio_sequence* sequence,
                                         const void*      data,
                                         size_t           size)
{
  maudio_segment     segment;
  const maudio_state state = describe(sequence, &segment);
  if (!maudio_state_check(&state, data, size)) {
    return MAUDIO_ERR_BAD_STATE;
  }
  maudio_state_load(&state, data);
  return MAUDIO_SUCCESS;
}

#include "generator.h"

#include "error.h"
#include "float_mode.h"
#include "model.h"
#include "sampling.h"
#include "saved_state.h"
#include "tiers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define MAX_TEMPERATURE 2.0f

/// State besides the floats of the network
typedef struct {
  uint64_t position; ///< Samples that the network has taken
  uint64_t random;
  float    temperature;
  float    top_p;
  uint64_t last; ///< Code that the network has not taken yet
} generator_scalars;

struct maudio_generator {
  const maudio_model* model;
  size_t              n_bytes; ///< Of this allocation
  generator_scalars   scalars;
  maudio_tiers_run    run;
  size_t              n_floats;
  float*              floats; ///< (n_floats) of the network
  float*              chunk;  ///< Working memory for many codes at once
  float               samples[MAUDIO_N_CODES]; ///< Of each code
  _Alignas(ALIGNMENT) float logits[MAUDIO_N_CODES];
};

maudio_status maudio_generator_new(const maudio_model* model,
                                   maudio_generator**  generator,
                                   maudio_error*       error)
{
  *generator = NULL;
  if (model->config.task != MAUDIO_TASK_GENERATE) {
    return maudio_fail(error, MAUDIO_ERR_BAD_ARG,
                       "Model '%s' generates no audio", model->config.name);
  }
  const size_t n_floats = maudio_tiers_floats(&model->tiers);
  const size_t n_head =
    (sizeof **generator + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  const size_t n_chunk = maudio_tiers_chunk_floats(&model->tiers);
  const size_t n_bytes =
    n_head + maudio_pad(n_floats + n_chunk) * sizeof(float);
  void* const memory = aligned_alloc(ALIGNMENT, n_bytes);
  if (!memory) {
    return maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for a generator of %zu bytes", n_bytes);
  }
  memset(memory, 0, n_bytes);
  maudio_generator* const made = memory;
  made->model                  = model;
  made->n_bytes                = n_bytes;
  made->n_floats               = n_floats;
  made->floats                 = (float*)memory + n_head / sizeof(float);
  made->chunk                  = made->floats + n_floats;
  made->scalars.temperature    = 1.0f;
  made->scalars.top_p          = 1.0f;
  for (unsigned i = 0; i < MAUDIO_N_CODES; ++i) {
    const uint8_t code = (uint8_t)i;
    maudio_samples_from_codes(&code, 1, &made->samples[i]);
  }
  maudio_tiers_start(&model->tiers, made->floats, &made->run);
  maudio_generator_reset(made, 0);
  *generator = made;
  return MAUDIO_SUCCESS;
}

void maudio_generator_free(maudio_generator* generator)
{
  free(generator);
}

void maudio_generator_set_bursts(maudio_generator* generator, bool bursts)
{
  generator->run.bursts = bursts;
}

void maudio_generator_reset(maudio_generator* generator, uint64_t seed)
{
  memset(generator->floats, 0, generator->n_floats * sizeof(float));
  maudio_tiers_seek(&generator->run, 0);
  generator->scalars.random = maudio_random_seed(seed);
  generator->scalars.last   = MAUDIO_SILENCE;
}

maudio_status maudio_generator_set(maudio_generator* generator,
                                   maudio_param      param,
                                   float             value)
{
  if (isnan(value)) {
    return MAUDIO_ERR_BAD_ARG;
  }
  const float positive = value > 0.0f ? value : 0.0f;
  switch (param) {
  case MAUDIO_PARAM_TEMPERATURE:
    generator->scalars.temperature =
      positive < MAX_TEMPERATURE ? positive : MAX_TEMPERATURE;
    return MAUDIO_SUCCESS;
  case MAUDIO_PARAM_TOP_P:
    generator->scalars.top_p = positive < 1.0f ? positive : 1.0f;
    return MAUDIO_SUCCESS;
  default:
    return MAUDIO_ERR_BAD_ARG;
  }
}

void maudio_generator_run(maudio_generator* generator,
                          float*            out,
                          size_t            n_frames)
{
  generator_scalars* const scalars = &generator->scalars;
  const uint64_t           mode    = maudio_float_mode_enter();
  for (size_t i = 0; i < n_frames; ++i) {
    maudio_tiers_step(&generator->run, (uint32_t)scalars->last);
    maudio_tiers_score(&generator->run, generator->logits);
    const uint32_t random = maudio_random_next(&scalars->random);
    scalars->last =
      maudio_sample(generator->model->kernels, scalars->temperature,
                    scalars->top_p, random, MAUDIO_SILENCE, generator->logits);
    out[i] = generator->samples[scalars->last];
  }
  maudio_float_mode_leave(mode);
}

/// Score the first of n codes, or as many as can be scored at once; return how
/// many that were
static size_t score_some(maudio_generator* generator,
                         const uint8_t*    codes,
                         size_t            n,
                         float*            logits)
{
  maudio_tiers_run* const run     = &generator->run;
  const size_t            n_chunk = maudio_tiers_chunk(run->tiers);
  uint64_t* const         last    = &generator->scalars.last;
  if (n_chunk && n >= n_chunk && run->position % n_chunk == 0) {
    uint8_t taken[MAUDIO_MAX_CHUNK];
    taken[0] = (uint8_t)*last;
    memcpy(taken + 1, codes, n_chunk - 1);
    *last = codes[n_chunk - 1];
    maudio_tiers_take(run, taken, generator->chunk, logits);
    return n_chunk;
  }
  maudio_tiers_step(run, (uint32_t)*last);
  if (logits) {
    maudio_tiers_score(run, logits);
  }
  *last = codes[0];
  return 1;
}

void maudio_generator_score(maudio_generator* generator,
                            const uint8_t*    codes,
                            size_t            n,
                            float*            logits)
{
  const uint64_t mode = maudio_float_mode_enter();
  for (size_t done = 0; done < n;) {
    done += score_some(generator, codes + done, n - done,
                       logits ? logits + done * MAUDIO_N_CODES : NULL);
  }
  maudio_float_mode_leave(mode);
}

void maudio_generator_prompt(maudio_generator* generator,
                             const float*      in,
                             size_t            n_frames)
{
  uint8_t codes[MAUDIO_N_CODES];
  for (size_t done = 0; done < n_frames;) {
    const size_t left = n_frames - done;
    const size_t n    = left < sizeof codes ? left : sizeof codes;
    maudio_codes_from_samples(in + done, n, codes);
    maudio_generator_score(generator, codes, n, NULL);
    done += n;
  }
}

const maudio_model* maudio_generator_model(const maudio_generator* generator)
{
  return generator->model;
}

size_t maudio_generator_memory(const maudio_generator* generator)
{
  return generator->n_bytes;
}

/// The parts of a generator's state, of which `segment` is the only one
static maudio_state describe(const maudio_generator* generator,
                             maudio_segment*         segment)
{
  *segment           = (maudio_segment){generator->floats, generator->n_floats};
  maudio_state state = {
    .header     = {.magic       = {'m', 'a', 'u', 'd', 'g', 'e', 'n', '1'},
                   .fingerprint = generator->model->fingerprint},
    .scalars    = &generator->scalars,
    .n_scalars  = sizeof generator->scalars,
    .segments   = segment,
    .n_segments = 1};
  state.header.size = maudio_state_size(&state);
  return state;
}

size_t maudio_generator_state_size(const maudio_generator* generator)
{
  maudio_segment segment;
  return describe(generator, &segment).header.size;
}

void maudio_generator_save_state(const maudio_generator* generator, void* data)
{
  maudio_segment    segment;
  generator_scalars scalars = generator->scalars;
  maudio_state      state   = describe(generator, &segment);
  scalars.position          = generator->run.position;
  state.scalars             = &scalars;
  maudio_state_save(&state, data);
}

static bool are_scalars_valid(const generator_scalars* s)
{
  return s->temperature >= 0.0f && s->temperature <= MAX_TEMPERATURE &&
         s->top_p >= 0.0f && s->top_p <= 1.0f && s->last < MAUDIO_N_CODES;
}

maudio_status maudio_generator_load_state(maudio_generator* generator,
                                          const void*       data,
                                          size_t            size)
{
  maudio_segment     segment;
  generator_scalars  scalars;
  const maudio_state state = describe(generator, &segment);
  const void* const  saved = maudio_state_check(&state, data, size);
  if (!saved) {
    return MAUDIO_ERR_BAD_STATE;
  }
  memcpy(&scalars, saved, sizeof scalars);
  if (!are_scalars_valid(&scalars)) {
    return MAUDIO_ERR_BAD_STATE;
  }
  generator->scalars = scalars;
  maudio_tiers_seek(&generator->run, scalars.position);
  maudio_state_load(&state, data);
  return MAUDIO_SUCCESS;
}

/* Models of tokens: does a step cost the same for ever, and what does a long
 * context cost? Their weights are random, which changes none of that. */
#include "bench.h"
#include "plot.h"
#include "token_model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_VOCAB 256
#define WINDOW 256   ///< Of attention where the cost shall be constant
#define WARM_UP 4096 ///< Steps before anything is measured

#define CONSTANT_SLICE 50 ///< Steps between two looks at the clock
#define GROWTH_SLICE 16
#define MAX_SLICES 20000 ///< Of a hundred million steps, 2 %
#define N_MEASURED 512   ///< Steps at each position

#define MIN_STEPS 10000
#define MAX_STEPS (50UL * MAX_SLICES * CONSTANT_SLICE)
#define MIN_CONTEXT 1024
#define MAX_CONTEXT (1 << 20)
#define MAX_POSITIONS 11 ///< Powers of two in that range

typedef struct {
  const char* name;
  const char* json; ///< Without its braces and n_vocab
} config;

#define MAMBA2_SMALL                                                      \
  "\"model_type\":\"mamba2\",\"hidden_size\":64,\"num_hidden_layers\":2," \
  "\"num_heads\":8,\"head_dim\":16,\"n_groups\":1,\"state_size\":32,"     \
  "\"tie_word_embeddings\":true"

#define ATTENTION_SMALL                                                  \
  "\"model_type\":\"bamba\",\"hidden_size\":64,\"num_hidden_layers\":2," \
  "\"mamba_n_heads\":8,\"attn_layer_indices\":[0,1],"                    \
  "\"num_attention_heads\":4,\"num_key_value_heads\":1,"                 \
  "\"intermediate_size\":128,\"tie_word_embeddings\":true"

static const config mamba2_small    = {"mamba2", MAMBA2_SMALL};
static const config attention_small = {"attention", ATTENTION_SMALL};

/// One of each type, d_model 64
static const config families[] = {
  {"mamba",
   "\"model_type\":\"mamba\",\"hidden_size\":64,\"num_hidden_layers\":2"},
  {"mamba2", MAMBA2_SMALL},
  {"jamba",
   "\"model_type\":\"jamba\",\"hidden_size\":64,\"num_hidden_layers\":2,"
   "\"attn_layer_period\":2,\"attn_layer_offset\":1,"
   "\"expert_layer_period\":2,\"expert_layer_offset\":1,"
   "\"num_experts\":4,\"num_experts_per_tok\":2,"
   "\"num_attention_heads\":4,\"num_key_value_heads\":1,"
   "\"intermediate_size\":128"},
  {"bamba",
   "\"model_type\":\"bamba\",\"hidden_size\":64,\"num_hidden_layers\":2,"
   "\"mamba_n_heads\":8,\"mamba_d_state\":32,\"attn_layer_indices\":[1],"
   "\"num_attention_heads\":4,\"num_key_value_heads\":1,"
   "\"intermediate_size\":128"},
  {"nemotron_h",
   "\"model_type\":\"nemotron_h\",\"hidden_size\":64,"
   "\"hybrid_override_pattern\":\"M-*-\",\"mamba_num_heads\":8,"
   "\"mamba_head_dim\":16,\"n_groups\":1,\"ssm_state_size\":32,"
   "\"num_attention_heads\":4,\"num_key_value_heads\":1,\"head_dim\":16,"
   "\"intermediate_size\":192"},
  {"attention", ATTENTION_SMALL}};

/// Nearly equal in the number of parameters, d_model 256
static const config generators[] = {
  {"Mamba-1",
   "\"model_type\":\"mamba\",\"hidden_size\":256,\"num_hidden_layers\":4"},
  {"Mamba-2",
   "\"model_type\":\"mamba2\",\"hidden_size\":256,\"num_hidden_layers\":4,"
   "\"num_heads\":8,\"head_dim\":64,\"n_groups\":1,\"state_size\":64,"
   "\"tie_word_embeddings\":true"},
  {"hybrid",
   "\"model_type\":\"nemotron_h\",\"hidden_size\":256,"
   "\"hybrid_override_pattern\":\"M-*M-\",\"mamba_num_heads\":8,"
   "\"mamba_head_dim\":64,\"n_groups\":1,\"ssm_state_size\":64,"
   "\"num_attention_heads\":8,\"num_key_value_heads\":2,\"head_dim\":32,"
   "\"intermediate_size\":640"},
  {"attention",
   "\"model_type\":\"bamba\",\"hidden_size\":256,\"num_hidden_layers\":2,"
   "\"mamba_n_heads\":8,\"attn_layer_indices\":[0,1],"
   "\"num_attention_heads\":8,\"num_key_value_heads\":2,"
   "\"intermediate_size\":928,\"tie_word_embeddings\":true"}};

static const size_t contexts[] = {1024, 16384, 65536};
enum { n_contexts = sizeof contexts / sizeof contexts[0] };

typedef struct {
  size_t      n_steps;
  size_t      max_context;
  const char* table; ///< NULL: all of them
  const char* plot;  ///< NULL: none
} options;

static const char usage[] =
  "Usage: maudio-bench-tokens [OPTION]...\n"
  "Measure models of tokens with random weights, in tables of Markdown.\n"
  "\n"
  "  -n, --steps N        steps of each type of model (1000000)\n"
  "  -c, --context N      longest context without a window (65536)\n"
  "  -t, --table NAME     only this one: constant, growth or generation\n"
  "  -p, --plot FILE.svg  draw the table growth\n"
  "  -h, --help           show this\n"
  "\n"
  "MAUDIO_KERNELS=scalar|avx2|avx512|avx512vnni|neon selects kernels.\n";

/// Parse; return 0 to run, 1 to leave with success, 2 with failure
static int parse(int argc, char** argv, options* o)
{
  const bench_option known[] = {
    {.name = "steps", .letter = 'n', .count = &o->n_steps},
    {.name = "context", .letter = 'c', .count = &o->max_context},
    {.name = "table", .letter = 't', .text = &o->table},
    {.name = "plot", .letter = 'p', .text = &o->plot}};
  const int result =
    bench_read_options(argc, argv, usage, known, sizeof known / sizeof *known);
  const bool is_known = !o->table || !strcmp(o->table, "constant") ||
                        !strcmp(o->table, "growth") ||
                        !strcmp(o->table, "generation");
  return !result &&
             (!is_known || o->n_steps < MIN_STEPS || o->n_steps > MAX_STEPS ||
              o->max_context < MIN_CONTEXT || o->max_context > MAX_CONTEXT)
           ? bench_misused(usage)
           : result;
}

/// A model that takes steps
typedef struct {
  const char*      name;
  maudio_model*    model;
  maudio_sequence* sequence;
  size_t           position;
  uint32_t         ids[WARM_UP]; ///< Taken in turn, for ever
  float            logits[N_VOCAB];
} runner;

static void runner_close(runner* r)
{
  maudio_sequence_free(r->sequence);
  maudio_model_free(r->model);
}

static maudio_status
runner_open(runner* r, const config* c, size_t context, maudio_error* error)
{
  char json[600];
  snprintf(json, sizeof json, "{%s,\"vocab_size\":%d}", c->json, N_VOCAB);
  *r                   = (runner){.name = c->name};
  maudio_status status = bench_token_model(c->name, json, &r->model, error);
  if (!status) {
    status = maudio_sequence_new(r->model, context, &r->sequence, error);
  }
  uint32_t random = 1;
  for (size_t i = 0; i < WARM_UP; ++i) {
    random    = random * 1664525U + 1013904223U;
    r->ids[i] = (random >> 8) % N_VOCAB;
  }
  return status;
}

/// Take tokens together until `position`, without their logits
static void runner_fill(runner* r, size_t position)
{
  while (r->position < position) {
    const size_t at   = r->position % WARM_UP;
    const size_t left = position - r->position;
    const size_t n    = left < WARM_UP - at ? left : WARM_UP - at;
    maudio_sequence_step(r->sequence, n, r->ids + at, NULL);
    r->position += n;
  }
}

/// Take tokens one by one; return microseconds of CPU time for each
static float runner_slice(runner* r, size_t n)
{
  const double start = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (size_t i = 0; i < n; ++i, ++r->position) {
    maudio_sequence_step(r->sequence, 1, r->ids + r->position % WARM_UP,
                         r->logits);
  }
  const double end = bench_seconds(CLOCK_THREAD_CPUTIME_ID);
  return (float)(1e6 * (end - start) / (double)n);
}

/// Times of a network that has gone astray would mean nothing
static maudio_status runner_check(const runner* r, maudio_error* error)
{
  for (size_t i = 0; i < N_VOCAB; ++i) {
    if (!isfinite(r->logits[i])) {
      *error = (maudio_error){.status = MAUDIO_ERR_BAD_MODEL};
      snprintf(error->message, sizeof error->message,
               "%s: Logits are no longer finite after %zu steps", r->name,
               r->position);
      return error->status;
    }
  }
  return MAUDIO_SUCCESS;
}

static double median(float* times, size_t n)
{
  qsort(times, n, sizeof *times, bench_compare);
  return n % 2 ? (double)times[n / 2]
               : 0.5 * ((double)times[n / 2 - 1] + (double)times[n / 2]);
}

/// Median time of a step, over n slices
static double measure(runner* r, size_t n_slices, size_t n_slice)
{
  static float times[MAX_SLICES];
  for (size_t i = 0; i < n_slices; ++i) {
    times[i] = runner_slice(r, n_slice);
  }
  return median(times, n_slices);
}

/// One that has taken many steps and one that has not, in turn: what the
/// machine does meanwhile meets both
static double compare(runner* old, runner* young, size_t n_slices)
{
  static float times[2][MAX_SLICES];
  for (size_t i = 0; i < n_slices; ++i) {
    times[0][i] = runner_slice(old, CONSTANT_SLICE);
    times[1][i] = runner_slice(young, CONSTANT_SLICE);
  }
  return median(times[0], n_slices) / median(times[1], n_slices);
}

static maudio_status
constant_row(const options* o, const config* c, maudio_error* error)
{
  static runner old;
  static runner young;
  const size_t  n_slices = o->n_steps / 50 / CONSTANT_SLICE;
  maudio_status status   = runner_open(&old, c, WINDOW, error);
  if (!status) {
    status = runner_open(&young, c, WINDOW, error);
    if (!status) {
      runner_fill(&old, WARM_UP);
      runner_fill(&young, WARM_UP);
      measure(&old, 20, CONSTANT_SLICE);
      const size_t begin  = old.position;
      const double first  = measure(&old, n_slices, CONSTANT_SLICE);
      const long   before = bench_resident_kib();
      while (old.position < begin + o->n_steps - n_slices * CONSTANT_SLICE) {
        runner_slice(&old, CONSTANT_SLICE);
      }
      const double last  = measure(&old, n_slices, CONSTANT_SLICE);
      const long   after = bench_resident_kib();
      const double aged  = compare(&old, &young, n_slices);
      printf("| %s | %.2f | %.2f | %.3f | %.3f | %zu | %ld | %ld |\n", c->name,
             first, last, last / first, aged,
             maudio_sequence_state_size(old.sequence), before, after);
      fflush(stdout);
      status = runner_check(&old, error);
    }
    runner_close(&young);
  }
  runner_close(&old);
  return status;
}

static maudio_status constant_table(const options* o, maudio_error* error)
{
  printf("%zu steps one by one, attention with a window of %d, %s kernels;"
         " microseconds of CPU time, medians of slices of %d steps\n\n"
         "| type | first 2 %% | last 2 %% | last / first | old / young, in turn"
         " | state, bytes | resident before, KiB | and after |\n"
         "|---|---|---|---|---|---|---|---|\n",
         o->n_steps, WINDOW, maudio_kernels_name(), CONSTANT_SLICE);
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < sizeof families / sizeof *families; ++i) {
    status = constant_row(o, &families[i], error);
  }
  return status;
}

/// Time of a step around a position, which is filled up to before
static double time_at(runner* r, size_t position)
{
  runner_fill(r, position - N_MEASURED / 2);
  return measure(r, N_MEASURED / GROWTH_SLICE, GROWTH_SLICE);
}

/// Times of a model at every position, by the context that holds them all
static maudio_status times_at(const config* c,
                              size_t        n,
                              const double* positions,
                              double*       times,
                              maudio_error* error)
{
  static runner r;
  const size_t  context = (size_t)positions[n - 1] + N_MEASURED;
  maudio_status status  = runner_open(&r, c, context, error);
  for (size_t i = 0; !status && i < n; ++i) {
    times[i] = time_at(&r, (size_t)positions[i]);
    status   = runner_check(&r, error);
  }
  runner_close(&r);
  return status;
}

static maudio_status growth_table(const options* o, maudio_error* error)
{
  double        positions[MAX_POSITIONS] = {MIN_CONTEXT};
  double        mamba2[MAX_POSITIONS];
  double        attention[MAX_POSITIONS];
  size_t        n      = 0;
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t p = MIN_CONTEXT; p <= o->max_context; p *= 2) {
    positions[n++] = (double)p;
  }
  status = times_at(&mamba2_small, n, positions, mamba2, error);
  if (!status) {
    status = times_at(&attention_small, n, positions, attention, error);
  }
  if (status) {
    return status;
  }
  printf("Microseconds of CPU time for a step, no window, %s kernels\n\n"
         "| position | mamba2 | attention | attention / mamba2 |\n"
         "|---|---|---|---|\n",
         maudio_kernels_name());
  for (size_t i = 0; i < n; ++i) {
    printf("| %.0f | %.2f | %.1f | %.1f |\n", positions[i], mamba2[i],
           attention[i], attention[i] / mamba2[i]);
  }
  const bench_curve curves[] = {{"mamba2", mamba2},
                                {"attention, no window", attention}};
  if (o->plot && !bench_plot(o->plot, "position in the sequence, tokens",
                             "CPU time of a step, microseconds", n, positions,
                             2, curves)) {
    *error = (maudio_error){.status = MAUDIO_ERR_IO};
    snprintf(error->message, sizeof error->message, "%s: Cannot write: %s",
             o->plot, strerror(errno));
    return error->status;
  }
  return MAUDIO_SUCCESS;
}

/// The kinds of its blocks as a list
static void print_blocks(const maudio_model* model)
{
  const char* name = NULL;
  for (uint32_t i = 0; (name = maudio_model_layer(model, i)); ++i) {
    printf("%s%s", i ? " " : "", name);
  }
}

static maudio_status
generation_row(const options* o, const config* c, maudio_error* error)
{
  static runner     r;
  maudio_model_info info;
  maudio_status status = runner_open(&r, c, o->max_context + N_MEASURED, error);
  if (!status) {
    maudio_model_get_info(r.model, &info);
    printf("| %s | ", c->name);
    print_blocks(r.model);
    printf(" | %.2f M |", 1e-6 * (double)info.n_parameters);
    for (size_t i = 0; i < n_contexts && contexts[i] <= o->max_context; ++i) {
      printf(" %.0f |", 1e6 / time_at(&r, contexts[i]));
      fflush(stdout);
    }
    printf(" %.2f |\n",
           0x1p-20 * (double)maudio_sequence_state_size(r.sequence));
    status = runner_check(&r, error);
  }
  runner_close(&r);
  return status;
}

static maudio_status generation_table(const options* o, maudio_error* error)
{
  printf("Steps of one token per second of CPU time, no window, %s kernels\n\n"
         "| model | blocks | parameters |",
         maudio_kernels_name());
  for (size_t i = 0; i < n_contexts && contexts[i] <= o->max_context; ++i) {
    printf(" after %zu |", contexts[i]);
  }
  printf(" state, MiB |\n|---|---|---|---|");
  for (size_t i = 0; i < n_contexts && contexts[i] <= o->max_context; ++i) {
    printf("---|");
  }
  printf("\n");
  maudio_status status = MAUDIO_SUCCESS;
  for (size_t i = 0; !status && i < sizeof generators / sizeof *generators;
       ++i) {
    status = generation_row(o, &generators[i], error);
  }
  return status;
}

int main(int argc, char** argv)
{
  static const struct {
    const char* name;
    maudio_status (*run)(const options* o, maudio_error* error);
  } tables[] = {{"constant", constant_table},
                {"growth", growth_table},
                {"generation", generation_table}};

  options   o      = {.n_steps = 1000000, .max_context = 65536};
  const int parsed = parse(argc, argv, &o);
  if (parsed) {
    return parsed - 1;
  }
  maudio_error  error  = {.message = ""};
  maudio_status status = MAUDIO_SUCCESS;
  const char*   gap    = "";
  for (size_t i = 0; !status && i < sizeof tables / sizeof *tables; ++i) {
    if (!o.table || !strcmp(o.table, tables[i].name)) {
      fputs(gap, stdout);
      gap    = "\n";
      status = tables[i].run(&o, &error);
    }
  }
  if (status) {
    fprintf(stderr, "maudio-bench-tokens: %s\n", error.message);
  }
  return status ? 1 : 0;
}

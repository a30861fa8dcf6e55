/** @file
 * Stands in for libmaudio-cuda.so: the same functions, by maudio_stream on the
 * CPU, in a thread for each engine. It ends the process where a caller breaks
 * the rules of the header.
 *
 * Environment: MAUDIO_FAKE_GPUS (2; 0: none), MAUDIO_FAKE_SLICE_HOPS,
 * MAUDIO_FAKE_BATCH_HOPS, MAUDIO_FAKE_FAIL_FROM and MAUDIO_FAKE_FAIL_TO
 * (batches whose submit fails, from 1), MAUDIO_FAKE_FAIL_WAIT (batch whose wait
 * fails), MAUDIO_FAKE_FAIL_OPEN, MAUDIO_FAKE_BUFFERS (most page-locked
 * buffers), MAUDIO_FAKE_LOG (file for the number of slices of each batch),
 * MAUDIO_FAKE_BATCH_MS (time that a batch takes at least).
 */
#include "maudio_cuda.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_IN_FLIGHT 3

typedef struct {
  maudio_cuda_slice* slices; ///< NULL: none
  size_t             n_slices;
  uint64_t           ticket;
  bool               is_done;
} fake_batch;

struct maudio_cuda_engine {
  maudio_model*   model;
  size_t          slice_hops;
  size_t          batch_hops;
  pthread_t       thread;
  pthread_mutex_t lock;
  pthread_cond_t  changed;
  fake_batch      batches[N_IN_FLIGHT];
  uint64_t        n_submitted;
  uint64_t        n_computed;
  size_t          n_signals;
  size_t          n_buffers;
  bool            ending;
  atomic_flag     in_use; ///< By a thread that calls
};

struct maudio_cuda_signal {
  maudio_cuda_engine* engine;
  maudio_stream*      stream;
  unsigned            n_channels;
  size_t              hop;
  bool                has_ended;   ///< The last slice was no whole hops
  unsigned            n_under_way; ///< Batches that hold it
};

static size_t setting(const char* name, size_t otherwise)
{
  const char* const text = getenv(name);
  return text ? (size_t)strtoul(text, NULL, 10) : otherwise;
}

/// End the process if a rule is broken
static void require(bool holds, const char* rule)
{
  if (!holds) {
    fprintf(stderr, "cuda_fake: %s\n", rule);
    abort();
  }
}

static maudio_status
fail(maudio_error* error, maudio_status status, const char* message)
{
  if (error) {
    error->status = status;
    snprintf(error->message, sizeof(error->message), "%s", message);
  }
  return status;
}

static void enter(maudio_cuda_engine* engine)
{
  require(!atomic_flag_test_and_set(&engine->in_use),
          "two threads use one engine");
}

static void leave(maudio_cuda_engine* engine)
{
  atomic_flag_clear(&engine->in_use);
}

maudio_status maudio_cuda_count(int* n_devices, maudio_error* error)
{
  *n_devices = (int)setting("MAUDIO_FAKE_GPUS", 2);
  return *n_devices ? MAUDIO_SUCCESS
                    : fail(error, MAUDIO_ERR_NOT_FOUND,
                           "No GPU can be used: the driver is missing");
}

static void compute(const fake_batch* b)
{
  const size_t          wait_ms = setting("MAUDIO_FAKE_BATCH_MS", 0);
  const struct timespec wait    = {.tv_sec  = (time_t)(wait_ms / 1000),
                                   .tv_nsec = (long)(wait_ms % 1000) * 1000000};
  nanosleep(&wait, NULL);
  for (size_t i = 0; i < b->n_slices; ++i) {
    const maudio_cuda_slice* const slice = &b->slices[i];
    maudio_stream_process(slice->signal->stream, slice->in, slice->out,
                          slice->n_frames);
  }
}

static void* run(void* user)
{
  maudio_cuda_engine* const engine = (maudio_cuda_engine*)user;
  pthread_mutex_lock(&engine->lock);
  for (;;) {
    if (engine->n_computed == engine->n_submitted) {
      if (engine->ending) {
        break;
      }
      pthread_cond_wait(&engine->changed, &engine->lock);
      continue;
    }
    fake_batch* const b = &engine->batches[engine->n_computed % N_IN_FLIGHT];
    pthread_mutex_unlock(&engine->lock);
    compute(b);
    pthread_mutex_lock(&engine->lock);
    b->is_done = true;
    ++engine->n_computed;
    pthread_cond_broadcast(&engine->changed);
  }
  pthread_mutex_unlock(&engine->lock);
  return NULL;
}

maudio_status maudio_cuda_open(const char*           path,
                               int                   device,
                               maudio_cuda_precision precision,
                               maudio_cuda_engine**  engine,
                               maudio_error*         error)
{
  (void)precision;
  require(device >= 0 && device < (int)setting("MAUDIO_FAKE_GPUS", 2),
          "no such device");
  if (getenv("MAUDIO_FAKE_FAIL_OPEN")) {
    return fail(error, MAUDIO_ERR_UNSUPPORTED, "The GPU is too small");
  }
  maudio_cuda_engine* const made =
    (maudio_cuda_engine*)calloc(1, sizeof(maudio_cuda_engine));
  if (!made) {
    return fail(error, MAUDIO_ERR_NO_MEMORY, "No memory");
  }
  const maudio_status status = maudio_model_open(path, &made->model, error);
  if (status) {
    free(made);
    return status;
  }
  made->slice_hops = setting("MAUDIO_FAKE_SLICE_HOPS", 1000);
  made->batch_hops = setting("MAUDIO_FAKE_BATCH_HOPS", 100000);
  atomic_flag_clear(&made->in_use);
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->changed, NULL);
  if (pthread_create(&made->thread, NULL, run, made)) {
    maudio_model_free(made->model);
    free(made);
    return fail(error, MAUDIO_ERR_NO_MEMORY, "No thread");
  }
  *engine = made;
  return MAUDIO_SUCCESS;
}

void maudio_cuda_close(maudio_cuda_engine* engine)
{
  if (!engine) {
    return;
  }
  require(!engine->n_signals, "a signal is left");
  require(!engine->n_buffers, "a buffer is left");
  pthread_mutex_lock(&engine->lock);
  engine->ending = true;
  pthread_cond_broadcast(&engine->changed);
  pthread_mutex_unlock(&engine->lock);
  pthread_join(engine->thread, NULL);
  for (size_t i = 0; i < N_IN_FLIGHT; ++i) {
    require(!engine->batches[i].slices, "a batch was not waited for");
  }
  pthread_cond_destroy(&engine->changed);
  pthread_mutex_destroy(&engine->lock);
  maudio_model_free(engine->model);
  free(engine);
}

void maudio_cuda_get_info(const maudio_cuda_engine* engine,
                          maudio_cuda_info*         info)
{
  *info = (maudio_cuda_info){.name        = "Stand-in",
                             .slice_hops  = engine->slice_hops,
                             .batch_hops  = engine->batch_hops,
                             .n_in_flight = N_IN_FLIGHT};
}

maudio_status maudio_cuda_buffer(maudio_cuda_engine* engine,
                                 size_t              n_floats,
                                 float**             buffer,
                                 maudio_error*       error)
{
  enter(engine);
  const bool has_room =
    engine->n_buffers < setting("MAUDIO_FAKE_BUFFERS", 1000000);
  *buffer = has_room ? (float*)malloc(n_floats * sizeof(float)) : NULL;
  engine->n_buffers += *buffer != NULL;
  leave(engine);
  return *buffer ? MAUDIO_SUCCESS
                 : fail(error, MAUDIO_ERR_NO_MEMORY,
                        "Page-locked memory could not be allocated");
}

void maudio_cuda_buffer_free(maudio_cuda_engine* engine, float* buffer)
{
  enter(engine);
  engine->n_buffers -= buffer != NULL;
  free(buffer);
  leave(engine);
}

static size_t hop_of(const maudio_stream* stream)
{
  const size_t latency = maudio_stream_latency(stream);
  return latency > 1 ? latency / 2 : 1;
}

maudio_status maudio_cuda_signal_new(maudio_cuda_engine*  engine,
                                     double               rate_hz,
                                     unsigned             n_channels,
                                     float                strength,
                                     float                max_attenuation_db,
                                     maudio_cuda_signal** signal,
                                     maudio_error*        error)
{
  enter(engine);
  maudio_cuda_signal* const made =
    (maudio_cuda_signal*)calloc(1, sizeof(maudio_cuda_signal));
  maudio_status status = made
                           ? maudio_stream_new(engine->model, rate_hz,
                                               n_channels, &made->stream, error)
                           : fail(error, MAUDIO_ERR_NO_MEMORY, "No memory");
  if (status) {
    free(made);
  } else {
    maudio_stream_set(made->stream, MAUDIO_PARAM_STRENGTH, strength);
    maudio_stream_set(made->stream, MAUDIO_PARAM_MAX_ATTENUATION_DB,
                      max_attenuation_db);
    made->engine     = engine;
    made->n_channels = n_channels;
    made->hop        = hop_of(made->stream);
    *signal          = made;
    ++engine->n_signals;
  }
  leave(engine);
  return status;
}

void maudio_cuda_signal_free(maudio_cuda_signal* signal)
{
  if (!signal) {
    return;
  }
  enter(signal->engine);
  require(!signal->n_under_way, "a signal is freed while a batch holds it");
  --signal->engine->n_signals;
  leave(signal->engine);
  maudio_stream_free(signal->stream);
  free(signal);
}

void maudio_cuda_signal_reset(maudio_cuda_signal* signal)
{
  require(!signal->n_under_way, "a signal is reset while a batch holds it");
  maudio_stream_reset(signal->stream);
  signal->has_ended = false;
}

size_t maudio_cuda_signal_latency(const maudio_cuda_signal* signal)
{
  return maudio_stream_latency(signal->stream);
}

size_t maudio_cuda_signal_hop(const maudio_cuda_signal* signal)
{
  return signal->hop;
}

/// Check the rules of the header, and mark what the batch holds
static void check(const maudio_cuda_engine* engine,
                  size_t                    n_slices,
                  const maudio_cuda_slice*  slices)
{
  size_t n_hops = 0;
  require(n_slices > 0, "a batch without slices");
  for (size_t i = 0; i < n_slices; ++i) {
    maudio_cuda_signal* const signal = slices[i].signal;
    const size_t              whole  = slices[i].n_frames / signal->hop;
    const bool                rest   = slices[i].n_frames % signal->hop != 0;
    require(signal->engine == engine, "a signal of another engine");
    require(slices[i].n_frames > 0, "a slice without frames");
    require(!signal->has_ended, "a slice after the last of a signal");
    require(whole + rest <= engine->slice_hops, "too long a slice");
    for (size_t j = 0; j < i; ++j) {
      require(slices[j].signal != signal, "a signal twice in a batch");
    }
    n_hops += (whole + rest) * signal->n_channels;
    signal->has_ended = rest;
    ++signal->n_under_way;
  }
  require(n_hops <= engine->batch_hops, "too large a batch");
}

static void write_log(size_t n_slices)
{
  const char* const path = getenv("MAUDIO_FAKE_LOG");
  FILE* const       file = path ? fopen(path, "a") : NULL;
  if (file) {
    fprintf(file, "%zu\n", n_slices);
    fclose(file);
  }
}

maudio_status maudio_cuda_submit(maudio_cuda_engine*      engine,
                                 size_t                   n_slices,
                                 const maudio_cuda_slice* slices,
                                 uint64_t*                ticket,
                                 maudio_error*            error)
{
  static atomic_size_t n_calls = 0;

  enter(engine);
  const size_t call = atomic_fetch_add(&n_calls, 1) + 1;
  if (call >= setting("MAUDIO_FAKE_FAIL_FROM", SIZE_MAX) &&
      call <= setting("MAUDIO_FAKE_FAIL_TO", SIZE_MAX)) {
    leave(engine);
    return fail(error, MAUDIO_ERR_UNSUPPORTED, "The GPU has failed: injected");
  }
  fake_batch b = {.n_slices = n_slices, .ticket = call};
  b.slices = (maudio_cuda_slice*)calloc(n_slices, sizeof(maudio_cuda_slice));
  require(b.slices != NULL, "no memory");
  memcpy(b.slices, slices, n_slices * sizeof(maudio_cuda_slice));
  check(engine, n_slices, slices);
  write_log(n_slices);

  pthread_mutex_lock(&engine->lock);
  fake_batch* const place = &engine->batches[engine->n_submitted % N_IN_FLIGHT];
  require(!place->slices, "too many batches under way");
  *place = b;
  ++engine->n_submitted;
  pthread_cond_broadcast(&engine->changed);
  pthread_mutex_unlock(&engine->lock);
  *ticket = call;
  leave(engine);
  return MAUDIO_SUCCESS;
}

maudio_status maudio_cuda_wait(maudio_cuda_engine* engine,
                               uint64_t            ticket,
                               maudio_error*       error)
{
  enter(engine);
  pthread_mutex_lock(&engine->lock);
  size_t at = 0;
  while (at < N_IN_FLIGHT && (!engine->batches[at].slices ||
                              engine->batches[at].ticket != ticket)) {
    ++at;
  }
  require(at < N_IN_FLIGHT, "a ticket that nobody has");
  fake_batch* const b = &engine->batches[at];
  while (!b->is_done) {
    pthread_cond_wait(&engine->changed, &engine->lock);
  }
  for (size_t i = 0; i < b->n_slices; ++i) {
    --b->slices[i].signal->n_under_way;
  }
  free(b->slices);
  *b = (fake_batch){0};
  pthread_mutex_unlock(&engine->lock);
  leave(engine);
  return ticket == setting("MAUDIO_FAKE_FAIL_WAIT", 0)
           ? fail(error, MAUDIO_ERR_UNSUPPORTED, "The GPU has failed: injected")
           : MAUDIO_SUCCESS;
}

#include "bulk_engine.h"

#include "bulk_signals.h"
#include "clock.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>

/// Batches that may be under way, if the engine takes so many
#define MAX_IN_FLIGHT 4

/// Failures in a row after which a GPU is left alone
#define MAX_FAILURES 3

typedef struct {
  uint64_t   ticket;
  bulk_slot* slots; ///< Chained by `next_ready`
} batch;

struct bulk_engine {
  const cuda_api*     api;
  maudio_cuda_engine* cuda;
  maudio_cuda_info    info;
  process_run*        run;
  bulk_shared*        shared;
  pthread_t           thread;
  pthread_cond_t      wake; ///< There may be work for the thread

  // Of the thread
  maudio_cuda_slice* slices;
  bulk_signals       signals;
  batch              in_flight[MAX_IN_FLIGHT]; ///< Oldest first
  size_t             n_in_flight;
  size_t             max_in_flight;
  size_t             slot_samples;
  uint64_t           n_batches;
  unsigned           n_failures; ///< In a row
  double             compute_s;

  // Under the lock
  bulk_queue opening; ///< Files that need signals
  bulk_queue closing; ///< Files that are over
  bulk_queue to_read;
  bulk_ready ready; ///< Slots for the next batches
  bulk_slot* free_slots;
  bulk_slot* slots; ///< (max_slots,)
  size_t     n_slots;
  size_t     max_slots;
  size_t     n_files;
  bool       works;
  bool       ending;
};

bool bulk_engine_works(const bulk_engine* e)
{
  return e->works;
}

size_t bulk_engine_load(const bulk_engine* e)
{
  return e->n_files;
}

void bulk_engine_take(bulk_engine* e, bulk_file* file)
{
  file->engine = e;
  ++e->n_files;
  bulk_queue_push(&e->opening, file, BULK_READ);
  pthread_cond_signal(&e->wake);
}

void bulk_engine_give_back(bulk_engine* e, bulk_file* file)
{
  --e->n_files;
  bulk_queue_push(&e->closing, file, BULK_READ);
  pthread_cond_signal(&e->wake);
}

void bulk_engine_to_read(bulk_engine* e, bulk_file* file)
{
  bulk_queue_push(&e->to_read, file, BULK_READ);
}

bool bulk_engine_next_read(bulk_engine* e, bulk_file** file, bulk_slot** slot)
{
  const bulk_file* const first = e->to_read.first;
  if (!first || (!first->failed && !e->free_slots)) {
    return false;
  }
  *file = bulk_queue_pop(&e->to_read, BULK_READ);
  *slot = first->failed ? NULL : e->free_slots;
  if (*slot) {
    e->free_slots = (*slot)->next;
  }
  return true;
}

void bulk_engine_send(bulk_engine* e, bulk_slot* slot)
{
  bulk_ready_push(&e->ready, slot);
  pthread_cond_signal(&e->wake);
}

void bulk_engine_free_slot(bulk_engine* e, bulk_slot* slot)
{
  slot->next    = e->free_slots;
  e->free_slots = slot;
}

static unsigned channels_of_each(const bulk_file* file)
{
  return (unsigned)(file->n_channels / file->n_signals);
}

/// Set how many frames of a file go into a slot; false if not a hop
static bool fit_slots(const bulk_engine* e, bulk_file* file)
{
  file->hop             = e->api->signal_hop(file->signals[0]);
  const size_t limits[] = {e->slot_samples / (file->n_channels * file->hop),
                           e->info.slice_hops,
                           e->info.batch_hops / file->n_channels};
  size_t       n_hops   = limits[0];
  for (size_t i = 1; i < sizeof(limits) / sizeof(limits[0]); ++i) {
    n_hops = limits[i] < n_hops ? limits[i] : n_hops;
  }
  file->slot_frames = n_hops * file->hop;
  return n_hops && file->n_signals <= BULK_MAX_SLICES;
}

static bool make_signals(bulk_engine* e, bulk_file* file)
{
  const char* const label   = file->c.input.label;
  const int         rate_hz = file->c.input.info.samplerate;
  file->signals =
    (maudio_cuda_signal**)calloc(file->n_signals, sizeof(maudio_cuda_signal*));
  if (!file->signals) {
    return complain(label, "no memory for %zu channels", file->n_channels);
  }
  for (size_t i = 0; i < file->n_signals; ++i) {
    maudio_error error = {MAUDIO_SUCCESS, ""};
    if (bulk_signals_take(&e->signals, rate_hz, channels_of_each(file),
                          &file->signals[i], &error)) {
      file->signals[i] = NULL;
      return complain(label, "%s", error.message);
    }
  }
  file->latency = e->api->signal_latency(file->signals[0]);
  return fit_slots(e, file) ||
         complain(label,
                  "%zu channels are too many for the GPU, use "
                  "--device cpu",
                  file->n_channels);
}

/// Have slots for the files that are open; fails without any
static maudio_status
make_slots(bulk_engine* e, size_t n_files, maudio_error* error)
{
  while (e->n_slots < e->max_slots && e->n_slots < BULK_FILE_SLOTS * n_files) {
    bulk_slot* const    slot = &e->slots[e->n_slots];
    const maudio_status status =
      e->api->buffer(e->cuda, e->slot_samples, &slot->samples, error);
    if (status && !e->n_slots) {
      return status;
    }
    if (status) {
      // What there is has to do
      e->max_slots = e->n_slots;
      break;
    }
    slot->n_samples = e->slot_samples;
    pthread_mutex_lock(&e->shared->lock);
    ++e->n_slots;
    bulk_engine_free_slot(e, slot);
    pthread_mutex_unlock(&e->shared->lock);
  }
  return MAUDIO_SUCCESS;
}

/// Give files signals, and let them be read; called without the lock
static void open_files(bulk_engine* e, bulk_queue files, size_t n_files)
{
  maudio_error        error  = {MAUDIO_SUCCESS, ""};
  const maudio_status status = make_slots(e, n_files, &error);
  while (files.first) {
    bulk_file* const file = files.first;
    files.first           = file->next[BULK_READ];
    const bool ok = status ? complain(file->c.input.label, "%s", error.message)
                           : make_signals(e, file) && bulk_file_prepare(file);

    pthread_mutex_lock(&e->shared->lock);
    file->queued[BULK_READ] = false;
    if (!ok) {
      bulk_file_failed(file);
    }
    bulk_engine_to_read(e, file);
    pthread_cond_broadcast(&e->shared->work);
    pthread_mutex_unlock(&e->shared->lock);
  }
}

static void close_files(bulk_engine* e, bulk_queue files)
{
  while (files.first) {
    bulk_file* const file = files.first;
    files.first           = file->next[BULK_READ];
    for (size_t i = 0; file->signals && i < file->n_signals; ++i) {
      if (file->signals[i]) {
        bulk_signals_give_back(&e->signals,
                               (spare_signal){file->signals[i],
                                              file->c.input.info.samplerate,
                                              channels_of_each(file)});
      }
    }
    bulk_file_free(file);
  }
}

/// Let slots be written, or discarded with their files; under the lock
static void slots_done(bulk_engine* e, bulk_slot* slots)
{
  for (bulk_slot* slot = slots; slot; slot = slot->next_ready) {
    slot->is_done         = true;
    bulk_file* const file = slot->file;
    if (!file->busy[BULK_WRITE] && file->first->is_done) {
      bulk_queue_push(&e->shared->to_write, file, BULK_WRITE);
    }
  }
  pthread_cond_broadcast(&e->shared->work);
}

/// The same after the GPU has failed
static void slots_failed(bulk_engine* e, bulk_slot* slots, const char* why)
{
  for (bulk_slot* slot = slots; slot; slot = slot->next_ready) {
    if (!slot->file->failed) {
      complain(slot->file->c.input.label, "%s", why);
      bulk_file_failed(slot->file);
    }
  }
  e->works = ++e->n_failures < MAX_FAILURES;
  slots_done(e, slots);
}

/// Start a batch; called under the lock, which is free meanwhile
static void start_batch(bulk_engine* e)
{
  batch        b;
  size_t       n_slices = 0;
  maudio_error error    = {MAUDIO_SUCCESS, ""};
  b.slots = bulk_ready_take(&e->ready, ++e->n_batches, e->info.batch_hops,
                            e->slices, &n_slices);
  pthread_mutex_unlock(&e->shared->lock);
  const maudio_status status =
    e->api->submit(e->cuda, n_slices, e->slices, &b.ticket, &error);
  pthread_mutex_lock(&e->shared->lock);
  if (status) {
    slots_failed(e, b.slots, error.message);
  } else {
    e->in_flight[e->n_in_flight++] = b;
  }
}

/// Wait for the oldest batch; called under the lock, which is free meanwhile
static void finish_batch(bulk_engine* e)
{
  const batch  b     = e->in_flight[0];
  maudio_error error = {MAUDIO_SUCCESS, ""};
  pthread_mutex_unlock(&e->shared->lock);
  const maudio_status status = e->api->wait(e->cuda, b.ticket, &error);
  pthread_mutex_lock(&e->shared->lock);
  memmove(e->in_flight, e->in_flight + 1, --e->n_in_flight * sizeof(batch));
  if (status) {
    slots_failed(e, b.slots, error.message);
  } else {
    e->n_failures = 0;
    slots_done(e, b.slots);
  }
}

/// Serve files that come and go; called under the lock, which is free meanwhile
static void serve_files(bulk_engine* e)
{
  const bulk_queue opening = e->opening;
  const bulk_queue closing = e->closing;
  const size_t     n_files = e->n_files;
  e->opening.first         = NULL;
  e->closing.first         = NULL;
  pthread_mutex_unlock(&e->shared->lock);
  close_files(e, closing);
  if (opening.first) {
    open_files(e, opening, n_files);
  }
  pthread_mutex_lock(&e->shared->lock);
}

static void* feed(void* user)
{
  bulk_engine* const e      = (bulk_engine*)user;
  double             now_s  = clock_now_s();
  double             idle_s = 0.0;
  pthread_mutex_lock(&e->shared->lock);
  for (;;) {
    const bool has_files = e->opening.first || e->closing.first;
    const bool computes  = e->n_in_flight;
    if (e->ready.first && e->n_in_flight < e->max_in_flight) {
      start_batch(e);
    } else if (has_files) {
      serve_files(e);
    } else if (e->n_in_flight) {
      finish_batch(e);
    } else if (e->ending) {
      break;
    } else {
      pthread_cond_wait(&e->wake, &e->shared->lock);
    }
    clock_add(computes || e->n_in_flight ? &e->compute_s : &idle_s, &now_s);
  }
  pthread_mutex_unlock(&e->shared->lock);
  return NULL;
}

static void free_engine(bulk_engine* e)
{
  bulk_signals_clear(&e->signals);
  for (size_t i = 0; i < e->n_slots; ++i) {
    e->api->buffer_free(e->cuda, e->slots[i].samples);
    free(e->slots[i].residues);
  }
  free(e->slots);
  free(e->slices);
  pthread_cond_destroy(&e->wake);
  free(e);
}

bulk_engine* bulk_engine_start(process_run*        run,
                               bulk_shared*        shared,
                               const cuda_devices* devices,
                               size_t              i,
                               const bulk_limits*  limits)
{
  bulk_engine* const e = (bulk_engine*)calloc(1, sizeof(bulk_engine));
  if (!e) {
    complain_plain("No memory to use the GPU");
    return NULL;
  }
  e->api          = &devices->api;
  e->cuda         = devices->engines[i];
  e->run          = run;
  e->shared       = shared;
  e->max_slots    = limits->max_slots;
  e->slot_samples = limits->slot_samples;
  e->works        = true;
  e->slots        = (bulk_slot*)calloc(limits->max_slots, sizeof(bulk_slot));
  e->slices  = (maudio_cuda_slice*)calloc(BULK_MAX_SLICES, sizeof(*e->slices));
  e->signals = (bulk_signals){
    .api = e->api, .engine = e->cuda, .settings = &run->settings};
  e->api->get_info(e->cuda, &e->info);
  e->max_in_flight =
    e->info.n_in_flight < MAX_IN_FLIGHT ? e->info.n_in_flight : MAX_IN_FLIGHT;
  pthread_cond_init(&e->wake, NULL);
  if (!e->slots || !e->slices || pthread_create(&e->thread, NULL, feed, e)) {
    complain_plain("No memory to use the GPU");
    free_engine(e);
    return NULL;
  }
  return e;
}

void bulk_engine_stop(bulk_engine* e)
{
  if (!e) {
    return;
  }
  pthread_mutex_lock(&e->shared->lock);
  e->ending = true;
  pthread_cond_signal(&e->wake);
  pthread_mutex_unlock(&e->shared->lock);
  pthread_join(e->thread, NULL);
  summary_add_times(&e->run->result,
                    &(const stage_times){.compute_s = e->compute_s});
  free_engine(e);
}

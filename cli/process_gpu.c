#include "bulk_engine.h"
#include "clock.h"
#include "crew.h"
#include "interrupt.h"
#include "process_run.h"
#include "report.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/// Most samples in the slots of a GPU
#define MAX_SAMPLES ((size_t)1 << 27)

/// Samples of a slot when there are many files, and else
#define SMALL_SLOT ((size_t)1 << 20)
#define LARGE_SLOT ((size_t)1 << 22)
#define MANY_FILES 32

/// Fewest slots, however little memory there is
#define MIN_SLOTS ((size_t)8)

/// Most files that are open for a GPU
#define MAX_FILES 128

typedef struct {
  process_run* run;
  bulk_engine* engines[CUDA_MAX_DEVICES];
  size_t       n_engines;
  size_t       max_files; ///< Most that may be open
  bulk_shared  shared;

  // Under the lock
  size_t next;   ///< Job to take
  size_t n_open; ///< Files that are open or being opened
} bulk;

/// A thread, and what it works with
typedef struct {
  bulk*       b;
  double*     scratch; ///< (DENOISE_BLOCK, n_channels)
  size_t      n_channels;
  stage_times times;
} worker;

/// Have scratch memory for so many channels
static bool reserve(worker* w, const bulk_file* file)
{
  const size_t n_channels = file->n_channels;
  if (w->n_channels < n_channels) {
    free(w->scratch);
    w->scratch = (double*)malloc(DENOISE_BLOCK * n_channels * sizeof(double));
    w->n_channels = w->scratch ? n_channels : 0;
  }
  return w->scratch || complain(file->c.input.label,
                                "no memory for %zu channels", n_channels);
}

/// Return the GPU with the fewest files of those that work, or NULL
static bulk_engine* least_busy(const bulk* b)
{
  bulk_engine* best = NULL;
  for (size_t i = 0; i < b->n_engines; ++i) {
    bulk_engine* const e = b->engines[i];
    if (bulk_engine_works(e) &&
        (!best || bulk_engine_load(e) < bulk_engine_load(best))) {
      best = e;
    }
  }
  return best;
}

static bool may_open(const bulk* b)
{
  return b->next < b->run->list->n_jobs && b->n_open < b->max_files &&
         !interrupted() && least_busy(b);
}

/// Close a file when nothing is to come from it; called under the lock, which
/// is free meanwhile
static void settle(worker* w, bulk_file* file)
{
  bulk* const b = w->b;
  if (!(file->all_read || file->failed) || file->n_slots ||
      file->busy[BULK_READ] || file->busy[BULK_WRITE] ||
      file->queued[BULK_READ] || file->queued[BULK_WRITE]) {
    return;
  }
  file->busy[BULK_WRITE] = true;
  pthread_mutex_unlock(&b->shared.lock);
  double since_s = clock_now_s();
  if (bulk_file_close(file)) {
    summary_done(&b->run->result, conversion_audio_s(&file->c));
  } else {
    bulk_file_failed(file);
  }
  progress_file_end(&b->run->shown, &file->c.shown);
  clock_add(&w->times.encode_s, &since_s);
  pthread_mutex_lock(&b->shared.lock);
  --b->n_open;
  bulk_engine_give_back(file->engine, file);
  pthread_cond_broadcast(&b->shared.work);
}

/// Open the next file; called under the lock, which is free meanwhile
static void open_next(worker* w)
{
  bulk* const      b    = w->b;
  const job* const work = &b->run->list->jobs[b->next++];
  ++b->n_open;
  pthread_mutex_unlock(&b->shared.lock);
  double           since_s = clock_now_s();
  bulk_file* const file    = bulk_file_open(b->run, work);
  if (!file) {
    progress_file_end(&b->run->shown,
                      &(const progress_file){.n_bytes = (double)work->n_bytes});
    if (!interrupted()) {
      summary_failed(&b->run->result, input_label(work->in));
    }
  }
  clock_add(&w->times.decode_s, &since_s);
  pthread_mutex_lock(&b->shared.lock);
  if (file) {
    bulk_engine* const e = least_busy(b);
    bulk_engine_take(e ? e : b->engines[0], file);
  } else {
    --b->n_open;
    pthread_cond_broadcast(&b->shared.work);
  }
}

/// Append a slot that was read to those of its file, and send it
static void send(bulk_file* file, bulk_slot* slot)
{
  slot->file    = file;
  slot->is_done = false;
  slot->next    = NULL;
  if (file->first) {
    file->last->next = slot;
  } else {
    file->first = slot;
  }
  file->last = slot;
  ++file->n_slots;
  bulk_engine_send(file->engine, slot);
}

/// Let a file be read if it may have another slot
static void read_on(bulk_file* file)
{
  if (!file->all_read && !file->failed && !file->busy[BULK_READ] &&
      file->n_slots < BULK_FILE_SLOTS) {
    bulk_engine_to_read(file->engine, file);
  }
}

/// Read into a slot, if there is one; called under the lock, which is free
/// meanwhile
static void read_slot(worker* w, bulk_file* file, bulk_slot* slot)
{
  bulk* const b         = w->b;
  bool        ok        = slot && !file->failed;
  file->busy[BULK_READ] = true;
  pthread_mutex_unlock(&b->shared.lock);
  double since_s = clock_now_s();
  ok = ok && reserve(w, file) && bulk_file_read(file, slot, w->scratch);
  clock_add(&w->times.decode_s, &since_s);
  pthread_mutex_lock(&b->shared.lock);
  file->busy[BULK_READ] = false;
  file->all_read        = !ok || bulk_file_is_read(file);
  if (!ok) {
    bulk_file_failed(file);
  }
  if (ok && slot->n_frames) {
    send(file, slot);
  } else if (slot) {
    bulk_engine_free_slot(file->engine, slot);
    pthread_cond_broadcast(&b->shared.work);
  }
  read_on(file);
  settle(w, file);
}

/// Write the oldest slot; called under the lock, which is free meanwhile
static void write_slot(worker* w, bulk_file* file)
{
  bulk* const      b     = w->b;
  bulk_slot* const slot  = file->first;
  bool             ok    = !file->failed;
  file->busy[BULK_WRITE] = true;
  pthread_mutex_unlock(&b->shared.lock);
  double since_s = clock_now_s();
  ok = ok && reserve(w, file) && bulk_file_write(file, slot, w->scratch);
  clock_add(&w->times.encode_s, &since_s);
  pthread_mutex_lock(&b->shared.lock);
  file->busy[BULK_WRITE] = false;
  if (!ok) {
    bulk_file_failed(file);
  }
  file->first = slot->next;
  --file->n_slots;
  bulk_engine_free_slot(file->engine, slot);
  if (file->first && file->first->is_done) {
    bulk_queue_push(&b->shared.to_write, file, BULK_WRITE);
  }
  read_on(file);
  pthread_cond_broadcast(&b->shared.work);
  settle(w, file);
}

/// Do one piece of work: writing first, which frees slots; opening last, so
/// that files are completed. Return whether there was any
static bool work_once(worker* w)
{
  bulk* const b    = w->b;
  bulk_file*  file = bulk_queue_pop(&b->shared.to_write, BULK_WRITE);
  if (file) {
    write_slot(w, file);
    return true;
  }
  for (size_t i = 0; i < b->n_engines; ++i) {
    bulk_slot* slot = NULL;
    if (bulk_engine_next_read(b->engines[i], &file, &slot)) {
      read_slot(w, file, slot);
      return true;
    }
  }
  if (may_open(b)) {
    open_next(w);
    return true;
  }
  return false;
}

static void take_part(void* user)
{
  bulk* const b = (bulk*)user;
  worker      w = {.b = b};
  pthread_mutex_lock(&b->shared.lock);
  while (b->n_open || may_open(b)) {
    if (!work_once(&w)) {
      pthread_cond_wait(&b->shared.work, &b->shared.lock);
    }
  }
  pthread_mutex_unlock(&b->shared.lock);
  summary_add_times(&b->run->result, &w.times);
  free(w.scratch);
}

/// Return how many files may be open, of two descriptors each
static size_t max_files(size_t n_engines)
{
  const size_t  n = MAX_FILES * n_engines;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= 2 * n + 64) {
    return n;
  }
  return limit.rlim_cur > 128 ? (size_t)(limit.rlim_cur - 64) / 2 : 32;
}

/// Return what each GPU may take: an eighth of the memory for all, in smaller
/// slots if there are files enough to fill batches with
static bulk_limits limits(size_t n_files, size_t n_engines)
{
  const long   pages = sysconf(_SC_PHYS_PAGES);
  const long   page  = sysconf(_SC_PAGESIZE);
  const size_t memory =
    pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
  const size_t most      = memory / 8 / n_engines / sizeof(float);
  const size_t n_samples = most < MAX_SAMPLES ? most : MAX_SAMPLES;
  const size_t size =
    n_files < MANY_FILES * n_engines ? LARGE_SLOT : SMALL_SLOT;
  return (bulk_limits){
    n_samples / size > MIN_SLOTS ? n_samples / size : MIN_SLOTS, size};
}

void process_on_gpus(process_run* run, const cuda_devices* devices)
{
  bulk b = {.run = run, .max_files = max_files(devices->n)};
  pthread_mutex_init(&b.shared.lock, NULL);
  pthread_cond_init(&b.shared.work, NULL);
  const bulk_limits most = limits(run->list->n_jobs, devices->n);
  for (size_t i = 0; i < devices->n; ++i) {
    bulk_engine* const e = bulk_engine_start(run, &b.shared, devices, i, &most);
    if (e) {
      b.engines[b.n_engines++] = e;
    }
  }
  // Two threads for a file at most: one reads it, one writes it
  const size_t n_useful = 2 * run->list->n_jobs;
  crew_run(run->n_jobs < n_useful ? run->n_jobs : n_useful, take_part, &b);
  for (size_t i = 0; i < b.n_engines; ++i) {
    bulk_engine_stop(b.engines[i]);
  }
  run->result.n_left = run->list->n_jobs - b.next;
  if (run->result.n_left && !interrupted()) {
    complain_plain("The GPU fails again and again: the rest is left");
  }
  pthread_cond_destroy(&b.shared.work);
  pthread_mutex_destroy(&b.shared.lock);
}

#define _GNU_SOURCE // sched_getaffinity(), NOLINT(bugprone-reserved-identifier)

#include "crew.h"

#include "interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/// How long a thread stays in a read or write after a signal
#define TICK_NS 100000000L

typedef struct {
  void (*work)(void* user);
  void*           user;
  pthread_mutex_t lock;
  pthread_cond_t  over;
  size_t          n_running;
} crew;

static void* member(void* user)
{
  crew* const c = (crew*)user;
  c->work(c->user);
  pthread_mutex_lock(&c->lock);
  --c->n_running;
  pthread_cond_signal(&c->over);
  pthread_mutex_unlock(&c->lock);
  return NULL;
}

/// Wait until all are done, passing on the signal that comes meanwhile
static void watch(crew* c, const pthread_t* threads, size_t n_threads)
{
  pthread_mutex_lock(&c->lock);
  while (c->n_running) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += TICK_NS;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    const int code = pthread_cond_timedwait(&c->over, &c->lock, &until);
    for (size_t i = 0; code == ETIMEDOUT && interrupted() && i < n_threads;
         ++i) {
      interrupt_thread(threads[i]);
    }
  }
  pthread_mutex_unlock(&c->lock);
}

void crew_run(size_t n_threads, void (*work)(void* user), void* user)
{
  crew             c = {.work = work, .user = user};
  pthread_t* const threads =
    n_threads > 1 ? (pthread_t*)calloc(n_threads, sizeof(pthread_t)) : NULL;
  if (!threads) {
    work(user);
    return;
  }
  pthread_mutex_init(&c.lock, NULL);
  pthread_cond_init(&c.over, NULL);

  size_t n_started = 0;
  pthread_mutex_lock(&c.lock);
  while (n_started < n_threads &&
         !pthread_create(&threads[n_started], NULL, member, &c)) {
    ++n_started;
  }
  c.n_running = n_started;
  pthread_mutex_unlock(&c.lock);
  if (!n_started) {
    work(user);
  }
  watch(&c, threads, n_started);
  for (size_t i = 0; i < n_started; ++i) {
    pthread_join(threads[i], NULL);
  }
  pthread_cond_destroy(&c.over);
  pthread_mutex_destroy(&c.lock);
  free(threads);
}

unsigned crew_processors(void)
{
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof(set), &set)) {
    return (unsigned)CPU_COUNT(&set);
  }
  const long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (unsigned)n : 1;
}

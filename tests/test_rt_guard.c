#define _GNU_SOURCE // madvise(), usleep(), syscall()

#include "rt_guard.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/// Called through this, so that no compiler can leave the calls out
static void* (*volatile planted_malloc)(size_t)                 = malloc;
static void* (*volatile planted_calloc)(size_t, size_t)         = calloc;
static void* (*volatile planted_realloc)(void*, size_t)         = realloc;
static void* (*volatile planted_aligned)(size_t, size_t)        = aligned_alloc;
static int (*volatile planted_fputs)(const char*, FILE*)        = fputs;
static int (*volatile planted_printf)(const char*, ...)         = printf;
static int (*volatile planted_fprintf)(FILE*, const char*, ...) = fprintf;

static void memory_is_seen(void** state)
{
  (void)state;
  rt_guard_enter();
  assert_int_equal(rt_guard_leave(), 0);
  assert_string_equal(rt_guard_last(), "");

  rt_guard_enter();
  void* memory = planted_malloc(10);
  memory       = planted_realloc(memory, 20);
  free(memory);
  free(planted_calloc(2, 10));
  free(planted_aligned(64, 64));
  const int refused = posix_memalign(&memory, 64, 64);
  assert_int_equal(rt_guard_leave(), 8);
  assert_int_equal(refused, 0);
  assert_string_equal(rt_guard_last(), "posix_memalign");
  free(memory);

  free(planted_malloc(10)); // Nobody is watching
  rt_guard_enter();
  assert_int_equal(rt_guard_leave(), 0);
}

/// Fail unless `call` is seen as `name`, once
#define CHECK_SEEN(name, call)                   \
  do {                                           \
    rt_guard_enter();                            \
    (void)!(call);                               \
    const unsigned n_seen = rt_guard_leave();    \
    assert_string_equal(rt_guard_last(), #name); \
    assert_int_equal(n_seen, 1);                 \
  } while (0)

static void maps_are_seen(void** state)
{
  (void)state;
  void*        map  = NULL;
  const size_t size = 4096;
  CHECK_SEEN(mmap, map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  assert_true(map != MAP_FAILED);
  CHECK_SEEN(mprotect, mprotect(map, size, PROT_READ));
  CHECK_SEEN(madvise, madvise(map, size, MADV_NORMAL));
  CHECK_SEEN(munmap, munmap(map, size));
}

static void* finish(void* user)
{
  return user;
}

static void locks_and_threads_are_seen(void** state)
{
  (void)state;
  pthread_mutex_t       mutex     = PTHREAD_MUTEX_INITIALIZER;
  pthread_rwlock_t      lock      = PTHREAD_RWLOCK_INITIALIZER;
  pthread_cond_t        condition = PTHREAD_COND_INITIALIZER;
  const struct timespec past      = {0, 0};
  CHECK_SEEN(pthread_mutex_lock, pthread_mutex_lock(&mutex));
  CHECK_SEEN(pthread_cond_timedwait,
             pthread_cond_timedwait(&condition, &mutex, &past));
  CHECK_SEEN(pthread_cond_signal, pthread_cond_signal(&condition));
  CHECK_SEEN(pthread_cond_broadcast, pthread_cond_broadcast(&condition));
  pthread_mutex_unlock(&mutex);
  CHECK_SEEN(pthread_rwlock_rdlock, pthread_rwlock_rdlock(&lock));
  pthread_rwlock_unlock(&lock);
  CHECK_SEEN(pthread_rwlock_wrlock, pthread_rwlock_wrlock(&lock));
  pthread_rwlock_unlock(&lock);

  sem_t semaphore;
  assert_int_equal(sem_init(&semaphore, 0, 0), 0);
  CHECK_SEEN(sem_post, sem_post(&semaphore));
  CHECK_SEEN(sem_wait, sem_wait(&semaphore));
  sem_destroy(&semaphore);

  pthread_t thread;
  rt_guard_enter();
  const int refused = pthread_create(&thread, NULL, finish, NULL);
  assert_true(rt_guard_leave() >= 1); // It may allocate as well
  assert_int_equal(refused, 0);
  rt_guard_enter();
  pthread_join(thread, NULL);
  assert_true(rt_guard_leave() >= 1);
}

typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t  condition;
  int             is_due;
} event;

static void* announce(void* user)
{
  event* const e = (event*)user;
  pthread_mutex_lock(&e->mutex);
  e->is_due = 1;
  pthread_cond_signal(&e->condition);
  pthread_mutex_unlock(&e->mutex);
  return NULL;
}

static void waits_are_seen(void** state)
{
  (void)state;
  event     e = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  pthread_t thread;
  pthread_mutex_lock(&e.mutex);
  assert_int_equal(pthread_create(&thread, NULL, announce, &e), 0);
  rt_guard_enter();
  while (!e.is_due) {
    pthread_cond_wait(&e.condition, &e.mutex);
  }
  assert_true(rt_guard_leave() >= 1);
  assert_string_equal(rt_guard_last(), "pthread_cond_wait");
  pthread_mutex_unlock(&e.mutex);
  pthread_join(thread, NULL);

  const struct timespec moment = {0, 1};
  struct timeval        none   = {0, 0};
  CHECK_SEEN(nanosleep, nanosleep(&moment, NULL));
  CHECK_SEEN(clock_nanosleep,
             clock_nanosleep(CLOCK_REALTIME, 0, &moment, NULL));
  CHECK_SEEN(usleep, usleep(1));
  CHECK_SEEN(sched_yield, sched_yield());
  CHECK_SEEN(poll, poll(NULL, 0, 0));
  CHECK_SEEN(select, select(0, NULL, NULL, NULL, &none));
}

static void files_are_seen(void** state)
{
  (void)state;
  char         c    = 'x';
  int          fd   = -1;
  struct iovec part = {&c, 1};
  int          size = 0;
  CHECK_SEEN(open, fd = open("/dev/null", O_RDWR));
  assert_true(fd >= 0);
  CHECK_SEEN(write, write(fd, &c, 1));
  CHECK_SEEN(writev, writev(fd, &part, 1));
  CHECK_SEEN(read, read(fd, &c, 1));
  CHECK_SEEN(lseek, lseek(fd, 0, SEEK_SET));
  CHECK_SEEN(ioctl, ioctl(fd, FIONREAD, &size));
  CHECK_SEEN(close, close(fd));
  CHECK_SEEN(openat, fd = openat(AT_FDCWD, "/dev/null", O_RDONLY));
  close(fd);
  CHECK_SEEN(syscall, syscall(SYS_getpid));
  assert_int_equal(syscall(SYS_getpid), getpid());
}

static void streams_of_the_c_library_are_seen(void** state)
{
  (void)state;
  char        c    = 'x';
  FILE* const file = fopen("/dev/null", "r+");
  assert_non_null(file);
  fputs("makes the buffer", file);
  CHECK_SEEN(fputs, planted_fputs("text", file));
  CHECK_SEEN(fflush, fflush(file));
  CHECK_SEEN(fwrite, fwrite(&c, 1, 1, file));
  fflush(file);
  CHECK_SEEN(fread, fread(&c, 1, 1, file));
  CHECK_SEEN(puts, puts("The guard watches puts()"));
  rt_guard_enter();
  planted_fprintf(file, "%d", 1);
  planted_printf("The guard watches %s\n", "printf()");
  assert_int_equal(rt_guard_leave(), 4); // And vfprintf() for each
  rt_guard_enter();
  fclose(file);
  assert_true(rt_guard_leave() >= 1);
  rt_guard_enter();
  FILE* const none = fopen("/nowhere/at/all", "r");
  assert_true(rt_guard_leave() >= 1);
  assert_null(none);
}

static void* call_elsewhere(void* user)
{
  free(planted_malloc(10));
  atomic_store((atomic_bool*)user, true);
  return NULL;
}

static void other_threads_do_not_count(void** state)
{
  (void)state;
  pthread_t   thread;
  atomic_bool is_done = false;
  assert_int_equal(pthread_create(&thread, NULL, call_elsewhere, &is_done), 0);
  rt_guard_enter();
  while (!atomic_load(&is_done)) {
  }
  assert_int_equal(rt_guard_leave(), 0);
  pthread_join(thread, NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(memory_is_seen),
    cmocka_unit_test(maps_are_seen),
    cmocka_unit_test(locks_and_threads_are_seen),
    cmocka_unit_test(waits_are_seen),
    cmocka_unit_test(files_are_seen),
    cmocka_unit_test(streams_of_the_c_library_are_seen),
    cmocka_unit_test(other_threads_do_not_count)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

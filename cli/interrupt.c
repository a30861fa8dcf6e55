#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_int caught = 0;

static void on_signal(int number)
{
  caught = number;
}

void interrupt_catch(void)
{
  static const int ends[]    = {SIGINT, SIGTERM, SIGHUP};
  static const int ignored[] = {SIGPIPE, SIGXFSZ};

  // Without SA_RESTART, so that a blocking read or write returns
  struct sigaction action = {0};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); ++i) {
    // One that is ignored from the start (nohup) stays ignored
    struct sigaction before;
    sigaction(ends[i], NULL, &before);
    if (before.sa_handler != SIG_IGN) {
      action.sa_handler = on_signal;
      sigaction(ends[i], &action, NULL);
    }
  }
  action.sa_handler = SIG_IGN;
  for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); ++i) {
    sigaction(ignored[i], &action, NULL);
  }
}

bool interrupted(void)
{
  return caught != 0;
}

void interrupt_thread(pthread_t thread)
{
  pthread_kill(thread, caught);
}

void interrupt_end(void)
{
  const int number = caught;
  signal(number, SIG_DFL);
  raise(number);
}

#include "patience.h"

#include "command.h"
#include "interrupt.h"
#include "report.h"
#include "terminal.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/// Time to end properly after a signal
#define INTERRUPTED_S 2

static volatile sig_atomic_t seconds_left = 0;
static volatile sig_atomic_t waited       = 0;
static volatile sig_atomic_t is_silent    = 0;

static void on_second(int number)
{
  (void)number;
  waited += 1;
  seconds_left -= 1;
  if (interrupted() && waited >= INTERRUPTED_S) {
    terminal_close();
    interrupt_end();
  }
  if (seconds_left <= 0) {
    terminal_close();
    if (!is_silent) {
      complain_urgently("The sound system does not answer");
    }
    _exit(COMMAND_FAILED);
  }
  alarm(1);
}

void patience_begin(unsigned seconds, bool silent)
{
  struct sigaction action = {0};
  sigemptyset(&action.sa_mask);
  action.sa_handler = on_second;
  action.sa_flags   = SA_RESTART;
  sigaction(SIGALRM, &action, NULL);
  waited       = 0;
  is_silent    = silent;
  seconds_left = (sig_atomic_t)seconds;
  alarm(1);
}

void patience_end(void)
{
  alarm(0);
}

#include "terminal.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

/// Longest wait between the bytes of one key
#define SEQUENCE_MS 20

static struct termios        before;
static volatile sig_atomic_t is_open = 0;

void terminal_close(void)
{
  if (is_open) {
    is_open = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
  }
}

/// On a signal that nobody else handles; its default action follows
static void on_crash(int number)
{
  terminal_close();
  raise(number);
}

static void catch_crashes(void)
{
  static const int numbers[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS,
                                SIGFPE,  SIGILL,  SIGUSR1, SIGUSR2};
  struct sigaction action    = {0};
  sigemptyset(&action.sa_mask);
  action.sa_handler = on_crash;
  action.sa_flags   = (int)SA_RESETHAND;
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
    sigaction(numbers[i], &action, NULL);
  }
}

bool terminal_open(void)
{
  if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
      tcgetattr(STDIN_FILENO, &before)) {
    return false;
  }
  struct termios keys = before;
  keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  keys.c_cc[VMIN]  = 0;
  keys.c_cc[VTIME] = 0;
  // Audio cannot be suspended
  keys.c_cc[VSUSP] = _POSIX_VDISABLE;
  catch_crashes();
  is_open = 1;
  if (tcsetattr(STDIN_FILENO, TCSADRAIN, &keys)) {
    is_open = 0;
  }
  return is_open != 0;
}

/// Return the next byte, or KEY_NONE if none comes in time
static int read_byte(int timeout_ms)
{
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  unsigned char byte  = 0;
  if (poll(&input, 1, timeout_ms) <= 0) {
    return KEY_NONE;
  }
  if (read(STDIN_FILENO, &byte, 1) != 1) {
    terminal_close(); // It is gone
    return KEY_NONE;
  }
  return byte;
}

int terminal_key(int timeout_ms)
{
  if (!is_open) {
    poll(NULL, 0, timeout_ms);
    return KEY_NONE;
  }
  const int key = read_byte(timeout_ms);
  if (key != '\033') {
    return key;
  }
  // Escape, then [ or O, then a letter, maybe after numbers
  const int second = read_byte(SEQUENCE_MS);
  if (second != '[' && second != 'O') {
    return KEY_NONE;
  }
  int last = read_byte(SEQUENCE_MS);
  while ((last >= '0' && last <= '9') || last == ';') {
    last = read_byte(SEQUENCE_MS);
  }
  return last == 'A' ? KEY_UP : last == 'B' ? KEY_DOWN : KEY_NONE;
}

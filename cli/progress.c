#include "progress.h"

#include "report.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/// Write a duration as m:ss or h:mm:ss
static void format_duration(char* text, size_t size, double seconds)
{
  const unsigned long total   = (unsigned long)(seconds + 0.5);
  const unsigned long hours   = total / 3600;
  const unsigned long minutes = total / 60 % 60;
  if (hours) {
    snprintf(text, size, "%lu:%02lu:%02lu", hours, minutes, total % 60);
  } else {
    snprintf(text, size, "%lu:%02lu", minutes, total % 60);
  }
}

void progress_start(progress* p, size_t n_files, bool quiet)
{
  memset(p, 0, sizeof(*p));
  p->n_files = n_files;
  p->shown   = !quiet && isatty(STDERR_FILENO);
  p->start_s = now_s();
}

void progress_file(progress*   p,
                   const char* label,
                   double      rate_hz,
                   uint64_t    n_frames)
{
  p->label        = label;
  p->rate_hz      = rate_hz;
  p->n_frames     = n_frames;
  p->at_frame     = 0;
  p->file_start_s = now_s();
  p->update_s     = 0.0;
}

/// Return the end of a label: at most `max_bytes`, of whole characters
static const char* label_tail(const char* label, size_t max_bytes)
{
  const size_t length = strlen(label);
  const char*  tail   = length > max_bytes ? label + length - max_bytes : label;
  while ((*tail & 0xC0) == 0x80) {
    ++tail;
  }
  return tail;
}

static size_t terminal_width(void)
{
  struct winsize size;
  return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col
                                                                 : 80;
}

static void show(const progress* p, double elapsed_s)
{
  char         numbers[96];
  const double audio_s = (double)p->at_frame / p->rate_hz;
  const double speed   = audio_s / elapsed_s;
  if (p->n_frames) {
    char         left[32];
    const double done = (double)p->at_frame / (double)p->n_frames;
    format_duration(left, sizeof(left), elapsed_s * (1.0 - done) / done);
    snprintf(numbers, sizeof(numbers), "%3.0f %%  %.1fx realtime  %s left",
             100.0 * done, speed, left);
  } else {
    char length[32];
    format_duration(length, sizeof(length), audio_s);
    snprintf(numbers, sizeof(numbers), "%s  %.1fx realtime", length, speed);
  }

  char count[48] = "";
  if (p->n_files > 1) {
    snprintf(count, sizeof(count), "[%zu/%zu] ", p->n_done + 1, p->n_files);
  }
  const size_t taken = strlen(count) + strlen(numbers) + 3;
  const size_t width = terminal_width();
  const size_t room  = width > taken + 8 ? width - taken : 8;
  char         line[1024];
  snprintf(line, sizeof(line), "%s%s  %s", count,
           label_tail(p->label, room < 512 ? room : 512), numbers);
  status_show(line);
}

void progress_add(progress* p, size_t n_frames)
{
  p->at_frame += n_frames;
  if (!p->shown || !p->at_frame) {
    return;
  }
  const double now = now_s();
  if (now - p->update_s >= 0.1 && now > p->file_start_s) {
    p->update_s = now;
    show(p, now - p->file_start_s);
  }
}

void progress_file_end(progress* p, bool ok)
{
  if (ok && p->rate_hz > 0.0) {
    p->audio_s += (double)p->at_frame / p->rate_hz;
  }
  p->rate_hz = 0.0;
  p->n_failed += !ok;
  ++p->n_done;
}

void progress_end(progress* p)
{
  status_clear();
  if (!p->shown || p->n_files < 2) {
    return;
  }
  char         audio[32];
  char         taken[32];
  const double elapsed_s = now_s() - p->start_s;
  format_duration(audio, sizeof(audio), p->audio_s);
  format_duration(taken, sizeof(taken), elapsed_s);
  fprintf(stderr,
          "%zu files done, %zu failed: %s of audio in %s, %.1fx realtime\n",
          p->n_done - p->n_failed, p->n_failed, audio, taken,
          elapsed_s > 0.0 ? p->audio_s / elapsed_s : 0.0);
}

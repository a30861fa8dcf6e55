#include "progress.h"

#include "clock.h"
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void format_duration(char* text, size_t size, double seconds)
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

void progress_start(progress* p, size_t n_files, uint64_t n_bytes, bool quiet)
{
  memset(p, 0, sizeof(*p));
  pthread_mutex_init(&p->lock, NULL);
  p->n_files = n_files;
  p->n_bytes = (double)n_bytes;
  p->shown   = !quiet && isatty(STDERR_FILENO);
  p->start_s = clock_now_s();
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

static void show(const progress* p, const progress_file* file, double elapsed_s)
{
  char         numbers[96];
  const double speed = p->audio_s / elapsed_s;
  if (p->n_bytes > 0.0 && p->bytes > 0.0) {
    char         left[32];
    const double done = fmin(p->bytes / p->n_bytes, 1.0);
    format_duration(left, sizeof(left), elapsed_s * (1.0 - done) / done);
    snprintf(numbers, sizeof(numbers), "%3.0f %%  %.1fx realtime  %s left",
             100.0 * done, speed, left);
  } else {
    char length[32];
    format_duration(length, sizeof(length), p->audio_s);
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
           label_tail(file->label, room < 512 ? room : 512), numbers);
  status_show(line);
}

void progress_file_start(progress*      p,
                         progress_file* file,
                         const char*    label,
                         double         rate_hz,
                         uint64_t       n_frames,
                         uint64_t       n_bytes)
{
  *file = (progress_file){.label    = label,
                          .rate_hz  = rate_hz,
                          .n_frames = n_frames,
                          .n_bytes  = (double)n_bytes};
  if (p->n_files == 1) {
    // Of one file the frames are enough
    file->n_bytes = 1.0;
    p->n_bytes    = n_frames ? 1.0 : 0.0;
  }
}

void progress_add(progress* p, progress_file* file, size_t n_frames)
{
  pthread_mutex_lock(&p->lock);
  file->at_frame += n_frames;
  p->audio_s += (double)n_frames / file->rate_hz;
  if (file->n_frames) {
    const double part = (double)n_frames / (double)file->n_frames;
    const double bytes =
      fmin(part * file->n_bytes, file->n_bytes - file->bytes);
    file->bytes += bytes;
    p->bytes += bytes;
  }
  const double now = clock_now_s();
  if (p->shown && now - p->update_s >= 0.1 && now > p->start_s) {
    p->update_s = now;
    show(p, file, now - p->start_s);
  }
  pthread_mutex_unlock(&p->lock);
}

void progress_file_end(progress* p, const progress_file* file)
{
  pthread_mutex_lock(&p->lock);
  p->bytes += file->n_bytes - file->bytes;
  ++p->n_done;
  pthread_mutex_unlock(&p->lock);
}

void progress_end(progress* p)
{
  status_clear();
  pthread_mutex_destroy(&p->lock);
}

#include "live_screen.h"

#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/// What a meter shows, in dB below full scale
#define METER_DB 60.0
#define METER_WIDTH 12

/// Widths of a terminal: if it does not tell, and from which on meters fit
#define DEFAULT_COLUMNS 80
#define METER_COLUMNS 110

static int columns(void)
{
  struct winsize size;
  return ioctl(STDIN_FILENO, TIOCGWINSZ, &size) || !size.ws_col
           ? DEFAULT_COLUMNS
           : size.ws_col;
}

/// Write "-12.3" and, if asked, a bar; silence is "-inf"
static void format_level(char* text, size_t size, double peak, bool has_bar)
{
  const double db = 20.0 * log10(peak);
  int          n  = snprintf(text, size, peak > 0.0 ? "%5.1f" : " -inf", db);
  if (has_bar) {
    char         bar[METER_WIDTH + 1];
    const double share = peak > 0.0 ? 1.0 + db / METER_DB : 0.0;
    for (int i = 0; i < METER_WIDTH; ++i) {
      bar[i] = share * METER_WIDTH > i ? '#' : '.';
    }
    bar[METER_WIDTH] = '\0';
    snprintf(text + n, size - (size_t)n, " %s", bar);
  }
}

void live_screen_update(const live_state* state, const live_reading* reading)
{
  if (state->quiet || !report_is_seen()) {
    return;
  }
  const int  width   = columns();
  const bool has_bar = width >= METER_COLUMNS;
  char       in[48];
  char       out[48];
  char       line[256];
  format_level(in, sizeof(in), (double)reading->peak_in, has_bar);
  format_level(out, sizeof(out), (double)reading->peak_out, has_bar);
  snprintf(line, sizeof(line),
           "in %s out %s dB  -%4.1f dB  %s %.2f%s  %.0f ms  cpu %.0f%%  "
           "xruns %llu",
           in, out, state->reduction_db, state->voice, state->strength,
           state->bypassed ? " bypassed" : "", 1e3 * state->latency_s,
           1e2 * reading->load,
           (unsigned long long)live_interruptions(reading));
  if (width > 1 && (size_t)width <= strlen(line)) {
    line[width - 1] = '\0';
  }
  status_show(line);
}

void live_screen_help(const char* const* voices, size_t n_voices)
{
  report_line("  up, down, +, -  strength      b  bypass on, off");
  report_line("  n, p, number    other model   q  quit");
  for (size_t i = 0; i < n_voices; ++i) {
    char line[160];
    snprintf(line, sizeof(line), "  %zu  %s", i + 1, voices[i]);
    report_line(line);
  }
}

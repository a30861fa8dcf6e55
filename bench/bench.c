#include "bench.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bench_misused(const char* usage)
{
  fputs(usage, stderr);
  return 2;
}

/// Put a value where it belongs
static void set_option(const bench_option* option, const char* value)
{
  if (option->flag) {
    *option->flag = true;
  } else if (option->text) {
    *option->text = value;
  } else if (option->count) {
    *option->count = (size_t)strtoul(value, NULL, 10);
  } else {
    *option->number = strtod(value, NULL);
  }
}

int bench_read_options(int                 argc,
                       char**              argv,
                       const char*         usage,
                       const bench_option* options,
                       size_t              n_options)
{
  struct option known[BENCH_OPTIONS + 2]       = {{0}};
  char          letters[2 * BENCH_OPTIONS + 2] = "h";
  char*         at                             = letters + 1;
  for (size_t i = 0; i < n_options; ++i) {
    const bool is_flag = options[i].flag;
    known[i]           = (struct option){options[i].name,
                               is_flag ? no_argument : required_argument, NULL,
                                         options[i].letter};
    *at++              = options[i].letter;
    if (!is_flag) {
      *at++ = ':';
    }
  }
  known[n_options] = (struct option){"help", no_argument, NULL, 'h'};
  int letter       = 0;
  while ((letter = getopt_long(argc, argv, letters, known, NULL)) >= 0) {
    size_t i = 0;
    while (i < n_options && options[i].letter != letter) {
      ++i;
    }
    if (letter == 'h') {
      fputs(usage, stdout);
      return 1;
    }
    if (i == n_options) {
      return bench_misused(usage);
    }
    set_option(&options[i], optarg);
  }
  return optind < argc ? bench_misused(usage) : 0;
}

double bench_seconds(clockid_t clock)
{
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_clock_cost(clockid_t clock)
{
  enum { N_READS = 100000 };
  const double start = bench_seconds(clock);
  for (unsigned i = 0; i < N_READS; ++i) {
    bench_seconds(clock);
  }
  return (bench_seconds(clock) - start) / N_READS;
}

double bench_stolen_seconds(void)
{
  char        line[512] = "";
  double      ticks     = 0.0;
  FILE* const file      = fopen("/proc/stat", "r");
  if (file) {
    // cpu user nice system idle iowait irq softirq steal
    if (fgets(line, sizeof line, file)) {
      const char* at  = line + 3;
      char*       end = NULL;
      for (unsigned i = 0; i < 8; ++i, at = end) {
        ticks = strtod(at, &end);
      }
    }
    fclose(file);
  }
  return ticks / (double)sysconf(_SC_CLK_TCK);
}

long bench_resident_kib(void)
{
  long  kib  = 0;
  FILE* file = fopen("/proc/self/status", "r");
  if (file) {
    char line[256];
    while (fgets(line, sizeof line, file)) {
      if (!strncmp(line, "VmRSS:", 6)) {
        kib = strtol(line + 6, NULL, 10);
      }
    }
    fclose(file);
  }
  return kib;
}

void bench_signal(float* signal, size_t n_frames, double rate_hz)
{
  uint32_t random = 1;
  for (size_t i = 0; i < n_frames; ++i) {
    const double t     = (double)i / rate_hz;
    const double level = sin(6.283185307 * 1.5 * t) > 0 ? 0.3 : 0.0;
    random             = random * 1664525U + 1013904223U;
    const double noise = (double)random / 4294967296.0 - 0.5;
    signal[i] = (float)(level * sin(6.283185307 * 220 * t) + 0.1 * noise);
  }
}

int bench_compare(const void* a, const void* b)
{
  const float x = *(const float*)a;
  const float y = *(const float*)b;
  return (x > y) - (x < y);
}

maudio_status bench_open(const char*    preset,
                         const char*    file,
                         maudio_model** model,
                         maudio_error*  error)
{
  char          path[4096];
  maudio_status status = MAUDIO_SUCCESS;
  if (preset) {
    status = maudio_preset_find(preset, path, sizeof path, error);
  }
  return status ? status
                : maudio_model_open(preset ? path : file, model, error);
}

#include "summary.h"

#include "clock.h"
#include "progress.h"
#include "report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void summary_start(summary* s)
{
  memset(s, 0, sizeof(*s));
  pthread_mutex_init(&s->lock, NULL);
  s->start_s = clock_now_s();
}

void summary_clear(summary* s)
{
  failures_clear(&s->failures);
  pthread_mutex_destroy(&s->lock);
}

void summary_done(summary* s, double audio_s)
{
  pthread_mutex_lock(&s->lock);
  ++s->n_done;
  s->audio_s += audio_s;
  pthread_mutex_unlock(&s->lock);
}

void summary_failed(summary* s, const char* path)
{
  pthread_mutex_lock(&s->lock);
  failures_add(&s->failures, path);
  pthread_mutex_unlock(&s->lock);
}

void summary_add_times(summary* s, const stage_times* times)
{
  pthread_mutex_lock(&s->lock);
  s->times.decode_s += times->decode_s;
  s->times.compute_s += times->compute_s;
  s->times.encode_s += times->encode_s;
  pthread_mutex_unlock(&s->lock);
}

void summary_show(const summary* s)
{
  char         audio[32];
  char         taken[32];
  char         skipped[64] = "";
  char         line[512];
  const double elapsed_s = clock_now_s() - s->start_s;
  format_duration(audio, sizeof(audio), s->audio_s);
  format_duration(taken, sizeof(taken), elapsed_s);
  if (s->n_skipped) {
    snprintf(skipped, sizeof(skipped), " (%zu more were done before)",
             s->n_skipped);
  }
  snprintf(line, sizeof(line),
           "%zu files done%s, %zu failed: %s of audio in %s, %.1fx realtime "
           "on %s",
           s->n_done, skipped, s->failures.n, audio, taken,
           elapsed_s > 0.0 ? s->audio_s / elapsed_s : 0.0, s->device);
  report_line(line);
}

/// Return what took longest, for what there is of it
static const char* bottleneck(const summary* s, double elapsed_s)
{
  const stage_times* const t = &s->times;
  const char* const slower   = t->decode_s > t->encode_s ? "decode" : "encode";
  if (!s->n_gpus) {
    return t->compute_s > t->decode_s && t->compute_s > t->encode_s ? "compute"
                                                                    : slower;
  }
  const double cpu = (t->decode_s + t->encode_s) / (s->n_jobs * elapsed_s);
  const double gpu = t->compute_s / (s->n_gpus * elapsed_s);
  return gpu > cpu ? "compute" : slower;
}

/// Return a string, with a mark for each byte that is no UTF-8
static json_t* text(const char* bytes)
{
  json_t* value = json_string(bytes);
  char*   copy  = value ? NULL : strdup(bytes);
  for (char* byte = copy; byte && *byte; ++byte) {
    *byte = *byte & 0x80 ? '?' : *byte;
  }
  if (copy) {
    value = json_string(copy);
  }
  free(copy);
  return value;
}

bool summary_print_json(const summary* s, bool was_interrupted)
{
  json_t* const failed = json_array();
  for (size_t i = 0; i < s->failures.n_items; ++i) {
    const failure* const item = &s->failures.items[i];
    json_array_append_new(failed, json_pack("{so so}", "file", text(item->path),
                                            "reason", text(item->reason)));
  }
  const double  wall_s = clock_now_s() - s->start_s;
  json_t* const root   = json_pack(
      "{sI sI sI sI so sb sf sf sf so ss si sf sf sf ss}", "files_done",
      (json_int_t)s->n_done, "files_failed", (json_int_t)s->failures.n,
      "files_skipped", (json_int_t)s->n_skipped, "files_left",
      (json_int_t)s->n_left, "failed", failed, "interrupted",
      (int)was_interrupted, "audio_s", s->audio_s, "wall_s", wall_s, "realtime",
    wall_s > 0.0 ? s->audio_s / wall_s : 0.0, "device", text(s->device),
      "precision", s->precision, "jobs", (int)s->n_jobs, "decode_s",
      s->times.decode_s, "compute_s", s->times.compute_s, "encode_s",
      s->times.encode_s, "bottleneck", bottleneck(s, wall_s));
  const bool ok = root && !json_dumpf(root, stdout, JSON_REAL_PRECISION(9));
  json_decref(root);
  return ok && putchar('\n') == '\n' && !fflush(stdout);
}

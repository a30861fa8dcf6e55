#include "crew.h"
#include "denoise.h"
#include "interrupt.h"
#include "process_run.h"
#include "report.h"

#include <stdatomic.h>

typedef struct {
  process_run*  run;
  atomic_size_t next; ///< Job to take
} shared_work;

static void convert(process_run* run, const job* work, stage_times* times)
{
  conversion c;
  bool       ok =
    conversion_open(&c, work, run->list->folder, DENOISE_BLOCK, &run->shown);
  if (ok) {
    ok = denoise(&run->settings, &c.input, &c.writer, &run->shown, &c.shown,
                 times);
    ok = conversion_close(&c, ok);
  }
  progress_file_end(&run->shown, &c.shown);
  if (ok) {
    summary_done(&run->result, conversion_audio_s(&c));
  } else if (!interrupted()) {
    summary_failed(&run->result, input_label(work->in));
  }
}

static void take_part(void* user)
{
  shared_work* const shared = (shared_work*)user;
  process_run* const run    = shared->run;
  stage_times        times  = {0};
  size_t             i      = 0;
  while (!interrupted() &&
         (i = atomic_fetch_add(&shared->next, 1)) < run->list->n_jobs) {
    convert(run, &run->list->jobs[i], &times);
  }
  summary_add_times(&run->result, &times);
}

void process_on_cpu(process_run* run)
{
  shared_work  shared = {.run = run};
  const size_t n_jobs = run->list->n_jobs;
  crew_run(run->n_jobs < n_jobs ? run->n_jobs : n_jobs, take_part, &shared);
}

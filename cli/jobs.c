#include "jobs.h"

#include "audio_format.h"
#include "command.h"
#include "options.h"
#include "report.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char verb[] = "process";

/// The folders that outputs go to
typedef struct {
  const char* path;
  dev_t       device; ///< With `inode`: who it is, if it exists
  ino_t       inode;
  bool        exists;
  bool        recursive;
} target_folder;

static bool is_folder(const char* path)
{
  struct stat info;
  return !stat(path, &info) && S_ISDIR(info.st_mode);
}

static const char* last_part(const char* path)
{
  const char* const slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/// Join the first `length` bytes of a string and two more, to be freed, or NULL
static char* concatenate(const char* first,
                         size_t      length,
                         const char* second,
                         const char* third)
{
  const size_t size = length + strlen(second) + strlen(third) + 1;
  char* const  text = (char*)malloc(size);
  if (text) {
    snprintf(text, size, "%.*s%s%s", (int)length, first, second, third);
  }
  return text;
}

/// Join a folder and a name, to be freed, or NULL
static char* join(const char* folder, const char* name)
{
  const size_t length = strlen(folder);
  const bool   ends   = length && folder[length - 1] == '/';
  return concatenate(folder, length, ends ? "" : "/", name);
}

static bool no_memory(void)
{
  return complain_plain("No memory to list the files");
}

/// Add a job, which takes `out` over; complain and return false on error
static bool add(job_list* list, const char* in, char* out)
{
  if (list->n_jobs == list->capacity) {
    const size_t capacity = list->capacity ? 2 * list->capacity : 64;
    job* const   jobs     = (job*)realloc(list->jobs, capacity * sizeof(job));
    if (!jobs) {
      free(out);
      return no_memory();
    }
    list->jobs     = jobs;
    list->capacity = capacity;
  }
  char* const copy = strdup(in);
  if (!copy || !out) {
    free(copy);
    free(out);
    return no_memory();
  }
  list->jobs[list->n_jobs].in      = copy;
  list->jobs[list->n_jobs].out     = out;
  list->jobs[list->n_jobs].n_bytes = 0;
  ++list->n_jobs;
  return true;
}

static bool add_folder(job_list*            list,
                       const char*          folder,
                       const char*          out,
                       const target_folder* target);

/// Add one entry of a folder, if it is audio or a folder to go into
static bool add_entry(job_list*            list,
                      const char*          in,
                      const char*          out,
                      const target_folder* target)
{
  struct stat link;
  struct stat info;
  if (lstat(in, &link) || stat(in, &info)) {
    return true;
  }
  if (S_ISDIR(info.st_mode)) {
    // Neither in circles, nor over what we have made before
    const bool enters = target->recursive && !S_ISLNK(link.st_mode) &&
                        !(target->exists && info.st_dev == target->device &&
                          info.st_ino == target->inode);
    return !enters || add_folder(list, in, out, target);
  }
  return !S_ISREG(info.st_mode) || !audio_format_is_known(in) ||
         add(list, in, strdup(out));
}

static bool add_folder(job_list*            list,
                       const char*          folder,
                       const char*          out,
                       const target_folder* target)
{
  struct dirent** entries   = NULL;
  const int       n_entries = scandir(folder, &entries, NULL, alphasort);
  if (n_entries < 0) {
    complain(folder, "%s", strerror(errno));
    failures_add(&list->failures, folder);
    return true;
  }

  bool ok = true;
  for (int i = 0; i < n_entries; ++i) {
    const char* const name = entries[i]->d_name;
    if (ok && name[0] != '.') {
      char* const in_path  = join(folder, name);
      char* const out_path = join(out, name);
      ok = in_path && out_path ? add_entry(list, in_path, out_path, target)
                               : no_memory();
      free(in_path);
      free(out_path);
    }
    free(entries[i]);
  }
  free(entries);
  return ok;
}

/// Add an input that was named, for a target folder; return an exit code
static int
add_named(job_list* list, const char* in, const target_folder* target)
{
  if (!strcmp(in, "-")) {
    return usage_error(verb,
                       "standard input needs an output file, %s is a "
                       "folder",
                       target->path);
  }
  if (!is_folder(in)) {
    return add(list, in, join(target->path, last_part(in))) ? COMMAND_OK
                                                            : COMMAND_FAILED;
  }
  const size_t before   = list->n_jobs;
  const size_t n_failed = list->failures.n;
  if (!add_folder(list, in, target->path, target)) {
    return COMMAND_FAILED;
  }
  if (list->n_jobs == before && list->failures.n == n_failed) {
    complain(in, "has no audio files%s",
             target->recursive ? "" : " directly in it");
    failures_add(&list->failures, in);
  }
  return COMMAND_OK;
}

static int compare_outputs(const void* a, const void* b)
{
  const job* const* const left  = (const job* const*)a;
  const job* const* const right = (const job* const*)b;
  return strcmp((*left)->out, (*right)->out);
}

/// Refuse two inputs that would become one output; return an exit code
static int check_distinct(const job_list* list)
{
  const job** const sorted =
    (const job**)malloc((list->n_jobs + 1) * sizeof(job*));
  if (!sorted) {
    no_memory();
    return COMMAND_FAILED;
  }
  for (size_t i = 0; i < list->n_jobs; ++i) {
    sorted[i] = &list->jobs[i];
  }
  qsort(sorted, list->n_jobs, sizeof(job*), compare_outputs);

  int code = COMMAND_OK;
  for (size_t i = 1; i < list->n_jobs && code == COMMAND_OK; ++i) {
    if (!strcmp(sorted[i - 1]->out, sorted[i]->out)) {
      code = usage_error(verb, "%s and %s would both become %s",
                         sorted[i - 1]->in, sorted[i]->in, sorted[i]->out);
    }
  }
  free(sorted);
  return code;
}

static int plan_below(job_list*    list,
                      char* const* inputs,
                      int          n_inputs,
                      const char*  out,
                      bool         recursive)
{
  target_folder target = {out, 0, 0, false, recursive};
  struct stat   info;
  if (!stat(out, &info)) {
    if (!S_ISDIR(info.st_mode)) {
      return usage_error(verb, "%s: is not a folder", out);
    }
    target.exists = true;
    target.device = info.st_dev;
    target.inode  = info.st_ino;
  }

  list->folder = out;
  for (int i = 0; i < n_inputs; ++i) {
    const int code = add_named(list, inputs[i], &target);
    if (code != COMMAND_OK) {
      return code;
    }
  }
  return check_distinct(list);
}

/// Return the name for what is made of `in` beside it: NAME-clean.EXT
static char* name_beside(const char* in)
{
  const char* const name = last_part(in);
  const char* const dot  = strrchr(name, '.');
  const size_t      stem = dot && dot != name ? (size_t)(dot - in) : strlen(in);
  return concatenate(in, stem, "-clean", in + stem);
}

static int plan_one(job_list* list, const char* in, const char* out)
{
  char* const path = out               ? strdup(out)
                     : strcmp(in, "-") ? name_beside(in)
                                       : strdup("-");
  return add(list, in, path) ? COMMAND_OK : COMMAND_FAILED;
}

int jobs_plan(job_list*    list,
              char* const* arguments,
              int          n_arguments,
              const char*  out,
              bool         recursive)
{
  int n_inputs = n_arguments;
  if (!n_inputs) {
    return usage_error(verb, "no input given");
  }
  if (!out && n_inputs == 2) {
    out = arguments[--n_inputs];
    if (is_folder(arguments[0])) {
      return usage_error(verb,
                         "%s: is a folder, give its output folder as "
                         "-o %s",
                         arguments[0], out);
    }
  }
  if (!out && n_inputs > 2) {
    return usage_error(verb, "several inputs need an output folder, -o DIR");
  }
  if (!out && is_folder(arguments[0])) {
    return usage_error(verb, "%s: is a folder, give an output folder, -o DIR",
                       arguments[0]);
  }
  if (out && !out[0]) {
    return usage_error(verb, "the name of the output is empty");
  }

  const bool below = out && (n_inputs > 1 || is_folder(arguments[0]) ||
                             is_folder(out) || !last_part(out)[0]);
  return below ? plan_below(list, arguments, n_inputs, out, recursive)
               : plan_one(list, arguments[0], out);
}

static int compare_sizes(const void* a, const void* b)
{
  const job* const left  = (const job*)a;
  const job* const right = (const job*)b;
  return left->n_bytes != right->n_bytes
           ? (left->n_bytes < right->n_bytes) - (left->n_bytes > right->n_bytes)
           : strcmp(left->out, right->out);
}

uint64_t jobs_sort(job_list* list)
{
  uint64_t n_bytes  = 0;
  bool     is_known = true;
  for (size_t i = 0; i < list->n_jobs; ++i) {
    struct stat info;
    job* const  work = &list->jobs[i];
    if (stat(work->in, &info)) {
      is_known = is_known && strcmp(work->in, "-") != 0;
    } else if (S_ISREG(info.st_mode)) {
      work->n_bytes = (uint64_t)info.st_size;
      n_bytes += work->n_bytes;
    } else {
      is_known = false;
    }
  }
  if (list->n_jobs > 1) {
    qsort(list->jobs, list->n_jobs, sizeof(job), compare_sizes);
  }
  return is_known ? n_bytes : 0;
}

bool jobs_make_folder(const char* out)
{
  char* const path = strdup(out);
  if (!path) {
    return no_memory();
  }
  bool ok = true;
  for (char* slash = strchr(path + 1, '/'); ok && slash;
       slash       = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(path, 0777) && !is_folder(path)) {
      ok = complain(path, "cannot be made a folder: %s", strerror(errno));
    }
    *slash = '/';
  }
  free(path);
  return ok;
}

void jobs_clear(job_list* list)
{
  for (size_t i = 0; i < list->n_jobs; ++i) {
    free(list->jobs[i].in);
    free(list->jobs[i].out);
  }
  free(list->jobs);
  failures_clear(&list->failures);
}

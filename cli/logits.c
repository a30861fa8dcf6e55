#include "command.h"
#include "interrupt.h"
#include "maudio.h"
#include "options.h"
#include "output.h"
#include "report.h"
#include "spool.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error \
    "logits are written as they are in memory, which has to be little-endian"
#endif

/// Steps of full attention unless asked for otherwise
#define MAX_FULL_CONTEXT 65536

static const char help[] =
  "Usage: maudio logits [OPTION]... MODEL IDS [OUT]\n"
  "Run a model of tokens and write the scores of the token after each one.\n"
  "\n"
  "MODEL is a Hugging Face folder, or its config.json. IDS has a token on "
  "each\n"
  "line, a whole number from 0. OUT gets as many rows of scores, one for each\n"
  "token the model knows: 32-bit floats, little endian, without a header.\n"
  "- is standard input or output.\n"
  "\n"
  "      --chunk=N     tokens of a call, 1 to 65536 (default 64); the scores\n"
  "                    are the same\n"
  "      --context=N   steps that attention looks back at, 1 to 16777216\n"
  "                    (default: all, up to 65536)\n"
  "  -h, --help        show this help\n"
  "\n"
  "Examples:\n"
  "  maudio logits mamba-130m-hf ids.txt logits.f32\n"
  "  seq 0 99 | maudio logits jamba - - | od -A d -t fF | head\n"
  "\n"
  "Exit status: 0 all done, 1 an input or output failed, 2 wrong usage.\n";

typedef struct {
  unsigned    chunk;
  unsigned    context; ///< 0: all
  const char* model;
  const char* ids;
  const char* out;
} logits_options;

/// The tokens of the input
typedef struct {
  uint32_t* ids;
  size_t    n;
  size_t    n_room;
} token_list;

static bool append(token_list* list, uint32_t id)
{
  if (list->n == list->n_room) {
    const size_t    n_room = list->n_room ? 2 * list->n_room : 1024;
    uint32_t* const ids =
      (uint32_t*)realloc(list->ids, n_room * sizeof(*list->ids));
    if (!ids) {
      return complain_plain("No memory for the tokens");
    }
    list->ids    = ids;
    list->n_room = n_room;
  }
  list->ids[list->n++] = id;
  return true;
}

/// Read the token on a line, which may end in blanks
static bool read_line(const char* label,
                      size_t      number,
                      char*       line,
                      uint32_t    n_vocab,
                      uint32_t*   id)
{
  size_t length = strlen(line);
  while (length && isspace((unsigned char)line[length - 1])) {
    line[--length] = '\0';
  }
  char*               end   = NULL;
  const unsigned long value = strtoul(line, &end, 10);
  if (!isdigit((unsigned char)line[0]) || *end || value >= n_vocab) {
    return complain(label, "line %zu: \"%.40s\" is not a token from 0 to %u",
                    number, line, n_vocab - 1);
  }
  *id = (uint32_t)value;
  return true;
}

static bool
read_tokens(const char* label, FILE* file, uint32_t n_vocab, token_list* list)
{
  char*  line = NULL;
  size_t size = 0;
  bool   ok   = true;
  for (size_t number = 1; ok; ++number) {
    errno = 0;
    if (getline(&line, &size, file) < 0) {
      ok = !interrupted() &&
           (feof(file) || complain(label, "%s", strerror(errno)));
      break;
    }
    uint32_t id = 0;
    ok = read_line(label, number, line, n_vocab, &id) && append(list, id);
  }
  free(line);
  return ok;
}

static bool open_tokens(const char* path, uint32_t n_vocab, token_list* list)
{
  const char* const label = input_label(path);
  if (!strcmp(path, "-")) {
    return read_tokens(label, stdin, n_vocab, list);
  }
  FILE* const file = fopen(path, "r");
  if (!file) {
    return complain(label, "%s", strerror(errno));
  }
  const bool ok = read_tokens(label, file, n_vocab, list);
  fclose(file);
  return ok;
}

/// Write the scores after every token
static bool run(maudio_sequence*  sequence,
                const token_list* list,
                size_t            chunk,
                size_t            n_vocab,
                const output*     out)
{
  float* const logits = (float*)calloc(chunk * n_vocab, sizeof(*logits));
  if (!logits) {
    return complain_plain("No memory for the scores; try a smaller --chunk");
  }
  bool ok = true;
  for (size_t at = 0; ok && at < list->n && !interrupted(); at += chunk) {
    const size_t left = list->n - at;
    const size_t n    = left < chunk ? left : chunk;
    ok = !maudio_sequence_step(sequence, n, list->ids + at, logits);
    if (ok && !write_all(out->fd, logits, n * n_vocab * sizeof(*logits))) {
      ok = interrupted() || complain(out->written, "%s", strerror(errno));
    }
  }
  free(logits);
  return ok && !interrupted();
}

/// Run the tokens through a sequence of their own into the output
static bool process(const logits_options* options,
                    const maudio_model*   model,
                    size_t                n_vocab,
                    const token_list*     list)
{
  const size_t all =
    list->n < MAX_FULL_CONTEXT ? (list->n ? list->n : 1) : MAX_FULL_CONTEXT;
  const size_t     context  = options->context ? options->context : all;
  maudio_sequence* sequence = NULL;
  maudio_error     error    = {MAUDIO_SUCCESS, ""};
  output           out;
  if (maudio_sequence_new(model, context, &sequence, &error)) {
    return complain_plain(error.message);
  }
  bool ok = output_open(&out, options->out, 0666);
  if (ok) {
    ok = run(sequence, list, options->chunk, n_vocab, &out);
    if (ok) {
      ok = output_commit(&out);
    } else {
      output_discard(&out);
    }
  }
  maudio_sequence_free(sequence);
  return ok;
}

static bool run_logits(const logits_options* options)
{
  maudio_model*     model = NULL;
  maudio_error      error = {MAUDIO_SUCCESS, ""};
  maudio_model_info info;
  token_list        list = {NULL, 0, 0};
  if (maudio_model_open(options->model, &model, &error)) {
    return complain_plain(error.message);
  }
  maudio_model_get_info(model, &info);
  bool ok = info.task == MAUDIO_TASK_TOKENS ||
            complain(options->model, "is not a model of tokens");
  ok = ok && open_tokens(options->ids, info.n_vocab, &list) &&
       process(options, model, info.n_vocab, &list);
  free(list.ids);
  maudio_model_free(model);
  return ok;
}

int command_logits(int argc, char** argv)
{
  static const struct option names[] = {
    {"chunk", required_argument, NULL, 'c'},
    {"context", required_argument, NULL, 'x'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0}};

  logits_options options = {.chunk = 64, .out = "-"};
  int            option  = 0;
  while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
    switch (option) {
    case 'c':
      if (!option_integer("--chunk", optarg, 1, 65536, &options.chunk)) {
        return usage_hint("logits");
      }
      break;
    case 'x':
      if (!option_integer("--context", optarg, 1, 1U << 24, &options.context)) {
        return usage_hint("logits");
      }
      break;
    case 'h':
      fputs(help, stdout);
      return COMMAND_OK;
    default:
      return usage_hint("logits");
    }
  }
  const int n = argc - optind;
  if (n < 2 || n > 3) {
    return usage_error("logits", n < 2
                                   ? "A model and a file of tokens are needed"
                                   : "Too many arguments");
  }
  options.model = argv[optind];
  options.ids   = argv[optind + 1];
  options.out   = n == 3 ? argv[optind + 2] : options.out;
  return run_logits(&options) ? COMMAND_OK : COMMAND_FAILED;
}

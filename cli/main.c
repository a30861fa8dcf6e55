#include "command.h"
#include "interrupt.h"
#include "maudio.h"
#include "report.h"

#include <errno.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const char* name;
  int (*run)(int argc, char** argv);
} verb;

static const verb verbs[] = {
  {"process", command_process}, {"stream", command_stream},
  {"live", command_live},       {"generate", command_generate},
  {"devices", command_devices}, {"info", command_info},
  {"logits", command_logits},   {"quantize", command_quantize},
};

static const char help[] =
  "Usage: maudio COMMAND [OPTION]... [ARGUMENT]...\n"
  "Remove noise from speech, and make up audio, with Mamba networks.\n"
  "\n"
  "Commands:\n"
  "  process   remove noise from audio files and folders of them\n"
  "  stream    remove noise from raw samples in a pipe, as they come\n"
  "  live      remove noise between an audio input and an output\n"
  "  generate  make up audio\n"
  "  devices   list the audio inputs and outputs\n"
  "  info      describe the presets and model files\n"
  "  logits    run a model of tokens, to compare it with its reference\n"
  "  quantize  make a model smaller, with weights of 8 bits\n"
  "\n"
  "Options:\n"
  "  -h, --help      show this help\n"
  "  -V, --version   show the version\n"
  "\n"
  "Examples:\n"
  "  maudio process in.wav out.wav\n"
  "  maudio process --help\n"
  "  maudio stream --rate 44100 <in.raw >out.raw\n"
  "  maudio live\n"
  "  maudio generate out.wav\n"
  "  maudio info\n"
  "\n"
  "Exit status: 0 all done, 1 some input or output failed, 2 wrong usage.\n";

static int show_version(void)
{
  printf("maudio %s\n%s kernels, %s\n", maudio_version(), maudio_kernels_name(),
         sf_version_string());
  return COMMAND_OK;
}

static int dispatch(int argc, char** argv)
{
  if (argc < 2) {
    fputs(help, stderr);
    return COMMAND_USAGE;
  }
  const char* const first = argv[1];
  if (!strcmp(first, "--help") || !strcmp(first, "-h")) {
    fputs(help, stdout);
    return COMMAND_OK;
  }
  if (!strcmp(first, "--version") || !strcmp(first, "-V")) {
    return show_version();
  }
  for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); ++i) {
    if (!strcmp(first, verbs[i].name)) {
      static char program[] = "maudio"; // what getopt_long() complains as
      argv[1]               = program;
      return verbs[i].run(argc - 1, argv + 1);
    }
  }
  complain(first, "no such command");
  fputs("Try 'maudio --help'.\n", stderr);
  return COMMAND_USAGE;
}

int main(int argc, char** argv)
{
  interrupt_catch();
  const int code = dispatch(argc, argv);
  if (interrupted()) {
    interrupt_end();
  }
  if (fflush(stdout) || ferror(stdout)) {
    complain("standard output", "%s", strerror(errno));
    return COMMAND_FAILED;
  }
  return code;
}

#include "command.h"
#include "report.h"

static int refuse(void)
{
  complain_plain("This build has no PortAudio, so it cannot use audio devices");
  return COMMAND_FAILED;
}

int command_live(int argc, char** argv)
{
  (void)argc;
  (void)argv;
  return refuse();
}

int command_devices(int argc, char** argv)
{
  (void)argc;
  (void)argv;
  return refuse();
}

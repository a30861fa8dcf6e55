/** @file
 * A program that uses an installed libmaudio, through pkg-config.
 */
#include <maudio.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
  if (strcmp(maudio_version(), MAUDIO_VERSION) != 0) {
    fprintf(stderr, "Library %s, header " MAUDIO_VERSION "\n",
            maudio_version());
    return 1;
  }
  maudio_model* model = NULL;
  maudio_error  error;
  if (maudio_model_open("/nonexistent", &model, &error) !=
      MAUDIO_ERR_NOT_FOUND) {
    fprintf(stderr, "A file that is not there was opened\n");
    return 1;
  }
  printf("%s\n", error.message);
  return 0;
}

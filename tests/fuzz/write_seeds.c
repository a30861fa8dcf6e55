/** @file
 * Write small valid models for fuzz_model to start from: one per mixer, one
 * with a filter, one without latency and a generator.
 */
#include "maudio.h"
#include "model_builder.h"

#include <stdio.h>
#include <stdlib.h>

static const char* const mixers[] = {
  "{\"mixer\":\"mamba2\",\"d_inner\":4,\"d_state\":2,\"headdim\":2}",
  "{\"mixer\":\"mamba\",\"d_inner\":2,\"d_state\":2,\"dt_rank\":1}",
  "{\"mixer\":\"band_mlp\",\"d_hidden\":3}",
};

static bool append(const void* data, size_t size, void* user)
{
  return fwrite(data, 1, size, (FILE*)user) == size;
}

/// Write a model with its weights in int8 beside it
static int write_int8(const char* path)
{
  char to[1100];
  snprintf(to, sizeof to, "%s_int8", path);
  FILE* const          out = fopen(to, "wb");
  maudio_quantize_info info;
  const int written = out && !maudio_quantize(path, append, out, &info, NULL);
  return out && fclose(out) == 0 && written;
}

static int write_model(const char* folder, const char* name, const char* json)
{
  model_builder* const builder = model_builder_new(json);
  model_builder_add_network(builder);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(builder, &size);
  model_builder_free(builder);

  char path[1024];
  snprintf(path, sizeof path, "%s/seed_%s", folder, name);
  FILE* const out     = fopen(path, "wb");
  const int   written = out && fwrite(file, 1, size, out) == size;
  const int   closed  = out && fclose(out) == 0;
  free(file);
  return written && closed && write_int8(path);
}

static int write_generator(const char* folder)
{
  return write_model(
    folder, "tiers",
    "{\"format_version\":\"1.1\",\"name\":\"seed\",\"task\":\"generate\","
    "\"front_end\":{\"type\":\"sample\",\"rate_hz\":8000,"
    "\"encoding\":\"mu-law\"},\"norm_eps\":1e-5,\"tiers\":["
    "{\"d_model\":2,\"blocks\":[{\"mixer\":\"mlp\",\"d_hidden\":3}]},"
    "{\"pool\":2,\"d_model\":3,\"blocks\":[{\"mixer\":\"mamba2\","
    "\"d_inner\":4,\"d_state\":2,\"headdim\":2}]}]}");
}

static int write_steered(const char* folder)
{
  return write_model(
    folder, "steer",
    "{\"format_version\":\"1.1\",\"name\":\"seed\",\"task\":\"denoise\","
    "\"front_end\":{\"type\":\"spectral\",\"rate_hz\":8000,"
    "\"window_ms\":2,\"hop_ms\":0.5,\"compress\":0.3,"
    "\"power_floor\":1e-10,\"band_edges\":[0,4,9]},"
    "\"d_model\":2,\"norm_eps\":1e-5,\"blocks\":["
    "{\"mixer\":\"band_mlp\",\"d_hidden\":3}],\"steer\":{\"n_gains\":4,"
    "\"n_taps\":5,\"n_past\":2,\"delay\":3,\"fade\":2,\"d_model\":3,"
    "\"blocks\":[{\"mixer\":\"mamba2\",\"d_inner\":4,\"d_state\":2,"
    "\"headdim\":2}]}}");
}

static int write_filtered(const char* folder)
{
  return write_model(
    folder, "filter",
    "{\"format_version\":\"1.2\",\"name\":\"seed\",\"task\":\"denoise\","
    "\"front_end\":{\"type\":\"spectral\",\"rate_hz\":8000,"
    "\"window_ms\":2,\"hop_ms\":0.5,\"compress\":0.3,"
    "\"power_floor\":1e-10,\"band_edges\":[0,4,9],"
    "\"filter\":{\"n_bins\":4,\"delays\":[1,3]}},"
    "\"d_model\":2,\"norm_eps\":1e-5,\"blocks\":["
    "{\"mixer\":\"band_mlp\",\"d_hidden\":3}]}");
}

static int write_ahead(const char* folder)
{
  return write_model(
    folder, "ahead",
    "{\"format_version\":\"1.3\",\"name\":\"seed\",\"task\":\"denoise\","
    "\"front_end\":{\"type\":\"spectral\",\"rate_hz\":8000,"
    "\"window_ms\":2,\"hop_ms\":0.5,\"compress\":0.3,"
    "\"power_floor\":1e-10,\"band_edges\":[0,4,9],\"lookahead\":2,"
    "\"filter\":{\"n_bins\":4,\"delays\":[-2,1]}},"
    "\"d_model\":2,\"norm_eps\":1e-5,\"blocks\":["
    "{\"mixer\":\"band_mlp\",\"d_hidden\":3,\"bands\":[1,2]}]}");
}

static int write_seed(const char* folder, unsigned index)
{
  char json[600];
  char name[16];
  snprintf(name, sizeof name, "%u", index);
  snprintf(json, sizeof json,
           "{\"format_version\":\"1.0\",\"name\":\"seed\",\"task\":\"denoise\","
           "\"front_end\":{\"type\":\"spectral\",\"rate_hz\":8000,"
           "\"window_ms\":2,\"hop_ms\":0.5,\"compress\":0.3,"
           "\"power_floor\":1e-10,\"band_edges\":[0,4,9]},"
           "\"d_model\":2,\"norm_eps\":1e-5,\"blocks\":[%s]}",
           mixers[index]);
  return write_model(folder, name, json);
}

int main(int argc, char** argv)
{
  if (argc != 2) {
    fprintf(stderr, "Usage: write_seeds FOLDER\n");
    return 2;
  }
  for (unsigned i = 0; i < sizeof mixers / sizeof *mixers; ++i) {
    if (!write_seed(argv[1], i)) {
      perror(argv[1]);
      return 1;
    }
  }
  if (!write_generator(argv[1]) || !write_steered(argv[1]) ||
      !write_filtered(argv[1]) || !write_ahead(argv[1])) {
    perror(argv[1]);
    return 1;
  }
  return 0;
}

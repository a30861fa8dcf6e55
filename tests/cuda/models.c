#include "models.h"

#include "maudio.h"
#include "model_builder.h"
#include "support.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

const char* const mamba_json =
  "{\"format_version\": \"1.0\", \"name\": \"mamba\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 16000,"
  " \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 8, 16, 32, 64, 128, 257]},"
  " \"d_model\": 64, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 128, \"d_state\": 16, \"dt_rank\": 4},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 70},"
  "{\"mixer\": \"mamba\", \"d_inner\": 150, \"d_state\": 40, \"dt_rank\": 5},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 320, \"d_state\": 20, \"headdim\": 32,"
  " \"n_groups\": 2, \"d_conv\": 3}]}";

const char* const wide_json =
  "{\"format_version\": \"1.0\", \"name\": \"wide\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 16000,"
  " \"window_ms\": 32, \"hop_ms\": 4, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 257]},"
  " \"d_model\": 75, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba2\", \"d_inner\": 96, \"d_state\": 130, \"headdim\": 24},"
  "{\"mixer\": \"mamba\", \"d_inner\": 40, \"d_state\": 70, \"dt_rank\": 3,"
  " \"d_conv\": 1}]}";

const char* const odd_json =
  "{\"format_version\": \"1.0\", \"name\": \"odd\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 10000,"
  " \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 7, 20, 161]},"
  " \"d_model\": 37, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 27, \"d_state\": 7, \"dt_rank\": 3},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 9},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 64, \"d_state\": 16, \"headdim\": 16},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 45, \"d_state\": 5, \"headdim\": 5,"
  " \"n_groups\": 3}]}";

const char* const odd_filter_json =
  "{\"format_version\": \"1.4\", \"name\": \"odd-filter\","
  " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\","
  " \"rate_hz\": 10000, \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 7, 20, 161],"
  " \"mask_power\": 2.3, \"filter\": {\"n_bins\": 161, \"delays\": [2, 3, 4, "
  "6, "
  "7, 9, 13, 16]}},"
  " \"d_model\": 37, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 27, \"d_state\": 7, \"dt_rank\": 3}]}";

const char* const ahead_json =
  "{\"format_version\": \"1.3\", \"name\": \"ahead\","
  " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\","
  " \"rate_hz\": 16000, \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 8, 20, 50, 100, 257],"
  " \"mask_power\": 2, \"lookahead\": 3,"
  " \"filter\": {\"n_bins\": 100, \"delays\": [-3, -1, 2]}},"
  " \"d_model\": 37, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba2\", \"d_inner\": 64, \"d_state\": 16, \"headdim\": 16,"
  " \"bands\": [0, 3]},"
  "{\"mixer\": \"mamba\", \"d_inner\": 27, \"d_state\": 7, \"dt_rank\": 3,"
  " \"bands\": [2, 5]},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 9, \"bands\": [1, 5]},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 45, \"d_state\": 5, \"headdim\": 5,"
  " \"n_groups\": 3}]}";

const char* const far_ahead_json =
  "{\"format_version\": \"1.3\", \"name\": \"far-ahead\","
  " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\","
  " \"rate_hz\": 10000, \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 7, 20, 161],"
  " \"lookahead\": 16},"
  " \"d_model\": 37, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba2\", \"d_inner\": 64, \"d_state\": 16, \"headdim\": 16,"
  " \"bands\": [1, 3]},"
  "{\"mixer\": \"mamba\", \"d_inner\": 27, \"d_state\": 7, \"dt_rank\": 3}]}";

const char* const odd_steer_json =
  "{\"format_version\": \"1.1\", \"name\": \"odd-steer\","
  " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\", "
  "\"rate_hz\": 8000,"
  " \"window_ms\": 32, \"hop_ms\": 4, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 10, 40, 129]},"
  " \"d_model\": 13, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba\", \"d_inner\": 20, \"d_state\": 6, \"dt_rank\": 2},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 5}],"
  " \"steer\": {\"n_gains\": 9, \"n_taps\": 7, \"n_past\": 241,"
  " \"d_model\": 15, \"blocks\": [{\"mixer\": \"mlp\", \"d_hidden\": 19},"
  "{\"mixer\": \"mamba\", \"d_inner\": 22, \"d_state\": 18, \"dt_rank\": 1},"
  "{\"mixer\": \"mamba2\", \"d_inner\": 36, \"d_state\": 5, \"headdim\": 9,"
  " \"n_groups\": 2, \"d_conv\": 3}]}}";

static char* path_of(const char* folder, const char* name)
{
  char* const path = (char*)memory(256, 1);
  snprintf(path, 256, "%s/%s.safetensors", folder, name);
  return path;
}

static char*
write_model(const char* folder, const char* name, const char* json, float mask)
{
  char* const          path    = path_of(folder, name);
  model_builder* const builder = model_builder_new(json);
  size_t               size    = 0;
  model_builder_set_mask(builder, mask);
  model_builder_add_network(builder);
  uint8_t* const bytes = model_builder_finish(builder, &size);
  FILE* const    file  = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
    stop("cannot write a model");
  }
  free(bytes);
  model_builder_free(builder);
  return path;
}

char* make_model(const char* folder, const char* name, const char* json)
{
  return write_model(folder, name, json, 1.0f);
}

char* make_closed(const char* folder, const char* name, const char* json)
{
  return write_model(folder, name, json, 0.0f);
}

static bool append(const void* data, size_t size, void* user)
{
  return fwrite(data, 1, size, (FILE*)user) == size;
}

char* make_int8(const char* folder, const char* name, const char* from)
{
  char* const          path  = path_of(folder, name);
  FILE* const          file  = fopen(path, "wb");
  maudio_error         error = {MAUDIO_SUCCESS, ""};
  maudio_quantize_info info;
  must(file ? maudio_quantize(from, append, file, &info, &error)
            : MAUDIO_ERR_IO,
       &error);
  fclose(file);
  return path;
}

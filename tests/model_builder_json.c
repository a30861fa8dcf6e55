/* Configurations of small models, each with blocks of several kinds */
#include "model_builder.h"

const char* const model_builder_small_json =
  "{\"format_version\": \"1.0\", \"name\": \"small\", \"task\": \"denoise\","
  " \"licence\": \"MIT\", \"front_end\": {\"type\": \"spectral\","
  " \"rate_hz\": 16000, \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 8, 32, 257]},"
  " \"d_model\": 8, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba2\", \"d_inner\": 16, \"d_state\": 4, \"d_conv\": 4,"
  " \"headdim\": 4, \"n_groups\": 2, \"dt_limit\": [0.0, Infinity]},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 5},"
  "{\"mixer\": \"mamba\", \"d_inner\": 12, \"d_state\": 4, \"d_conv\": 4,"
  " \"dt_rank\": 2}],"
  " \"training\": {\"command\": \"none\", \"seed\": 1}}";

const char* const model_builder_filter_json =
  "{\"format_version\": \"1.2\", \"name\": \"filter\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 16000,"
  " \"window_ms\": 32, \"hop_ms\": 8, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": [0, 8, 20, 50, 100, 257],"
  " \"filter\": {\"n_bins\": 100, \"delays\": [1, 2, 5]}},"
  " \"d_model\": 12, \"norm_eps\": 1e-5, \"blocks\": ["
  "{\"mixer\": \"mamba2\", \"d_inner\": 24, \"d_state\": 6, \"headdim\": 8},"
  "{\"mixer\": \"band_mlp\", \"d_hidden\": 9}]}";

const char* const model_builder_tiers_json =
  "{\"format_version\": \"1.1\", \"name\": \"tiers\", \"task\": \"generate\","
  " \"front_end\": {\"type\": \"sample\", \"rate_hz\": 16000,"
  " \"encoding\": \"mu-law\"}, \"norm_eps\": 1e-5, \"tiers\": ["
  "{\"d_model\": 8, \"blocks\": [{\"mixer\": \"mamba2\", \"d_inner\": 16,"
  " \"d_state\": 4, \"headdim\": 8}, {\"mixer\": \"mlp\", \"d_hidden\": 9}]},"
  "{\"pool\": 2, \"d_model\": 12, \"blocks\": [{\"mixer\": \"mamba\","
  " \"d_inner\": 10, \"d_state\": 3, \"dt_rank\": 2}]},"
  "{\"pool\": 3, \"d_model\": 20, \"blocks\": [{\"mixer\": \"mlp\","
  " \"d_hidden\": 150}, {\"mixer\": \"mamba2\", \"d_inner\": 96,"
  " \"d_state\": 5, \"headdim\": 12, \"n_groups\": 2}]},"
  "{\"pool\": 5, \"d_model\": 17, \"blocks\": [{\"mixer\": \"mamba2\","
  " \"d_inner\": 32, \"d_state\": 4, \"headdim\": 16}]}]}";

const char* const model_builder_steer_json =
  "{\"format_version\": \"1.1\", \"name\": \"steered\", \"task\": \"denoise\","
  " \"front_end\": {\"type\": \"spectral\", \"rate_hz\": 16000,"
  " \"window_ms\": 20, \"hop_ms\": 2, \"compress\": 0.3,"
  " \"power_floor\": 1e-10, \"band_edges\": "
  "[0, 3, 6, 9, 12, 18, 24, 32, 48, 96, 161]},"
  " \"d_model\": 8, \"norm_eps\": 1e-5, \"blocks\": [{\"mixer\": \"mamba2\","
  " \"d_inner\": 16, \"d_state\": 4, \"headdim\": 8}],"
  " \"steer\": {\"n_gains\": 20, \"n_taps\": 20, \"n_past\": 4, \"delay\": 9,"
  " \"fade\": 5, \"d_model\": 10, \"blocks\": [{\"mixer\": \"mamba2\","
  " \"d_inner\": 16, \"d_state\": 4, \"headdim\": 8},"
  " {\"mixer\": \"mlp\", \"d_hidden\": 12}]}}";

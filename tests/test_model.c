#include "network.h"

#include "model.h"
#include "model_builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void info_describes_the_network(void** state)
{
  (void)state;
  maudio_model* const model = network_open("bands");
  maudio_model_info   info;
  maudio_model_get_info(model, &info);
  assert_string_equal(info.name, "bands");
  assert_string_equal(info.licence, "CC0-1.0");
  assert_int_equal(info.task, MAUDIO_TASK_DENOISE);
  assert_int_equal(info.rate_hz, 16000);
  assert_true(info.latency_ms == 16.0);
  assert_int_equal(info.n_layers, 3);
  assert_int_equal(info.d_model, 12);
  assert_int_equal(info.n_bands, 6);

  // D 12, S 6, K 257; mamba2 I 24, N 6, H 3; band_mlp M 9; mamba I 20, N 5, R 2
  const uint64_t bands    = (3 * 12 + 2 * 12 + 2) * 257 + 6 * 12;
  const uint64_t mamba2   = 63 * 12 + 36 * 5 + 3 * 3 + 24 + 12 * 24;
  const uint64_t band_mlp = 2 * 9 * 6 + 9 + 6;
  const uint64_t mamba =
    40 * 12 + 20 * 5 + 12 * 20 + 20 * 2 + 20 + 20 * 5 + 20 + 12 * 20;
  assert_int_equal(info.n_parameters,
                   bands + mamba2 + band_mlp + mamba + 4 * 12);

  const double macs =
    5 * 257 * 12 + 6 * (63 * 12 + 12 * 24 + 4 * 36 + 2 * 24 * 6) +
    2 * 9 * 6 * 12 +
    6 * (40 * 12 + 4 * 20 + 12 * 20 + 2 * 20 + 2 * 20 * 5 + 12 * 20);
  assert_true(fabs(info.macs_per_second - macs * 125) < 1.0);
  maudio_model_free(model);
}

static void a_built_network_runs(void** state)
{
  (void)state;
  model_builder* const builder = model_builder_new(model_builder_small_json);
  model_builder_add_network(builder);
  size_t         size = 0;
  uint8_t* const data = model_builder_finish(builder, &size);
  model_builder_free(builder);

  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  if (maudio_model_open_memory(data, size, "small", &model, &error)) {
    fail_msg("%s", error.message);
  }
  free(data); // The model keeps nothing of it

  float* const         in     = network_signal(4800, 48000, 1);
  float* const         out    = (float*)calloc(4800, sizeof *out);
  maudio_stream* const stream = network_stream(model, 48000, 1);
  assert_non_null(out);
  network_process(stream, 1, (const float* const*)&in, &out, 4800, 64);
  for (size_t i = 0; i < 4800; ++i) {
    assert_true(isfinite(out[i]));
  }
  maudio_stream_free(stream);
  maudio_model_free(model);
  free(out);
  free(in);
}

/// Open the network "bands" with `found` replaced by `replacement`, which is
/// as long; the message has to hold `expected`
static void check_damaged(const char*   found,
                          const char*   replacement,
                          maudio_status expected_status,
                          const char*   expected)
{
  const size_t n    = strlen(found);
  size_t       size = 0;
  char* const  data = (char*)network_read("bands", &size);
  size_t       at   = 8;
  while (at + n < size && memcmp(data + at, found, n) != 0) {
    ++at;
  }
  assert_true(at + n < size);
  assert_int_equal(strlen(replacement), n);
  memcpy(data + at, replacement, n);

  maudio_model*       model = (maudio_model*)data;
  maudio_error        error = {.message = ""};
  const maudio_status status =
    maudio_model_open_memory(data, size, "some/file", &model, &error);
  assert_int_equal(status, expected_status);
  assert_int_equal(error.status, expected_status);
  assert_null(model);
  if (!strstr(error.message, expected) || !strstr(error.message, "file")) {
    fail_msg("'%s' does not say '%s'", error.message, expected);
  }
  assert_int_equal(maudio_model_open_memory(data, size, "x", &model, NULL),
                   expected_status);
  free(data);
}

static void inconsistent_files_are_refused(void** state)
{
  (void)state;
  check_damaged("layers.0.mixer.A_log", "layers.0.mixer.A_lag",
                MAUDIO_ERR_BAD_MODEL, "backbone.layers.0.mixer.A_log");
  check_damaged("layers.2.mixer.x_proj.weight", "layers.7.mixer.x_proj.weight",
                MAUDIO_ERR_BAD_MODEL, "backbone.layers.2.mixer.x_proj.weight");
  check_damaged("\\\"d_model\\\": 12", "\\\"d_model\\\": 13",
                MAUDIO_ERR_BAD_MODEL, "band_in.weight");
  check_damaged("\\\"d_state\\\": 5", "\\\"d_state\\\": 9",
                MAUDIO_ERR_BAD_MODEL, "backbone.layers.2.mixer.");
  check_damaged("\\\"d_inner\\\": 20", "\\\"d_inner\\\":999",
                MAUDIO_ERR_BAD_MODEL, "backbone.layers.2.mixer.in_proj.weight");
  check_damaged("\\\"format_version\\\": \\\"1.0\\\"",
                "\\\"format_version\\\": \\\"2.0\\\"", MAUDIO_ERR_VERSION,
                "format version 2.0");
  check_damaged("\"maudio\"", "\"mavdio\"", MAUDIO_ERR_BAD_MODEL, "maudio");
}

static void an_extra_tensor_is_refused(void** state)
{
  (void)state;
  const size_t         shape[] = {3};
  model_builder* const builder = model_builder_new(model_builder_small_json);
  model_builder_add_network(builder);
  model_builder_add_random(builder, "left.over", 1, shape);
  size_t         size = 0;
  uint8_t* const data = model_builder_finish(builder, &size);
  model_builder_free(builder);

  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  assert_int_equal(
    maudio_model_open_memory(data, size, "small", &model, &error),
    MAUDIO_ERR_BAD_MODEL);
  assert_null(model);
  assert_non_null(strstr(error.message, "left.over"));
  free(data);
}

static void a_missing_file_is_named(void** state)
{
  (void)state;
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  assert_int_equal(maudio_model_open("/no/such.safetensors", &model, &error),
                   MAUDIO_ERR_NOT_FOUND);
  assert_null(model);
  assert_non_null(strstr(error.message, "/no/such.safetensors"));
  maudio_model_free(NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(info_describes_the_network),
    cmocka_unit_test(a_built_network_runs),
    cmocka_unit_test(inconsistent_files_are_refused),
    cmocka_unit_test(an_extra_tensor_is_refused),
    cmocka_unit_test(a_missing_file_is_named)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

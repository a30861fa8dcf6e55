#include "maudio.h"
#include "model_builder.h"
#include "network.h"
#include "weights.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/// Bytes that were written, of which `limit` are taken
typedef struct {
  uint8_t* data;
  size_t   size;
  size_t   limit;
} bytes;

static bool take(const void* data, size_t size, void* user)
{
  bytes* const b = (bytes*)user;
  if (size > b->limit - b->size) {
    return false;
  }
  b->data = (uint8_t*)realloc(b->data, b->size + size + 1);
  assert_non_null(b->data);
  memcpy(b->data + b->size, data, size);
  b->size += size;
  return true;
}

/// Quantize a file in memory; free what is in `to`
static maudio_status quantize(const void*           data,
                              size_t                size,
                              bytes*                to,
                              maudio_quantize_info* info,
                              maudio_error*         error)
{
  char      path[] = "/tmp/maudio_test_quantize.XXXXXX";
  const int fd     = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, data, size), size);
  assert_int_equal(close(fd), 0);
  const maudio_status status = maudio_quantize(path, take, to, info, error);
  unlink(path);
  return status;
}

/// Finish a file and quantize it, which has to work
static bytes finish(model_builder* b, maudio_quantize_info* info)
{
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  bytes          to   = {NULL, 0, SIZE_MAX / 2};
  maudio_error   error;
  model_builder_free(b);
  if (quantize(file, size, &to, info, &error)) {
    fail_msg("%s", error.message);
  }
  assert_int_equal(info->n_bytes_before, size);
  assert_int_equal(info->n_bytes_after, to.size);
  free(file);
  return to;
}

static maudio_weights* open_weights(const bytes* b)
{
  maudio_weights* weights = NULL;
  maudio_error    error;
  if (maudio_weights_open(b->data, b->size, "x", &weights, &error)) {
    fail_msg("%s", error.message);
  }
  return weights;
}

static void test_rows_are_rounded(void** state)
{
  (void)state;
  enum { n = 300 };
  const size_t   shape[] = {4, n};
  static float   w[4][n];
  model_builder* b = model_builder_new(NULL);
  for (int i = 0; i < n; ++i) {
    w[0][i] = sinf((float)i * 0.7f) * 1e6f;
    w[1][i] = 0.0f;
    w[2][i] = i == 5 ? -1e-3f : 1e-7f * (float)i;
    w[3][i] = 1e-44f;
  }
  model_builder_add(b, "a.weight", 2, shape, w[0]);
  maudio_quantize_info  info;
  bytes                 to      = finish(b, &info);
  maudio_weights* const weights = open_weights(&to);
  int8_t                codes[4][n];
  float                 scales[4];
  assert_int_equal(
    maudio_weights_get_int8(weights, "a.weight", shape, codes[0], scales, NULL),
    0);
  for (int r = 0; r < 4; ++r) {
    float most = 0.0f;
    for (int i = 0; i < n; ++i) {
      assert_true(codes[r][i] >= -127);
      assert_true(fabsf(scales[r] * (float)codes[r][i] - w[r][i]) <=
                  0.5001f * scales[r] + 1e-37f);
      most = fmaxf(most, fabsf(w[r][i]));
    }
    assert_true(scales[r] == (r == 1 || r == 3 ? 0.0f : most / 127.0f));
  }
  assert_int_equal(codes[2][5], -127);
  assert_int_equal(info.n_tensors, 1);
  assert_int_equal(info.n_quantized, 1);
  assert_string_equal(info.worst_tensor, "a.weight");
  assert_true(info.worst_error == 1.0); // The row that became 0
  maudio_weights_free(weights);
  free(to.data);
}

/// Which tensors are chosen, and that the others stay as they are
static void test_choice(void** state)
{
  (void)state;
  static const struct {
    const char* name;
    unsigned    n_dims;
    bool        chosen;
  } all[] = {
    {"backbone.layers.0.mixer.in_proj.weight", 2, true},
    {"model.layers.1.feed_forward.experts.0.gate_proj.weight", 2, true},
    {"lm_head.weight", 2, true},
    {"backbone.embeddings.weight", 2, true},
    {"band_in.weight", 2, true},
    {"band_in.bias", 2, false},
    {"backbone.layers.0.mixer.A_log", 2, false},
    {"backbone.layers.0.mixer.conv1d.weight", 3, false},
    {"backbone.layers.0.mixer.norm.weight", 1, false},
    {"backbone.layers.0.mixer.dt_proj.weight", 2, false},
    {"model.layers.1.feed_forward.router.weight", 2, false},
  };
  enum { N = sizeof all / sizeof *all };
  const size_t   shape[] = {3, 1, 4};
  const size_t   flat[]  = {3, 4};
  const uint16_t half[]  = {0x3C00, 0xC000, 0, 0x3800, 0, 0, 0, 0, 0, 0, 0, 0};
  const float    one[]   = {1.5f};
  model_builder* const b = model_builder_new(NULL);
  for (size_t i = 0; i < N; ++i) {
    const size_t* s = all[i].n_dims == 3 ? shape : flat;
    const size_t  n = all[i].n_dims == 1 ? 6 : 24;
    model_builder_add_raw(b, all[i].name, "F16", all[i].n_dims, s, half, n);
  }
  model_builder_add(b, "scalar", 0, NULL, one);
  maudio_quantize_info  info;
  bytes                 to      = finish(b, &info);
  maudio_weights* const weights = open_weights(&to);
  assert_int_equal(info.n_tensors, N + 1);
  assert_int_equal(info.n_quantized, 5);
  for (size_t i = 0; i < N; ++i) {
    float found[12] = {0};
    assert_int_equal(maudio_weights_is_int8(weights, all[i].name),
                     all[i].chosen);
    assert_int_equal(maudio_weights_get(weights, all[i].name, all[i].n_dims,
                                        all[i].n_dims == 3 ? shape : flat,
                                        found, NULL),
                     0);
    if (!all[i].chosen) {
      assert_true(found[0] == 1.0f && found[1] == -2.0f && found[2] == 0.0f);
    }
  }
  float scalar = 0.0f;
  assert_int_equal(
    maudio_weights_get(weights, "scalar", 0, NULL, &scalar, NULL), 0);
  assert_true(scalar == 1.5f);
  assert_int_equal(maudio_weights_check_all_used(weights, NULL), 0);
  maudio_weights_free(weights);
  free(to.data);
}

/// A model of all mixers sounds the same, and says what its file is
static void test_model(void** state)
{
  (void)state;
  model_builder* const b = model_builder_new(model_builder_small_json);
  model_builder_add_network(b);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  maudio_model*  model[2];
  assert_int_equal(
    maudio_model_open_memory(file, size, "float", &model[0], NULL), 0);
  maudio_quantize_info info;
  bytes                to = finish(b, &info);
  maudio_error         error;
  if (maudio_model_open_memory(to.data, to.size, "int8", &model[1], &error)) {
    fail_msg("%s", error.message);
  }
  maudio_weights* const weights = open_weights(&to);
  const char* const     json    = maudio_weights_metadata(weights, "maudio");
  assert_non_null(strstr(json, "\"format_version\": \"1.1\""));
  assert_non_null(strstr(json, "\"compress\": 0.3,"));
  maudio_weights_free(weights);
  maudio_model_info infos[2];
  maudio_model_get_info(model[0], &infos[0]);
  maudio_model_get_info(model[1], &infos[1]);
  assert_int_equal(infos[0].n_parameters, infos[1].n_parameters);
  assert_string_equal(infos[1].name, "small");

  const size_t n           = 24000;
  float* const signal      = network_signal(n, 48000, 1);
  float* const y[2]        = {network_run(model[0], 48000, signal, n, 480),
                              network_run(model[1], 48000, signal, n, 480)};
  float* const cut         = network_run(model[1], 48000, signal, n, 7);
  double       error_power = 0.0;
  double       power       = 0.0;
  for (size_t i = 0; i < n; ++i) {
    error_power += pow((double)y[1][i] - y[0][i], 2.0);
    power += pow((double)y[0][i], 2.0);
  }
  const double snr_db = 10.0 * log10(power / error_power);
  printf("int8 against float32: %.1f dB\n", snr_db);
  assert_true(snr_db > 30.0 && error_power > 0.0);
  assert_memory_equal(cut, y[1], n * sizeof(float));
  free(cut);
  free(y[0]);
  free(y[1]);
  free(signal);
  maudio_model_free(model[0]);
  maudio_model_free(model[1]);

  // Once is enough
  bytes again = {NULL, 0, SIZE_MAX / 2};
  assert_int_equal(quantize(to.data, to.size, &again, &info, &error),
                   MAUDIO_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "is int8 already"));
  assert_int_equal(again.size, 0);
  free(again.data);
  free(to.data);
  free(file);
}

/// A generator expects about the same
static void test_later_format(void** state)
{
  (void)state;
  model_builder* const b = model_builder_new(model_builder_filter_json);
  model_builder_add_network(b);
  maudio_quantize_info  info;
  bytes                 to      = finish(b, &info);
  maudio_weights* const weights = open_weights(&to);
  const char* const     json    = maudio_weights_metadata(weights, "maudio");
  assert_non_null(strstr(json, "\"format_version\": \"1.2\""));
  maudio_weights_free(weights);
  free(to.data);
}

static void test_generator(void** state)
{
  (void)state;
  model_builder* const b = model_builder_new(model_builder_tiers_json);
  model_builder_add_network(b);
  maudio_quantize_info info;
  bytes                to    = finish(b, &info);
  maudio_model* const  model = network_make_tiers();
  maudio_model*        int8  = NULL;
  maudio_error         error;
  if (maudio_model_open_memory(to.data, to.size, "int8", &int8, &error)) {
    fail_msg("%s", error.message);
  }
  enum { N = 500 * MAUDIO_N_CODES };
  uint8_t codes[500];
  for (unsigned i = 0; i < 500; ++i) {
    codes[i] = (uint8_t)(i * i * 3 + i);
  }
  float* const            logits[2]   = {network_floats(N), network_floats(N)};
  maudio_generator* const g[2]        = {network_generator(model),
                                         network_generator(int8)};
  double                  power       = 0.0;
  double                  error_power = 0.0;
  for (size_t k = 0; k < 2; ++k) {
    maudio_generator_score(g[k], codes, 500, logits[k]);
  }
  for (size_t i = 0; i < N; ++i) {
    power += pow((double)logits[0][i], 2.0);
    error_power += pow((double)logits[1][i] - logits[0][i], 2.0);
  }
  printf("int8 generator: %.1f dB\n", 10.0 * log10(power / error_power));
  assert_true(error_power > 0.0 && error_power < 0.003 * power);
  for (size_t k = 0; k < 2; ++k) {
    maudio_generator_free(g[k]);
    free(logits[k]);
  }
  maudio_model_free(int8);
  maudio_model_free(model);
  free(to.data);
}

/// Check that a file is refused before anything is written
static void check_refused(model_builder* b, const char* word)
{
  size_t               size = 0;
  uint8_t* const       file = model_builder_finish(b, &size);
  bytes                to   = {NULL, 0, SIZE_MAX / 2};
  maudio_error         error;
  maudio_quantize_info info;
  model_builder_free(b);
  assert_int_not_equal(quantize(file, size, &to, &info, &error), 0);
  if (!strstr(error.message, word)) {
    fail_msg("'%s' lacks '%s'", error.message, word);
  }
  free(to.data);
  free(file);
}

static void test_refusals(void** state)
{
  (void)state;
  const size_t   shape[] = {2, 2};
  model_builder* b       = model_builder_new(NULL);
  model_builder_add_random(b, "norm.weight", 1, shape);
  check_refused(b, "no matrix");

  b = model_builder_new(NULL);
  model_builder_add(b, "w.weight", 2, shape, (const float[]){0, 1, 2, NAN});
  check_refused(b, "'w.weight' holds NaN in row 1");
  b = model_builder_new(NULL);
  model_builder_add(b, "w.weight", 2, shape,
                    (const float[]){-INFINITY, 1, 2, 3});
  check_refused(b, "'w.weight' holds an infinite value in row 0");
  b = model_builder_new(NULL);
  model_builder_add_random(b, "w.weight", 2, shape);
  model_builder_add_random(b, "w.weight.scale", 1, shape);
  check_refused(b, "'w.weight.scale'");
  b = model_builder_new("no json");
  model_builder_add_random(b, "w.weight", 2, shape);
  check_refused(b, "JSON");

  maudio_error         error;
  maudio_quantize_info info;
  bytes                to = {NULL, 0, SIZE_MAX / 2};
  assert_int_equal(
    maudio_quantize("/nowhere/x.safetensors", take, &to, &info, &error),
    MAUDIO_ERR_NOT_FOUND);
}

/// Wherever writing fails, the failure is told
static void test_failing_writer(void** state)
{
  (void)state;
  const size_t   shape[] = {3, 5};
  model_builder* b       = model_builder_new(NULL);
  model_builder_add_random(b, "w.weight", 2, shape);
  model_builder_add_random(b, "w.bias", 1, shape);
  size_t         size = 0;
  uint8_t* const file = model_builder_finish(b, &size);
  model_builder_free(b);
  maudio_quantize_info info;
  maudio_error         error;
  maudio_status        status = MAUDIO_ERR_IO;
  size_t               limit  = 0;
  for (; status && limit < 10000; ++limit) {
    bytes to = {NULL, 0, limit};
    status   = quantize(file, size, &to, &info, &error);
    free(to.data);
    if (status) {
      assert_int_equal(status, MAUDIO_ERR_IO);
      assert_int_equal(error.status, MAUDIO_ERR_IO);
    }
  }
  assert_int_equal(limit - 1, info.n_bytes_after);
  free(file);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_rows_are_rounded),
    cmocka_unit_test(test_choice),
    cmocka_unit_test(test_model),
    cmocka_unit_test(test_later_format),
    cmocka_unit_test(test_generator),
    cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_failing_writer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

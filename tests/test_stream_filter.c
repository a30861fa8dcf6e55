/* Streams whose model filters past frames; that blocks, states and resets do
   not matter is tested with those of other models. */
#include "golden.h"
#include "model_builder.h"
#include "network.h"

#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PI 3.14159265358979323846
#define WINDOW_S 0.032
#define HOP_S 0.008

enum { F = 160, N_BINS = 257 };

static char* build(const char* json, size_t* size)
{
  model_builder* const builder = model_builder_new(json);
  model_builder_add_network(builder);
  char* const file = (char*)model_builder_finish(builder, size);
  model_builder_free(builder);
  return file;
}

static maudio_model* open_file(char* file, size_t size)
{
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  if (maudio_model_open_memory(file, size, "f", &model, &error)) {
    fail_msg("%s", error.message);
  }
  free(file);
  return model;
}

/// A network of no mask, with one tap for each bin, `delay` hops ago
static maudio_model* open_taps(unsigned delay, const float* taps)
{
  char json[600];
  snprintf(json, sizeof json,
           "{\"format_version\": \"1.2\", \"name\": \"taps\","
           " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\","
           " \"rate_hz\": 16000, \"window_ms\": 32, \"hop_ms\": 8,"
           " \"compress\": 0.3, \"power_floor\": 1e-10,"
           " \"band_edges\": [0, 40, %d, %d],"
           " \"filter\": {\"n_bins\": %d, \"delays\": [%u]}},"
           " \"d_model\": 8, \"norm_eps\": 1e-5,"
           " \"blocks\": [{\"mixer\": \"band_mlp\", \"d_hidden\": 5}]}",
           F, N_BINS, F, delay);
  const float zero   = 0.0f;
  const float gone[] = {-1.0f, 0.0f};
  size_t      size   = 0;
  char* const file   = build(json, &size);
  network_set_tensor(file, "band_out.weight", 1, &zero);
  network_set_tensor(file, "band_out.bias", 2, gone);
  network_set_tensor(file, "filter_out.weight", 1, &zero);
  network_set_tensor(file, "filter_out.bias", 2 * F, taps);
  return open_file(file, size);
}

/// How far the output of a steady tone is from it, in parts of its power
static double
pass_tone(const maudio_model* model, double rate_hz, double tone_hz)
{
  const size_t n  = (size_t)(0.4 * rate_hz);
  float* const in = network_floats(n);
  for (size_t i = 0; i < n; ++i) {
    in[i] = 0.5f * (float)sin(2.0 * PI * tone_hz * (double)i / rate_hz);
  }
  float* const         out     = network_run(model, rate_hz, in, n, 0);
  maudio_stream* const stream  = network_stream(model, rate_hz, 1);
  const size_t         latency = maudio_stream_latency(stream);
  double               error   = 0.0;
  double               power   = 0.0;
  // All frames that are reached begin after 16 hops and a window
  for (size_t i = n / 2; i < n; ++i) {
    const double x = in[i - latency];
    error += (out[i] - x) * (out[i] - x);
    power += x * x;
  }
  maudio_stream_free(stream);
  free(out);
  free(in);
  return error / power;
}

/// After a window, which is four hops, a tone of a bin is what it was
static void tones_of_bins_need_no_turn_after_a_window(void** state)
{
  (void)state;
  static const double rates[]     = {16000, 48000, 96000};
  float               taps[2 * F] = {0.0f};
  for (size_t k = 0; k < F; ++k) {
    taps[2 * k] = 1.0f;
  }
  for (unsigned delay = 4; delay <= 16; delay += 4) {
    maudio_model* const model = open_taps(delay, taps);
    double              worst = 0.0;
    for (size_t r = 0; r < 3; ++r) {
      for (size_t k = 4; k < F - 4; k += 17) {
        worst = fmax(worst, pass_tone(model, rates[r], (double)k / WINDOW_S));
      }
    }
    printf("%2u hops: %.1f dB\n", delay, 10.0 * log10(worst));
    assert_true(worst < 1e-4);
    maudio_model_free(model);
  }
}

/// Taps that turn all bins as a tone does
static void follow(float* taps, unsigned delay, double tone_hz)
{
  for (size_t k = 0; k < F; ++k) {
    const double         hz  = tone_hz - (double)k / WINDOW_S;
    const double complex tap = cexp(2.0 * PI * I * hz * delay * HOP_S);
    taps[2 * k]              = (float)creal(tap);
    taps[2 * k + 1]          = (float)cimag(tap);
  }
}

/// The frequency that a tone is heard at: some rates are taken for a little
/// less
static double heard_tone_hz(unsigned delay, double rate_hz, double tone_hz)
{
  static const float   none[2 * F] = {0.0f};
  maudio_model* const  model       = open_taps(delay, none);
  maudio_stream* const stream      = network_stream(model, rate_hz, 1);
  const double         hop = 0.5 * (double)maudio_stream_latency(stream);
  maudio_stream_free(stream);
  maudio_model_free(model);
  return tone_hz * hop / (HOP_S * rate_hz);
}

static void any_tone_passes_at_any_rate(void** state)
{
  (void)state;
  static const double tones[] = {187.0, 440.0, 1015.6, 2500.3, 4333.3};
  for (unsigned delay = 1; delay <= 16; delay += 5) {
    for (size_t i = 0; i < sizeof tones / sizeof tones[0]; ++i) {
      double worst = 1e-12;
      for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
        if (tones[i] < 0.4 * network_rates[r]) {
          float taps[2 * F];
          follow(taps, delay, heard_tone_hz(delay, network_rates[r], tones[i]));
          maudio_model* const model = open_taps(delay, taps);
          worst = fmax(worst, pass_tone(model, network_rates[r], tones[i]));
          maudio_model_free(model);
        }
      }
      printf("%2u hops, tone of %6.1f Hz: %5.1f dB\n", delay, tones[i],
             10.0 * log10(worst));
      assert_true(worst < 1e-3);
    }
  }
}

static void taps_of_zero_change_nothing(void** state)
{
  (void)state;
  const float zero = 0.0f;
  size_t      size = 0;
  char*       file = build(model_builder_filter_json, &size);
  network_set_tensor(file, "filter_out.weight", 1, &zero);
  network_set_tensor(file, "filter_out.bias", 1, &zero);
  maudio_model* const filtered = open_file(file, size);

  char* const json = strdup(model_builder_filter_json);
  assert_non_null(json);
  memcpy(strstr(json, "filter\": {"), "ignore", 6);
  file                      = build(json, &size);
  maudio_model* const plain = open_file(file, size);
  free(json);

  for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
    const size_t n  = 8000;
    float* const in = network_signal(n, network_rates[r], 1);
    float* const a  = network_run(filtered, network_rates[r], in, n, 0);
    float* const b  = network_run(plain, network_rates[r], in, n, 0);
    golden_compare("taps of 0", a, b, n, 0.0f);
    free(b);
    free(a);
    free(in);
  }

  maudio_model_info infos[2];
  maudio_model_get_info(plain, &infos[0]);
  maudio_model_get_info(filtered, &infos[1]);
  assert_int_equal(infos[1].n_parameters - infos[0].n_parameters,
                   2 * 100 * 3 * (12 + 1));
  assert_true(infos[1].macs_per_step - infos[0].macs_per_step ==
              2 * 100 * 3 * 12);
  maudio_model_free(plain);
  maudio_model_free(filtered);
}

static void attenuation_is_limited(void** state)
{
  (void)state;
  static const float   none[2 * F] = {0.0f};
  const size_t         n           = 12000;
  maudio_model* const  model       = open_taps(4, none);
  maudio_stream* const stream      = network_stream(model, 44100, 2);
  float* const         ins[]       = {network_signal(n, 44100, 5),
                                      network_signal(n, 44100, 6)};
  float* const         outs[]      = {network_floats(n), network_floats(n)};
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 12.0f);
  network_process(stream, 2, (const float* const*)ins, outs, n, 0);
  const size_t latency = maudio_stream_latency(stream);
  const float  gain    = powf(10.0f, -12.0f / 20.0f);
  for (size_t c = 0; c < 2; ++c) {
    for (size_t i = latency; i < n; ++i) {
      assert_true(fabsf(outs[c][i] - gain * ins[c][i - latency]) < 1e-6f);
    }
  }
  assert_true(fabsf(maudio_stream_reduction_db(stream) - 12.0f) < 1e-3f);
  free(outs[1]);
  free(outs[0]);
  free(ins[1]);
  free(ins[0]);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

static void int8_sounds_the_same(void** state)
{
  (void)state;
  const size_t        n     = 24000;
  float* const        in    = network_signal(n, 44100, 2);
  maudio_model* const model = network_open("filter");
  maudio_model* const small = network_open_int8("filter");
  float* const        a     = network_run(model, 44100, in, n, 0);
  float* const        b     = network_run(small, 44100, in, n, 0);
  double              error = 0.0;
  double              power = 0.0;
  for (size_t i = 0; i < n; ++i) {
    error += (b[i] - a[i]) * (double)(b[i] - a[i]);
    power += a[i] * (double)a[i];
  }
  printf("int8: %.1f dB\n", 10.0 * log10(error / power));
  assert_true(error < 1e-3 * power);
  free(b);
  free(a);
  maudio_model_free(small);
  maudio_model_free(model);
  free(in);
}

/// Replace text in the file by other text as long; it has to be refused
static void check_damaged(const char* part, const char* with, const char* name)
{
  size_t       size = 0;
  char* const  file = build(model_builder_filter_json, &size);
  const size_t n    = strlen(part);
  size_t       at   = 8;
  while (at + n < size && memcmp(file + at, part, n) != 0) {
    ++at;
  }
  assert_true(at + n < size);
  memcpy(file + at, with, n);
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  assert_int_equal(maudio_model_open_memory(file, size, "f", &model, &error),
                   MAUDIO_ERR_BAD_MODEL);
  if (!strstr(error.message, name)) {
    fail_msg("'%s' does not name '%s'", error.message, name);
  }
  free(file);
}

static void tensors_have_to_fit(void** state)
{
  (void)state;
  check_damaged("filter_out.weight", "filter_in_.weight", "filter_out.weight");
  check_damaged("filter_out.bias", "filter_in_.bias", "filter_out.bias");
  check_damaged("n_bins\\\": 100", "n_bins\\\":  50", "filter_out.weight");
  check_damaged("[1, 2, 5]", "[1,    5]", "filter_out.weight");
  // As what knows no filter sees it
  check_damaged("filter\\\": {", "ignore\\\": {", "filter_out");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(tones_of_bins_need_no_turn_after_a_window),
    cmocka_unit_test(any_tone_passes_at_any_rate),
    cmocka_unit_test(taps_of_zero_change_nothing),
    cmocka_unit_test(attenuation_is_limited),
    cmocka_unit_test(int8_sounds_the_same),
    cmocka_unit_test(tensors_have_to_fit)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "golden.h"
#include "network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_network(const char* name, size_t hop)
{
  char file_name[64];
  snprintf(file_name, sizeof file_name, "signal_%s", name);
  const size_t n    = NETWORK_SIGNAL;
  golden       file = golden_open(file_name);
  float* const x    = golden_read(&file, "x", 1, &n);
  float* const y    = golden_read(&file, "y", 1, &n);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const  model   = network_open(name);
    maudio_stream* const stream  = network_stream(model, 16000, 1);
    const size_t         latency = maudio_stream_latency(stream);
    maudio_stream_free(stream);

    float* const out = network_run(model, 16000, x, n, n);
    char         what[64];
    snprintf(what, sizeof what, "network %s, %s", name, (*k)->name);
    golden_compare(what, out + latency, y, n - latency, 2e-6f);
    // Until a hop is full
    for (size_t i = 0; i < hop; ++i) {
      assert_true(out[i] == 0.0f);
    }
    free(out);
    maudio_model_free(model);
  }
  unsetenv("MAUDIO_KERNELS");
  free(y);
  free(x);
  golden_close(&file);
}

static void networks_agree_with_pytorch(void** state)
{
  (void)state;
  check_network("bands", 128);
  check_network("whole", 64);
  check_network("filter", 128);
  check_network("ahead", 128);
}

static void kernels_agree(void** state)
{
  (void)state;
  const size_t n         = 24000;
  float* const in        = network_signal(n, 48000, 2);
  float*       reference = NULL;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const model = network_open("bands");
    float* const        out   = network_run(model, 48000, in, n, n);
    if (reference) {
      golden_compare((*k)->name, out, reference, n, 2e-6f);
      free(out);
    } else {
      reference = out;
    }
    maudio_model_free(model);
  }
  unsetenv("MAUDIO_KERNELS");
  free(reference);
  free(in);
}

static void check_rates(const char* name, double latency_ms)
{
  maudio_model* const model = network_open(name);
  maudio_model_info   info;
  maudio_model_get_info(model, &info);
  assert_true(info.latency_ms == latency_ms);
  for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
    const size_t         n       = (size_t)(0.5 * network_rates[r]);
    float* const         in      = network_signal(n, network_rates[r], 3);
    float* const         out     = network_floats(n);
    maudio_stream* const stream  = network_stream(model, network_rates[r], 1);
    const size_t         latency = maudio_stream_latency(stream);
    const double         ms      = 1000.0 * (double)latency / network_rates[r];
    assert_true(ms <= info.latency_ms && ms > info.latency_ms - 0.3);

    network_process(stream, 1, (const float* const*)&in, &out, n, 0);
    assert_int_equal(maudio_stream_latency(stream), latency);
    double energy = 0.0;
    for (size_t i = 0; i < n; ++i) {
      assert_true(isfinite(out[i]));
      energy += (double)out[i] * out[i];
    }
    assert_true(energy / (double)n > 1e-6);
    maudio_stream_free(stream);
    free(out);
    free(in);
  }
  maudio_model_free(model);
}

static void every_rate_runs_within_the_nominal_latency(void** state)
{
  (void)state;
  check_rates("bands", 16.0);
  check_rates("ahead", 40.0);
}

static void a_mask_of_one_restores_the_input(void** state)
{
  (void)state;
  maudio_model* const model = network_open_constant("bands", 1.0f);
  for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
    const size_t         n       = (size_t)(0.3 * network_rates[r]);
    float* const         in      = network_signal(n, network_rates[r], 4);
    float* const         out     = network_floats(n);
    maudio_stream* const stream  = network_stream(model, network_rates[r], 1);
    const size_t         latency = maudio_stream_latency(stream);
    network_process(stream, 1, (const float* const*)&in, &out, n, 100);
    char what[32];
    snprintf(what, sizeof what, "restored, %.0f Hz", network_rates[r]);
    golden_compare(what, out + latency, in, n - latency, 2e-6f);
    assert_true(maudio_stream_reduction_db(stream) < 1e-4f);
    maudio_stream_free(stream);
    free(out);
    free(in);
  }
  maudio_model_free(model);
}

static void every_window_restores_the_input(void** state)
{
  (void)state;
  static const double   windows[][2] = {{16, 8},  {32, 4},  {20, 2.5},
                                        {22, 11}, {6, 0.5}, {100, 1}};
  static const unsigned lookahead[]  = {0, 1, 5, 2, 16, 3};
  static const double   hz[]         = {16000, 44100, 48000};
  for (size_t w = 0; w < sizeof windows / sizeof windows[0]; ++w) {
    maudio_model* const model =
      network_make_constant(windows[w][0], windows[w][1], lookahead[w], 1.0f);
    for (size_t r = 0; r < 3; ++r) {
      const size_t         n       = 5000;
      float* const         in      = network_signal(n, hz[r], 4);
      float* const         out     = network_run(model, hz[r], in, n, 0);
      maudio_stream* const stream  = network_stream(model, hz[r], 1);
      const size_t         latency = maudio_stream_latency(stream);
      char                 what[96];
      snprintf(what, sizeof what, "window %g ms, hop %g ms, %.0f Hz",
               windows[w][0], windows[w][1], hz[r]);
      golden_compare(what, out + latency, in, n - latency, 2e-6f);
      maudio_stream_free(stream);
      free(out);
      free(in);
    }
    maudio_model_free(model);
  }
}

static void check_stereo(const char* name)
{
  const size_t         n        = 12000;
  maudio_model* const  model    = network_open(name);
  float* const         left     = network_signal(n, 48000, 8);
  float* const         right    = network_floats(n);
  float* const         outs[]   = {network_floats(n), network_floats(n)};
  float* const         mono     = network_run(model, 48000, left, n, 64);
  maudio_stream* const stream   = network_stream(model, 48000, 2);
  const float*         same[]   = {left, left};
  const float*         panned[] = {left, right};

  // Twice the same is the same as once
  network_process(stream, 2, same, outs, n, 64);
  assert_memory_equal(outs[0], outs[1], n * sizeof(float));
  golden_compare("two equal channels", outs[0], mono, n, 1e-6f);

  // A channel that is a scaled copy stays one: the image does not move
  for (size_t i = 0; i < n; ++i) {
    right[i] = -0.5f * left[i];
  }
  maudio_stream_reset(stream);
  network_process(stream, 2, panned, outs, n, 0);
  for (size_t i = 0; i < n; ++i) {
    assert_true(fabsf(outs[1][i] + 0.5f * outs[0][i]) < 1e-6f);
  }

  // Channels that cancel are no reason to fall silent
  for (size_t i = 0; i < n; ++i) {
    right[i] = -left[i];
  }
  maudio_stream_reset(stream);
  network_process(stream, 2, panned, outs, n, 0);
  golden_compare("two opposed channels", outs[0], mono, n, 1e-6f);

  maudio_stream_free(stream);
  free(mono);
  free(outs[1]);
  free(outs[0]);
  free(right);
  free(left);
  maudio_model_free(model);
}

static void stereo_shares_one_mask(void** state)
{
  (void)state;
  check_stereo("bands");
  check_stereo("ahead");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(networks_agree_with_pytorch),
    cmocka_unit_test(kernels_agree),
    cmocka_unit_test(every_rate_runs_within_the_nominal_latency),
    cmocka_unit_test(a_mask_of_one_restores_the_input),
    cmocka_unit_test(every_window_restores_the_input),
    cmocka_unit_test(stereo_shares_one_mask)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

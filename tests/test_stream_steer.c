/* Streams without latency; calls and parameters are tested with the others */
#include "golden.h"
#include "network.h"
#include "stream.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void agrees_with_pytorch(void** state)
{
  (void)state;
  const size_t n    = NETWORK_SIGNAL;
  golden       file = golden_open("signal_steer");
  float* const x    = golden_read(&file, "x", 1, &n);
  float* const y    = golden_read(&file, "y", 1, &n);
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const model = network_open("steer");
    float* const        out   = network_run(model, 16000, x, n, 64);
    char                what[64];
    snprintf(what, sizeof what, "network steer, %s", (*k)->name);
    golden_compare(what, out, y, n, 2e-6f);
    free(out);
    maudio_model_free(model);
  }
  unsetenv("MAUDIO_KERNELS");
  free(y);
  free(x);
  golden_close(&file);
}

static void kernels_agree(void** state)
{
  (void)state;
  const size_t n         = 24000;
  float* const in        = network_signal(n, 48000, 2);
  float*       reference = NULL;
  for (const maudio_kernels* const* k = golden_kernels(); *k; ++k) {
    setenv("MAUDIO_KERNELS", (*k)->name, 1);
    maudio_model* const model = network_open("steer");
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

static void no_rate_has_latency(void** state)
{
  (void)state;
  maudio_model* const model = network_open("steer");
  maudio_model_info   info;
  maudio_model_get_info(model, &info);
  assert_true(info.latency_ms == 0.0);
  assert_int_equal(info.n_layers, 4);
  assert_string_equal(maudio_model_layer(model, 1), "band_mlp");
  assert_string_equal(maudio_model_layer(model, 2), "mamba2");
  assert_string_equal(maudio_model_layer(model, 3), "mamba");
  assert_null(maudio_model_layer(model, 4));
  for (size_t r = 0; r < NETWORK_N_RATES; ++r) {
    const size_t         n      = (size_t)(0.2 * network_rates[r]);
    float* const         in     = network_signal(n, network_rates[r], 3);
    float* const         out    = network_floats(n);
    maudio_stream* const stream = network_stream(model, network_rates[r], 1);
    assert_int_equal(maudio_stream_latency(stream), 0);
    network_process(stream, 1, (const float* const*)&in, &out, n, 0);
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

static void an_impulse_changes_nothing_before_it(void** state)
{
  (void)state;
  static const double hz[]     = {16000, 44100, 48000, 96000};
  static const size_t places[] = {0, 31, 1000, 1015, 1016, 1600, 2999};
  const size_t        n        = 3000;
  maudio_model* const model    = network_open("steer");
  for (size_t r = 0; r < sizeof hz / sizeof *hz; ++r) {
    float* const in    = network_signal(n, hz[r], 4);
    float* const plain = network_run(model, hz[r], in, n, 0);
    for (size_t p = 0; p < sizeof places / sizeof *places; ++p) {
      const size_t at  = places[p];
      const float  old = in[at];
      in[at] += 0.5f;
      float* const out = network_run(model, hz[r], in, n, 100);
      assert_memory_equal(out, plain, at * sizeof *out);
      assert_true(fabsf(out[at] - plain[at]) > 1e-3f); // And that at once
      in[at] = old;
      free(out);
    }
    free(plain);
    free(in);
  }
  maudio_model_free(model);
}

static void two_channels_share_what_steers_them(void** state)
{
  (void)state;
  const size_t         n         = 12000;
  maudio_model* const  model     = network_open("steer");
  float* const         left      = network_signal(n, 48000, 8);
  float* const         right     = network_signal(n, 48000, 9);
  float* const         outs[]    = {network_floats(n), network_floats(n)};
  float* const         crossed[] = {network_floats(n), network_floats(n)};
  float* const         mono      = network_run(model, 48000, left, n, 64);
  maudio_stream* const stream    = network_stream(model, 48000, 2);

  // Twice the same is the same as once
  network_process(stream, 2, (const float*[]){left, left}, outs, n, 64);
  assert_memory_equal(outs[0], outs[1], n * sizeof(float));
  golden_compare("two equal channels", outs[0], mono, n, 1e-5f);

  // Neither side is another than the other
  maudio_stream_reset(stream);
  network_process(stream, 2, (const float*[]){left, right}, outs, n, 0);
  maudio_stream_reset(stream);
  network_process(stream, 2, (const float*[]){right, left}, crossed, n, 1);
  golden_compare("left and right", outs[0], crossed[1], n, 1e-5f);
  golden_compare("right and left", outs[1], crossed[0], n, 1e-5f);
  maudio_stream_free(stream);
  free(mono);
  free(crossed[1]);
  free(crossed[0]);
  free(outs[1]);
  free(outs[0]);
  free(right);
  free(left);
  maudio_model_free(model);
}

static void blocks_of_two_channels_do_not_change_a_bit(void** state)
{
  (void)state;
  static const size_t  blocks[] = {1, 7, 48, 1000};
  const size_t         n        = 9000;
  maudio_model* const  model    = network_make_steer();
  float* const         in[]     = {network_signal(n, 44100, 1),
                                   network_signal(n, 44100, 2)};
  float* const         whole[]  = {network_floats(n), network_floats(n)};
  float* const         cut[]    = {network_floats(n), network_floats(n)};
  maudio_stream* const stream   = network_stream(model, 44100, 2);
  network_process(stream, 2, (const float* const*)in, whole, n, n);
  const float reduction_db = maudio_stream_reduction_db(stream);
  for (size_t b = 0; b < sizeof blocks / sizeof *blocks; ++b) {
    maudio_stream_reset(stream);
    network_process(stream, 2, (const float* const*)in, cut, n, blocks[b]);
    assert_memory_equal(cut[0], whole[0], n * sizeof(float));
    assert_memory_equal(cut[1], whole[1], n * sizeof(float));
    assert_true(maudio_stream_reduction_db(stream) == reduction_db);
  }
  maudio_stream_free(stream);
  for (size_t c = 0; c < 2; ++c) {
    free(cut[c]);
    free(whole[c]);
    free(in[c]);
  }
  maudio_model_free(model);
}

static void attenuation_is_limited(void** state)
{
  (void)state;
  const size_t         n      = 6000;
  maudio_model* const  model  = network_open("steer");
  maudio_stream* const stream = network_stream(model, 16000, 1);
  float* const         in     = network_signal(n, 16000, 5);
  float* const         out    = network_floats(n);
  float* const         full   = network_run(model, 16000, in, n, 100);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 12.0f);
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  const float floor = powf(10.0f, -12.0f / 20.0f);
  for (size_t i = 0; i < n; ++i) {
    const float expected = full[i] + floor * (in[i] - full[i]);
    assert_true(fabsf(out[i] - expected) < 1e-6f);
  }

  maudio_stream_reset(stream);
  maudio_stream_set(stream, MAUDIO_PARAM_MAX_ATTENUATION_DB, 0.0f);
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  assert_memory_equal(out, in, n * sizeof *in);
  assert_true(maudio_stream_reduction_db(stream) == 0.0f);
  free(full);
  free(out);
  free(in);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

static void reduction_is_that_of_the_last_hop(void** state)
{
  (void)state;
  const size_t         n      = 3200;
  maudio_model* const  model  = network_open("steer");
  maudio_stream* const stream = network_stream(model, 16000, 1);
  float* const         in     = network_signal(n, 16000, 5);
  float* const         out    = network_floats(n);
  network_process(stream, 1, (const float* const*)&in, &out, n, 64);
  double before = 0.0;
  double after  = 0.0;
  for (size_t i = n - stream->spectral.hop; i < n; ++i) {
    before += (double)in[i] * in[i];
    after += (double)out[i] * out[i];
  }
  const double reduction_db = fmax(0.0, 10.0 * log10(before / after));
  assert_true(fabs(maudio_stream_reduction_db(stream) - reduction_db) < 1e-3);
  free(out);
  free(in);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

/// Save amid hops, before and after the delay, and continue elsewhere
static void a_state_continues_to_the_last_bit(void** state)
{
  (void)state;
  static const size_t  breaks[] = {0, 5, 64, 1001, 1010, 1024, 3000};
  const size_t         n        = 5000;
  maudio_model* const  model    = network_open("steer");
  maudio_stream* const stream   = network_stream(model, 44100, 1);
  maudio_stream* const other    = network_stream(model, 44100, 1);
  float* const         in       = network_signal(n, 44100, 5);
  float* const         out      = network_floats(n);
  float* const         whole    = network_run(model, 44100, in, n, 0);
  const size_t         size     = maudio_stream_state_size(stream);
  void* const          saved    = malloc(size);
  assert_non_null(saved);
  for (size_t b = 0; b < sizeof breaks / sizeof *breaks; ++b) {
    const size_t       at   = breaks[b];
    const float* const rest = in + at;
    float* const       to   = out + at;
    maudio_stream_reset(stream);
    network_process(stream, 1, (const float* const*)&in, &out, at, 0);
    maudio_stream_save_state(stream, saved);
    assert_int_equal(maudio_stream_load_state(other, saved, size),
                     MAUDIO_SUCCESS);
    network_process(other, 1, &rest, &to, n - at, 17);
    assert_memory_equal(out, whole, n * sizeof *out);
  }

  // What cannot be
  maudio_stream_scalars scalars;
  char* const           at = (char*)saved + sizeof(maudio_state_header);
  memcpy(&scalars, at, sizeof scalars);
  scalars.has_hop = 2;
  memcpy(at, &scalars, sizeof scalars);
  assert_int_equal(maudio_stream_load_state(other, saved, size),
                   MAUDIO_ERR_BAD_STATE);
  free(saved);
  free(whole);
  free(out);
  free(in);
  maudio_stream_free(other);
  maudio_stream_free(stream);
  maudio_model_free(model);
}

static void an_effect_changes_to_it_and_back(void** state)
{
  (void)state;
  const size_t        n        = 48000;
  maudio_model* const models[] = {network_open("bands"), network_open("steer")};
  maudio_stream* const slow    = network_stream(models[0], 48000, 1);
  maudio_stream* const zero    = network_stream(models[1], 48000, 1);
  float* const         in      = network_signal(n, 48000, 5);
  float* const         out     = network_floats(n);
  float* const         alone   = network_run(models[1], 48000, in, n, 64);
  maudio_effect*       effect  = NULL;
  assert_int_equal(maudio_effect_new(48000, 1, slow, &effect, NULL),
                   MAUDIO_SUCCESS);
  assert_int_equal(maudio_effect_latency(effect), 2 * 384);
  maudio_effect_process(effect, (const float* const*)&in, &out, 100);
  assert_null(maudio_effect_play(effect, zero));
  maudio_effect_process(effect, (const float* const*)&in, &out, 9600);
  assert_int_equal(maudio_effect_latency(effect), 0);
  assert_ptr_equal(maudio_effect_retired(effect), slow);

  maudio_effect_reset(effect);
  maudio_effect_process(effect, (const float* const*)&in, &out, n);
  assert_memory_equal(out, alone, n * sizeof *out);
  assert_null(maudio_effect_play(effect, slow));
  maudio_effect_process(effect, (const float* const*)&in, &out, 9600);
  assert_int_equal(maudio_effect_latency(effect), 2 * 384);
  maudio_effect_free(effect);
  free(alone);
  free(out);
  free(in);
  maudio_stream_free(zero);
  maudio_stream_free(slow);
  maudio_model_free(models[1]);
  maudio_model_free(models[0]);
}

static void int8_runs(void** state)
{
  (void)state;
  const size_t        n     = 8000;
  maudio_model* const model = network_open("steer");
  maudio_model* const small = network_open_int8("steer");
  float* const        in    = network_signal(n, 16000, 5);
  float* const        exact = network_run(model, 16000, in, n, 64);
  float* const        out   = network_run(small, 16000, in, n, 64);
  double              error = 0.0;
  double              power = 0.0;
  for (size_t i = 0; i < n; ++i) {
    error += ((double)out[i] - exact[i]) * ((double)out[i] - exact[i]);
    power += (double)exact[i] * exact[i];
  }
  print_message("int8: %.1f dB\n", 10 * log10(power / error));
  assert_true(error < 1e-3 * power);
  assert_true(error > 0.0);
  free(out);
  free(exact);
  free(in);
  maudio_model_free(small);
  maudio_model_free(model);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(agrees_with_pytorch),
    cmocka_unit_test(kernels_agree),
    cmocka_unit_test(no_rate_has_latency),
    cmocka_unit_test(an_impulse_changes_nothing_before_it),
    cmocka_unit_test(two_channels_share_what_steers_them),
    cmocka_unit_test(blocks_of_two_channels_do_not_change_a_bit),
    cmocka_unit_test(attenuation_is_limited),
    cmocka_unit_test(reduction_is_that_of_the_last_hop),
    cmocka_unit_test(a_state_continues_to_the_last_bit),
    cmocka_unit_test(an_effect_changes_to_it_and_back),
    cmocka_unit_test(int8_runs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

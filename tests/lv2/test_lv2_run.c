#include "host.h"
#include "network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE 48000.0

static const double rates[] = {8000,  11025, 16000, 22050,  32000, 44100,
                               48000, 88200, 96000, 176400, 192000};

static const size_t blocks[] = {0, 1, 17, 64, 512, 8192};

static maudio_model* open_preset(const char* name)
{
  char          path[512];
  maudio_model* model = NULL;
  assert_int_equal(maudio_preset_find(name, path, sizeof path, NULL), 0);
  assert_int_equal(maudio_model_open(path, &model, NULL), 0);
  return model;
}

static float* zeros(size_t n)
{
  float* const x = (float*)calloc(n + 1, sizeof *x);
  assert_non_null(x);
  return x;
}

/// The plugin against a stream by itself, two channels that differ
static void check_equals_stream(const maudio_model* model,
                                const char*         uri,
                                double              rate_hz,
                                size_t              block)
{
  const unsigned     n_channels = strcmp(uri, HOST_MONO) ? 2 : 1;
  const size_t       n          = (size_t)(0.3 * rate_hz);
  float* const       left       = network_signal(n, rate_hz, 1);
  float* const       right      = network_signal(n, rate_hz, 2);
  float* const       wanted     = zeros(2 * n);
  float* const       found      = zeros(2 * n);
  const float* const in[]       = {left, right};
  float* const       outs[]     = {wanted, wanted + n};
  float* const       plugged[]  = {found, found + n};

  maudio_stream* const stream = network_stream(model, rate_hz, n_channels);
  maudio_stream_process(stream, in, outs, n);
  host* const h = host_new(uri, rate_hz, HOST_NO_WORKER);
  assert_non_null(h);
  host_process(h, in, plugged, n, block);
  assert_memory_equal(found, wanted, 2 * n * sizeof *found);
  assert_true(*host_port(h, PORT_LATENCY) ==
              (float)maudio_stream_latency(stream));
  assert_true(*host_port(h, PORT_REDUCTION) ==
              maudio_stream_reduction_db(stream));
  assert_true(*host_port(h, PORT_LOAD) > 0.0f);

  host_free(h);
  maudio_stream_free(stream);
  free(found);
  free(wanted);
  free(right);
  free(left);
}

static void equals_the_stream_at_any_rate(void** state)
{
  (void)state;
  maudio_model* const model = open_preset("voice");
  for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r) {
    check_equals_stream(model, HOST_MONO, rates[r], 0);
    check_equals_stream(model, HOST_STEREO, rates[r], 0);
  }
  maudio_model_free(model);
}

static void equals_the_stream_in_any_blocks(void** state)
{
  (void)state;
  maudio_model* const model = open_preset("voice");
  for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
    check_equals_stream(model, HOST_MONO, 44100, blocks[b]);
    check_equals_stream(model, HOST_STEREO, RATE, blocks[b]);
  }
  maudio_model_free(model);
}

/// A preset by its number on the port, against a stream of it by itself
static void check_preset(const char* name, float number, float latency)
{
  const size_t         n      = 9600;
  maudio_model* const  model  = open_preset(name);
  float* const         x      = network_signal(n, RATE, 1);
  float* const         wanted = zeros(n);
  float* const         found  = zeros(n);
  const float* const   in[]   = {x};
  maudio_stream* const stream = network_stream(model, RATE, 1);
  maudio_stream_process(stream, in, (float* const[]){wanted}, n);

  host* const h              = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  *host_port(h, PORT_PRESET) = number;
  host_run(h, in, (float* const[]){found}, 0);
  assert_true(*host_port(h, PORT_LATENCY) == latency);
  host_process(h, in, (float* const[]){found}, n, 0);
  assert_memory_equal(found, wanted, n * sizeof *found);
  host_free(h);
  maudio_stream_free(stream);
  free(found);
  free(wanted);
  free(x);
  maudio_model_free(model);
}

static void the_preset_port_decides_from_the_first_frame(void** state)
{
  (void)state;
  check_preset("voice-live", 1.0f, 384.0f);
  check_preset("voice-zero", 2.0f, 0.0f);
  check_preset("voice-studio", 3.0f, 1536.0f);
  check_preset("voice-stage", 4.0f, 768.0f);
}

static void buffers_may_be_shared(void** state)
{
  (void)state;
  const size_t n    = 4800;
  float* const x    = network_signal(n, RATE, 3);
  float* const y    = zeros(n);
  host* const  h    = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  host* const  same = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  host_process(h, (const float* const[]){x}, (float* const[]){y}, n, 64);
  host_process(same, (const float* const[]){x}, (float* const[]){x}, n, 64);
  assert_memory_equal(x, y, n * sizeof *x);
  host_free(same);
  host_free(h);
  free(y);
  free(x);
}

/// Greatest step between samples in [begin, end)
static float greatest_step(const float* x, size_t begin, size_t end)
{
  float greatest = 0.0f;
  for (size_t i = begin + 1; i < end; ++i) {
    const float step = fabsf(x[i] - x[i - 1]);
    greatest         = step > greatest ? step : greatest;
  }
  return greatest;
}

/// A sine that the presets and the bypass let through at different levels
static float* sine(size_t n)
{
  float* const x = zeros(n);
  for (size_t i = 0; i < n; ++i) {
    x[i] = 0.3f * (float)sin(2.0 * 3.14159265358979 * 440.0 * (double)i / RATE);
  }
  return x;
}

static void bypass_is_the_delayed_input_without_a_click(void** state)
{
  (void)state;
  const size_t       n    = 96000;
  const size_t       half = n / 2;
  float* const       x    = sine(n);
  float* const       y    = zeros(n);
  host* const        h    = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  const float* const in[] = {x};
  host_process(h, in, (float* const[]){y}, half, 64);
  const float latency         = *host_port(h, PORT_LATENCY);
  *host_port(h, PORT_ENABLED) = 0.0f;
  host_process(h, (const float* const[]){x + half}, (float* const[]){y + half},
               half, 64);
  assert_true(*host_port(h, PORT_LATENCY) == latency);
  assert_true(latency == 1536.0f);
  const size_t settled = half + 960;
  assert_memory_equal(y + settled, x + settled - 1536,
                      (n - settled) * sizeof *y);
  assert_true(
    memcmp(y + half - 9600, x + half - 9600 - 1536, 9600 * sizeof *y) != 0);
  const float steady = greatest_step(x, 0, n);
  assert_true(greatest_step(y, half - 100, settled) <= 1.1f * steady);
  host_free(h);
  free(y);
  free(x);
}

static void a_change_of_preset_does_not_click(void** state)
{
  (void)state;
  static const float latency[] = {1536.0f, 384.0f, 0.0f, 1536.0f};
  const size_t       n         = 144000;
  float* const       x         = sine(n);
  float* const       y         = zeros(n);
  host* const        h         = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  for (unsigned i = 0; i < 8; ++i) {
    const size_t at            = i * n / 8;
    *host_port(h, PORT_PRESET) = (float)(i % 4);
    host_process(h, (const float* const[]){x + at}, (float* const[]){y + at},
                 n / 8, 128);
    assert_true(*host_port(h, PORT_LATENCY) == latency[i % 4]);
  }
  const float steady = greatest_step(x, 0, n);
  assert_true(greatest_step(y, 0, n) <= 1.2f * steady);
  host_free(h);
  free(y);
  free(x);
}

/// Back and forth faster than a change takes: the last word counts
static void changes_of_preset_may_come_in_a_hurry(void** state)
{
  (void)state;
  const size_t n = 48000;
  float* const x = network_signal(n, RATE, 5);
  float* const y = zeros(n);
  host* const  h = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  for (size_t i = 0; i < 100; ++i) {
    *host_port(h, PORT_PRESET) = (float)(i % 2);
    host_run(h, (const float* const[]){x + 64 * i}, (float* const[]){y}, 64);
  }
  host_process(h, (const float* const[]){x + 6400}, (float* const[]){y},
               n - 6400, 64);
  assert_true(*host_port(h, PORT_LATENCY) == 384.0f);
  host_free(h);
  free(y);
  free(x);
}

static void controls_may_be_anything(void** state)
{
  (void)state;
  static const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0.0f};
  const size_t       n        = 480;
  float* const       x        = network_signal(n, RATE, 6);
  float* const       y        = zeros(n);
  host* const        h        = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  for (unsigned p = PORT_ENABLED; p <= PORT_PRESET; ++p) {
    const float kept = *host_port(h, (port_index)p);
    for (size_t v = 0; v < sizeof values / sizeof values[0]; ++v) {
      *host_port(h, (port_index)p) = values[v];
      host_process(h, (const float* const[]){x}, (float* const[]){y}, n, 0);
      for (size_t i = 0; i < n; ++i) {
        assert_true(isfinite(y[i]));
      }
    }
    *host_port(h, (port_index)p) = kept;
  }
  host_free(h);
  free(y);
  free(x);
}

static void bursts_of_bad_samples_pass(void** state)
{
  (void)state;
  const size_t n     = 48000;
  float* const x     = network_signal(n, RATE, 7);
  float* const clean = zeros(n);
  float* const y     = zeros(n);
  memcpy(clean, x, n * sizeof *x);
  for (size_t i = 4800; i < 5280; ++i) {
    x[i]     = i % 3 ? NAN : i % 2 ? INFINITY : -INFINITY;
    clean[i] = 0.0f;
  }
  host* const h   = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  host* const ref = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  host_process(h, (const float* const[]){x}, (float* const[]){y}, n, 64);
  host_process(ref, (const float* const[]){clean}, (float* const[]){clean}, n,
               64);
  assert_memory_equal(y, clean, n * sizeof *y);
  host_free(ref);
  host_free(h);
  free(y);
  free(clean);
  free(x);
}

/// Numbers too small for fast arithmetic cost no more than others
static void tiny_samples_are_not_slow(void** state)
{
  (void)state;
  const size_t n = 96000;
  float* const x = network_signal(n, RATE, 8);
  float* const y = zeros(n);
  host* const  h = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  float        loads[2];
  for (unsigned is_tiny = 0; is_tiny < 2; ++is_tiny) {
    for (size_t i = 0; is_tiny && i < n; ++i) {
      x[i] *= 1e-40f;
    }
    host_process(h, (const float* const[]){x}, (float* const[]){y}, n, 512);
    loads[is_tiny] = *host_port(h, PORT_LOAD);
    for (size_t i = 0; i < n; ++i) {
      assert_true(isfinite(y[i]));
    }
  }
  print_message("load %.2f %%, tiny samples %.2f %%\n", (double)loads[0],
                (double)loads[1]);
  // Without the fast mode it is tens of times as much; the rest is noise
  assert_true(loads[1] < 5.0f * loads[0] + 1.0f);
  host_free(h);
  free(y);
  free(x);
}

static void activation_forgets(void** state)
{
  (void)state;
  const size_t       n    = 9600;
  float* const       x    = network_signal(n, RATE, 9);
  float* const       y    = zeros(n);
  float* const       z    = zeros(n);
  const float* const in[] = {x};
  host* const        h    = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  host_process(h, in, (float* const[]){y}, n, 0);
  lilv_instance_deactivate(host_instance(h));
  lilv_instance_activate(host_instance(h));
  host_process(h, in, (float* const[]){z}, n, 0);
  assert_memory_equal(y, z, n * sizeof *y);
  host_free(h);
  free(z);
  free(y);
  free(x);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(equals_the_stream_at_any_rate),
    cmocka_unit_test(equals_the_stream_in_any_blocks),
    cmocka_unit_test(the_preset_port_decides_from_the_first_frame),
    cmocka_unit_test(buffers_may_be_shared),
    cmocka_unit_test(bypass_is_the_delayed_input_without_a_click),
    cmocka_unit_test(a_change_of_preset_does_not_click),
    cmocka_unit_test(changes_of_preset_may_come_in_a_hurry),
    cmocka_unit_test(controls_may_be_anything),
    cmocka_unit_test(bursts_of_bad_samples_pass),
    cmocka_unit_test(tiny_samples_are_not_slow),
    cmocka_unit_test(activation_forgets),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "generators.h"
#include "host.h"
#include "network.h"
#include "rt_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BANDS MAUDIO_TEST_DIR "/golden/network_bands.safetensors"

/// Everything an audio thread calls, watched: changes of every port, of the
/// preset and of the file, bypass, failures
static void check_calls(const char* uri, double rate_hz)
{
  const size_t       n     = 4096;
  float* const       x     = network_signal(n, rate_hz, 1);
  float* const       y     = (float*)calloc(2 * n, sizeof *y);
  const float* const in[]  = {x, x};
  float* const       out[] = {y, y + n};
  host* const        h     = host_new(uri, rate_hz, HOST_DEFERRED);
  assert_non_null(h);
  host_watch(h, rt_guard_enter, rt_guard_leave);

  static const char* const files[]  = {BANDS, "", "/nonexistent", BANDS, NULL};
  unsigned                 n_orders = 0;
  for (unsigned i = 0; i < 60; ++i) {
    *host_port(h, PORT_STRENGTH)        = (float)(i % 5) / 4.0f;
    *host_port(h, PORT_MAX_ATTENUATION) = (float)(i % 7) * 16.0f;
    *host_port(h, PORT_MIX)             = (float)(i % 3) / 2.0f;
    *host_port(h, PORT_OUTPUT_GAIN)     = (float)(i % 11) - 5.0f;
    *host_port(h, PORT_ENABLED)         = i % 6 ? 1.0f : 0.0f;
    *host_port(h, PORT_PRESET)          = (float)(i / 8 % 3);
    if (i % 4 == 1) {
      host_set_model(h, files[i / 4 % 5]);
    } else if (i % 4 == 3) {
      host_get_model(h);
    }
    host_process(h, in, out, n, i % 2 ? 0 : 256);
    if (i % 3 == 2) {
      n_orders += host_work(h);
    }
  }
  assert_true(n_orders > 6);
  assert_int_equal(host_watched(h), 0);
  host_free(h);
  free(y);
  free(x);
}

/// The same of the generator, and notes
static void check_generator_calls(double rate_hz)
{
  float* const y = (float*)calloc(4096, sizeof *y);
  host* const  h = host_new(HOST_GENERATOR, rate_hz, HOST_DEFERRED);
  assert_non_null(h);
  host_watch(h, rt_guard_enter, rt_guard_leave);

  static const char* const files[]  = {TIERS, "", "/nonexistent", BANDS, NULL};
  unsigned                 n_orders = 0;
  for (unsigned i = 0; i < 60; ++i) {
    *host_port(h, PORT_SEED)        = (float)i;
    *host_port(h, PORT_TEMPERATURE) = (float)(i % 5) / 2.0f;
    *host_port(h, PORT_TOP_P)       = (float)(i % 3) / 2.0f;
    *host_port(h, PORT_OUTPUT_GAIN) = (float)(i % 11) - 5.0f;
    *host_port(h, PORT_ENABLED)     = i % 6 ? 1.0f : 0.0f;
    *host_port(h, PORT_GATE)        = (float)(i / 16 % 2);
    *host_port(h, PORT_RETRIGGER)   = i % 9 ? 0.0f : 1.0f;
    *host_port(h, PORT_PRESET)      = (float)(i / 8 % 2);
    host_send_midi(h, i, (const uint8_t[]){i % 2 ? 0x80 : 0x90, 60, 64});
    if (i % 4 == 1) {
      host_set_model(h, files[i / 4 % 5]);
    } else if (i % 4 == 3) {
      host_get_model(h);
    }
    host_process(h, NULL, (float* const[]){y}, 4096, i % 2 ? 0 : 256);
    if (i % 3 == 2) {
      n_orders += host_work(h);
    }
  }
  assert_true(n_orders > 6);
  assert_int_equal(host_watched(h), 0);
  host_free(h);
  free(y);
}

static void the_guard_sees_planted_calls(void** state)
{
  (void)state;
  static void* (*volatile planted)(size_t) = malloc;
  rt_guard_enter();
  free(planted(10));
  assert_int_equal(rt_guard_leave(), 2);
}

static void the_audio_thread_neither_allocates_nor_locks(void** state)
{
  (void)state;
  static const double rates[] = {8000, 44100, 48000, 192000};
  for (size_t r = 0; r < sizeof rates / sizeof rates[0]; ++r) {
    check_calls(HOST_MONO, rates[r]);
    check_calls(HOST_STEREO, rates[r]);
    check_generator_calls(rates[r]);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_guard_sees_planted_calls),
    cmocka_unit_test(the_audio_thread_neither_allocates_nor_locks)};
  return cmocka_run_group_tests(tests, generators_make, generators_remove);
}

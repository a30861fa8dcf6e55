/* Models, streams, effects and generators are made and freed again and again:
   run by itself, by AddressSanitizer, and with fewer cycles by valgrind. Usage:
   test_lifecycle [CYCLES] */
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned long n_cycles = 2000;

static void everything_can_be_made_again(void** state)
{
  (void)state;
  static const char* const names[] = {"whole", "bands", "steer", "filter",
                                      "ahead"};
  static const double      rates[] = {8000, 44100, 16000, 48000};
  const size_t             n       = 2000;
  float* const             in      = network_signal(n, 48000, 1);
  float* const             out     = (float*)calloc(2 * n, sizeof(float));
  assert_non_null(out);
  const float* const ins[]  = {in, in};
  float* const       outs[] = {out, out + n};
  for (unsigned long i = 0; i < n_cycles; ++i) {
    const double         rate_hz = rates[i % 4];
    const unsigned       c       = 1 + i % 2;
    maudio_model* const  model   = network_open(names[i % 5]);
    maudio_stream* const first   = network_stream(model, rate_hz, c);
    maudio_stream* const second  = network_stream(model, rate_hz, c);
    maudio_effect*       effect  = NULL;
    assert_int_equal(maudio_effect_new(rate_hz, c, first, &effect, NULL),
                     MAUDIO_SUCCESS);
    maudio_effect_process(effect, ins, outs, i * 37 % n);
    assert_null(maudio_effect_play(effect, second));
    maudio_effect_process(effect, ins, outs, i * 73 % n);
    // In whatever state it is now
    maudio_effect_free(effect);
    maudio_stream_free(second);
    maudio_stream_free(first);
    maudio_model_free(model);
  }
  free(out);
  free(in);
}

static void generators_can_be_made_again(void** state)
{
  (void)state;
  for (unsigned long i = 0; i < n_cycles / 10; ++i) {
    float                   out[100];
    maudio_model* const     model = network_make_tiers();
    maudio_generator* const first = network_generator(model);
    maudio_generator* const other = network_generator(model);
    maudio_generator_run(first, out, i % 100);
    maudio_generator_prompt(other, out, i % 100);
    maudio_generator_free(first);
    maudio_generator_run(other, out, i * 7 % 100);
    maudio_generator_free(other);
    maudio_model_free(model);
  }
}

int main(int argc, char** argv)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(everything_can_be_made_again),
    cmocka_unit_test(generators_can_be_made_again)};
  if (argc > 1) {
    n_cycles = strtoul(argv[1], NULL, 10);
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}

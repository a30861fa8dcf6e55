#include "generators.h"
#include "host.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE GENERATORS_RATE
#define N 16000

/// Frames in which a step that was avoided has died away
#define N_REST 500

#define BANDS MAUDIO_TEST_DIR "/golden/network_bands.safetensors"

static float out[N];
static float again[N];

static host* make(double rate_hz)
{
  host* const h = host_new(HOST_GENERATOR, rate_hz, HOST_DEFERRED);
  assert_non_null(h);
  return h;
}

static void run(host* h, float* to, size_t n, size_t block)
{
  host_process(h, NULL, (float* const[]){to}, n, block);
}

static void note_on(host* h, uint32_t frame, uint8_t note)
{
  host_send_midi(h, frame, (const uint8_t[]){0x90, note, 100});
}

static void note_off(host* h, uint32_t frame, uint8_t note)
{
  host_send_midi(h, frame, (const uint8_t[]){0x80, note, 0});
}

/// What a preset makes up is heard from `at` on
static void check_plays(const char* preset, uint64_t seed, const float* at)
{
  float* const made = generators_run(preset, seed, 2 * (size_t)N_REST);
  for (size_t i = N_REST; i < (size_t)2 * N_REST; ++i) {
    assert_true(fabsf(at[i] - made[i]) < 1e-5f);
  }
  free(made);
}

static void check_silent(const float* x, size_t n)
{
  for (size_t i = 0; i < n; ++i) {
    assert_true(x[i] == 0.0f);
  }
}

static void equals_the_generator_in_any_blocks(void** state)
{
  (void)state;
  static const size_t blocks[] = {0, 1, 17, 64, 512, 8192};
  float* const        made     = generators_run("percussion", 42, N);
  for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; ++b) {
    host* const h            = make(RATE);
    *host_port(h, PORT_SEED) = 42.0f;
    run(h, out, N, blocks[b]);
    assert_memory_equal(out, made, sizeof out);
    assert_true(*host_port(h, PORT_LATENCY) == 0.0f);
    assert_true(*host_port(h, PORT_LOAD) > 0.0f);
    host_free(h);
  }
  free(made);
}

static void temperature_and_top_p_are_those_of_the_ports(void** state)
{
  (void)state;
  host* const calm                   = make(RATE);
  host* const few                    = make(RATE);
  *host_port(calm, PORT_TEMPERATURE) = 0.0f;
  *host_port(few, PORT_TOP_P)        = 0.0f;
  run(calm, out, N, 512);
  run(few, again, N, 512);
  assert_memory_equal(out, again, sizeof out); // Both the most probable alone
  host_free(few);
  host_free(calm);
  float* const made = generators_run("percussion", 0, N);
  assert_memory_not_equal(out, made, sizeof out);
  free(made);
}

static void instances_have_random_numbers_of_their_own(void** state)
{
  (void)state;
  host* const a = make(RATE);
  host* const b = make(RATE);
  for (size_t at = 0; at < N; at += 500) {
    run(a, out + at, 500, 100);
    run(b, again + at, 500, 250);
  }
  assert_memory_equal(out, again, sizeof out);
  host_free(b);
  host_free(a);
}

/// At any frame of a block, whatever the note, without a step
static void a_note_begins_anew_at_its_frame(void** state)
{
  (void)state;
  static const uint32_t frames[] = {0, 1, 777, 1999};
  for (size_t i = 0; i < 4; ++i) {
    host* const h            = make(RATE);
    *host_port(h, PORT_SEED) = 5.0f;
    run(h, out, 2000, 2000);
    note_on(h, frames[i], (uint8_t)(36 + i));
    run(h, out + 2000, 4000, 2000);
    const float* const start = out + 2000 + frames[i];
    check_plays("percussion", 5, start);
    assert_true(fabsf(start[0] - start[-1]) < 1e-6f);
    float* const made = generators_run("percussion", 5, 8000);
    assert_memory_equal(out, made, (2000 + frames[i]) * sizeof *out);
    free(made);
    host_free(h);
  }
}

/// At a rate of its own: a note at a frame and a block that begins there
static void notes_are_exact_at_other_rates(void** state)
{
  (void)state;
  host* const one = make(48000.0);
  host* const two = make(48000.0);
  note_on(one, 1111, 60);
  run(one, out, 8000, 8000);
  run(two, again, 1111, 1111);
  note_on(two, 0, 60);
  run(two, again + 1111, 8000 - 1111, 8000);
  assert_memory_equal(out, again, 8000 * sizeof *out);
  assert_true(*host_port(one, PORT_LATENCY) > 0.0f);
  host_free(two);
  host_free(one);
}

static void the_button_begins_anew_when_it_rises(void** state)
{
  (void)state;
  host* const h = make(RATE);
  run(h, out, 3000, 1000);
  *host_port(h, PORT_SEED)      = 9.0f;
  *host_port(h, PORT_RETRIGGER) = 1.0f;
  run(h, out + 3000, 5000, 1000); // Held: once
  check_plays("percussion", 9, out + 3000);
  float* const made = generators_run("percussion", 9, 5000);
  assert_true(fabsf(out[7999] - made[4999]) < 1e-5f);
  free(made);
  *host_port(h, PORT_RETRIGGER) = 0.0f;
  run(h, out, 1000, 1000);
  *host_port(h, PORT_RETRIGGER) = 1.0f;
  run(h, out, 1000, 1000);
  check_plays("percussion", 9, out);
  host_free(h);
}

static void a_gate_lets_through_what_is_held(void** state)
{
  (void)state;
  host* const h               = make(RATE);
  *host_port(h, PORT_GATE)    = 1.0f;
  *host_port(h, PORT_RELEASE) = 50.0f; // 800 frames
  run(h, out, 1000, 100);
  check_silent(out, 1000);

  note_on(h, 10, 60);
  run(h, out, 3000, 3000);
  check_silent(out, 10);
  check_plays("percussion", 0, out + 10);

  note_off(h, 0, 61); // Another note: no matter
  note_off(h, 500, 60);
  run(h, out, 3000, 3000);
  float level = 0.0f;
  for (size_t i = 1200; i < 1300; ++i) {
    level = fmaxf(level, fabsf(out[i]));
  }
  assert_true(level > 0.0f && level < 0.25f);
  check_silent(out + 500 + 800, 1000);

  note_on(h, 0, 62);
  host_send_midi(h, 1000, (const uint8_t[]){0xB0, 123, 0}); // All notes off
  run(h, out, 4000, 4000);
  check_plays("percussion", 0, out);
  check_silent(out + 1800, 2000);

  host_send_midi(h, 0, (const uint8_t[]){0x90, 60, 1});
  host_send_midi(h, 1000, (const uint8_t[]){0x90, 60, 0}); // A note off, too
  run(h, out, 4000, 4000);
  check_silent(out + 1800, 2000);

  *host_port(h, PORT_RETRIGGER) = 1.0f;
  run(h, out, 2000, 1000);
  check_plays("percussion", 0, out);
  *host_port(h, PORT_RETRIGGER) = 0.0f;
  run(h, out, 2000, 1000);
  check_silent(out + 800, 1000);
  host_free(h);
}

static void a_gate_may_open_and_close(void** state)
{
  (void)state;
  host* const h = make(RATE);
  run(h, out, 1000, 100);
  *host_port(h, PORT_GATE) = 1.0f; // Nothing is held
  run(h, out, 4000, 100);
  check_silent(out + 1600, 2000);
  *host_port(h, PORT_GATE) = 0.0f;
  run(h, out, 4000, 100);
  check_plays("percussion", 0, out);
  note_on(h, 0, 60);
  run(h, out, 1000, 100);
  *host_port(h, PORT_GATE) = 1.0f; // The note is held
  float* const made        = generators_run("percussion", 0, 2000);
  run(h, out, 1000, 100);
  assert_memory_equal(out, made + 1000, 1000 * sizeof *out);
  free(made);
  host_free(h);
}

static void when_disabled_it_is_silent_and_goes_on_later(void** state)
{
  (void)state;
  float* const made = generators_run("percussion", 0, N);
  host* const  h    = make(RATE);
  run(h, out, 1000, 100);
  *host_port(h, PORT_ENABLED) = 0.0f;
  run(h, out, 2000, 100);
  assert_true(fabsf(out[0]) <= fabsf(made[1000]) && out[100] != 0.0f);
  check_silent(out + 320, 1680); // After 20 ms
  *host_port(h, PORT_ENABLED) = 1.0f;
  run(h, out, 2000, 100);
  // The block in which it fell silent was computed to its end
  assert_memory_equal(out + 320, made + 1000 + 400 + 320, 1680 * sizeof *out);
  host_free(h);
  free(made);
}

static void the_gain_is_that_of_the_port(void** state)
{
  (void)state;
  float* const made               = generators_run("percussion", 0, 2000);
  host* const  h                  = make(RATE);
  *host_port(h, PORT_OUTPUT_GAIN) = -20.0f;
  run(h, out, 1000, 100);
  for (size_t i = 0; i < 1000; ++i) {
    assert_true(fabsf(out[i] - 0.1f * made[i]) < 1e-6f);
  }
  *host_port(h, PORT_OUTPUT_GAIN) = NAN; // Changes nothing
  run(h, out, 500, 100);
  assert_true(fabsf(out[499] - 0.1f * made[1499]) < 1e-6f);
  *host_port(h, PORT_OUTPUT_GAIN) = 0.0f;
  run(h, out, 500, 100);
  assert_true(fabsf(out[0]) < 0.2f * fabsf(made[1500]));
  assert_memory_equal(out + 320, made + 1820, 180 * sizeof *out);
  host_free(h);
  free(made);
}

static void another_preset_begins_without_a_step(void** state)
{
  (void)state;
  host* const h = make(RATE);
  run(h, out, 2000, 100);
  for (unsigned i = 1; i < 4; ++i) {
    float* const at            = out + (size_t)2000 * i;
    *host_port(h, PORT_PRESET) = (float)(i % 2);
    run(h, at, 2000, 100);
    check_plays(i % 2 ? "piano" : "percussion", 0, at);
    assert_true(fabsf(at[0] - at[-1]) < 1e-6f);
  }
  host_free(h);
}

static void a_model_file_plays_until_another_choice(void** state)
{
  (void)state;
  host* const h              = make(RATE);
  *host_port(h, PORT_PRESET) = 1.0f;
  run(h, out, 1000, 100);
  check_plays("piano", 0, out);
  host_set_model(h, TIERS);
  run(h, out, 100, 100);
  assert_int_equal(host_work(h), 1);
  run(h, out, 100, 100); // Its response
  run(h, out, 2000, 100);
  check_plays("percussion", 0, out);
  assert_string_equal(host_told(h), TIERS);
  host_set_model(h, "");
  run(h, out, 2000, 100);
  check_plays("piano", 0, out);
  assert_string_equal(host_told(h), "");
  assert_int_equal(host_work(h), 1); // The file's sound is freed
  host_free(h);
}

static void a_model_of_another_kind_is_refused(void** state)
{
  (void)state;
  static const struct {
    const char* uri;
    const char* path;
    const char* says;
  } all[] = {{HOST_GENERATOR, BANDS, "does not generate audio"},
             {HOST_MONO, TIERS, "does not remove noise"}};
  for (size_t i = 0; i < 2; ++i) {
    host* const        h    = host_new(all[i].uri, 48000.0, HOST_DEFERRED);
    const float* const in[] = {again};
    assert_non_null(h);
    host_logged();
    host_set_model(h, all[i].path);
    host_process(h, in, (float* const[]){out}, 100, 100);
    assert_int_equal(host_work(h), 1);
    host_process(h, in, (float* const[]){out}, 200, 100);
    const char* const logged = host_logged();
    assert_non_null(strstr(logged, all[i].says));
    assert_ptr_equal(strchr(logged, '\n'), logged + strlen(logged) - 1);
    assert_string_equal(host_told(h), "");
    host_free(h);
  }
}

static void activation_begins_anew(void** state)
{
  (void)state;
  host* const h = make(44100.0);
  run(h, out, 5000, 0);
  lilv_instance_deactivate(host_instance(h));
  lilv_instance_activate(host_instance(h));
  run(h, again, 5000, 64);
  assert_memory_equal(out, again, 5000 * sizeof *out);
  host_free(h);
}

static void odd_messages_and_values_do_no_harm(void** state)
{
  (void)state;
  host* const h = make(RATE);
  for (uint32_t i = 0; i < 200; ++i) {
    host_send_midi(h, i * 31 % 97, // Also after the block, also backwards
                   (const uint8_t[]){(uint8_t)(128 + i % 128), (uint8_t)i, 0});
    *host_port(h, PORT_SEED)    = i % 2 ? NAN : -1e30f;
    *host_port(h, PORT_PRESET)  = i % 3 ? 1e30f : NAN;
    *host_port(h, PORT_RELEASE) = i % 5 ? -1.0f : NAN;
    *host_port(h, PORT_GATE)    = (float)(i % 7);
    run(h, out, 64, i % 2 ? 64 : 0);
    for (size_t k = 0; k < 64; ++k) {
      assert_true(fabsf(out[k]) <= 1.1f);
    }
  }
  host_free(h);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(equals_the_generator_in_any_blocks),
    cmocka_unit_test(temperature_and_top_p_are_those_of_the_ports),
    cmocka_unit_test(instances_have_random_numbers_of_their_own),
    cmocka_unit_test(a_note_begins_anew_at_its_frame),
    cmocka_unit_test(notes_are_exact_at_other_rates),
    cmocka_unit_test(the_button_begins_anew_when_it_rises),
    cmocka_unit_test(a_gate_lets_through_what_is_held),
    cmocka_unit_test(a_gate_may_open_and_close),
    cmocka_unit_test(when_disabled_it_is_silent_and_goes_on_later),
    cmocka_unit_test(the_gain_is_that_of_the_port),
    cmocka_unit_test(another_preset_begins_without_a_step),
    cmocka_unit_test(a_model_file_plays_until_another_choice),
    cmocka_unit_test(a_model_of_another_kind_is_refused),
    cmocka_unit_test(activation_begins_anew),
    cmocka_unit_test(odd_messages_and_values_do_no_harm),
  };
  return cmocka_run_group_tests(tests, generators_make, generators_remove);
}

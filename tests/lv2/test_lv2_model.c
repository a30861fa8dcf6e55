#include "host.h"
#include "model_builder.h"
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE 48000.0
#define BANDS MAUDIO_TEST_DIR "/golden/network_bands.safetensors"
#define WHOLE MAUDIO_TEST_DIR "/golden/network_whole.safetensors"

/// A hop of the networks here: whenever a change comes, hops begin together
#define BLOCK 384

/// More than a change takes
#define N_SETTLE ((size_t)38 * BLOCK)

static char folder[] = "/tmp/maudio-lv2-XXXXXX";
static char voice[64];
static char voice_live[64];
static char voice_zero[64];
static char studio[64];

/// Write a model of random weights, which remembers nothing
static void write_model(const char* path, double hop_ms)
{
  char json[512];
  snprintf(json, sizeof json,
           "{\"format_version\": \"1.0\", \"name\": \"made\","
           " \"task\": \"denoise\", \"front_end\": {\"type\": \"spectral\","
           " \"rate_hz\": 16000, \"window_ms\": 32, \"hop_ms\": %g,"
           " \"compress\": 0.3, \"power_floor\": 1e-10,"
           " \"band_edges\": [0, 257]}, \"d_model\": 8, \"norm_eps\": 1e-5,"
           " \"blocks\": [{\"mixer\": \"band_mlp\", \"d_hidden\": 5}]}",
           hop_ms);
  model_builder* const builder = model_builder_new(json);
  model_builder_add_network(builder);
  size_t         size  = 0;
  uint8_t* const bytes = model_builder_finish(builder, &size);
  FILE* const    file  = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
  free(bytes);
  model_builder_free(builder);
}

/// Presets of these tests: trained ones remember too much to be told apart
static int make_presets(void** state)
{
  (void)state;
  assert_non_null(mkdtemp(folder));
  snprintf(voice, sizeof voice, "%s/voice.safetensors", folder);
  snprintf(voice_live, sizeof voice_live, "%s/voice-live.safetensors", folder);
  snprintf(voice_zero, sizeof voice_zero, "%s/voice-zero.safetensors", folder);
  snprintf(studio, sizeof studio, "%s/voice-studio.safetensors", folder);
  write_model(voice, 8.0);
  write_model(voice_live, 4.0);
  write_model(voice_zero, 2.0);
  write_model(studio, 5.0);
  return setenv("MAUDIO_PRESETS", folder, 1);
}

static int remove_presets(void** state)
{
  (void)state;
  return remove(voice) || remove(voice_live) || remove(voice_zero) ||
         remove(studio) || rmdir(folder);
}

/// One instance with something to process, and what one stream makes of it
typedef struct {
  host*  h;
  float* x;
  float* y;
  size_t at;
} player_fixture;

static const size_t n_signal = 480000;

static player_fixture begin(host_worker worker)
{
  player_fixture f = {host_new(HOST_MONO, RATE, worker),
                      network_signal(n_signal, RATE, 1),
                      (float*)calloc(n_signal, sizeof(float)), 0};
  assert_non_null(f.h);
  assert_non_null(f.y);
  return f;
}

static void end(player_fixture* f)
{
  host_free(f->h);
  free(f->x);
  free(f->y);
}

static void go_on(player_fixture* f, size_t n)
{
  assert_true(f->at + n <= n_signal);
  host_process(f->h, (const float* const[]){f->x + f->at},
               (float* const[]){f->y + f->at}, n, BLOCK);
  f->at += n;
}

/// Power of the difference between the last frames and what a model gives
static double difference(const player_fixture* f, const char* path)
{
  maudio_model* model = NULL;
  assert_int_equal(maudio_model_open(path, &model, NULL), 0);
  maudio_stream* const stream = network_stream(model, RATE, 1);
  float* const         wanted = (float*)calloc(f->at, sizeof *wanted);
  assert_non_null(wanted);
  maudio_stream_process(stream, (const float* const[]){f->x},
                        (float* const[]){wanted}, f->at);
  double sum = 0.0;
  for (size_t i = f->at - N_SETTLE / 4; i < f->at; ++i) {
    const double d = (double)f->y[i] - (double)wanted[i];
    sum += d * d;
  }
  free(wanted);
  maudio_stream_free(stream);
  maudio_model_free(model);
  return sum;
}

/// Fail unless it is the file `path` that plays. It remembers less of the past
/// than the stream, so the output is not equal to the bit
static void check_plays(const player_fixture* f, const char* path)
{
  const char* const others[] = {BANDS, WHOLE, voice, voice_live};
  const double      found    = difference(f, path);
  for (unsigned i = 0; i < 4; ++i) {
    if (strcmp(others[i], path) != 0) {
      assert_true(100.0 * found < difference(f, others[i]));
    }
  }
}

static void a_file_is_loaded_and_told(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_DEFERRED);
  go_on(&f, N_SETTLE);
  check_plays(&f, voice);
  assert_null(host_told(f.h));
  host_set_model(f.h, BANDS);
  go_on(&f, BLOCK);
  assert_null(host_told(f.h));
  assert_int_equal(host_work(f.h), 1);
  go_on(&f, 2 * BLOCK);
  assert_string_equal(host_told(f.h), BANDS);
  go_on(&f, N_SETTLE);
  check_plays(&f, BANDS);
  assert_string_equal(host_logged(), "");
  end(&f);
}

static void get_is_answered(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_AT_ONCE);
  host_get_model(f.h);
  go_on(&f, BLOCK);
  assert_string_equal(host_told(f.h), "");
  host_set_model(f.h, WHOLE);
  go_on(&f, 2 * BLOCK);
  assert_string_equal(host_told(f.h), WHOLE);
  go_on(&f, 2 * BLOCK);
  assert_null(host_told(f.h));
  host_get_model(f.h);
  go_on(&f, BLOCK);
  assert_string_equal(host_told(f.h), WHOLE);
  end(&f);
}

/// A bad file changes nothing, and what the host is told is true
static void a_bad_file_changes_nothing(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_AT_ONCE);
  go_on(&f, N_SETTLE);
  host_set_model(f.h, "/nonexistent/model.safetensors");
  go_on(&f, N_SETTLE);
  const char* logged = host_logged();
  assert_non_null(strstr(logged, "/nonexistent/model.safetensors"));
  assert_ptr_equal(strchr(logged, '\n'), logged + strlen(logged) - 1);
  assert_string_equal(host_told(f.h), "");
  check_plays(&f, voice);

  host_set_model(f.h, BANDS);
  go_on(&f, N_SETTLE);
  assert_string_equal(host_told(f.h), BANDS);
  host_set_model(f.h, MAUDIO_TEST_DIR "/audio/noisy.wav");
  go_on(&f, N_SETTLE);
  assert_non_null(strstr(host_logged(), "noisy.wav"));
  assert_string_equal(host_told(f.h), BANDS);
  check_plays(&f, BANDS);
  end(&f);
}

static void an_empty_path_goes_back_to_the_preset(void** state)
{
  (void)state;
  player_fixture f             = begin(HOST_AT_ONCE);
  *host_port(f.h, PORT_PRESET) = 1.0f;
  host_set_model(f.h, BANDS);
  go_on(&f, N_SETTLE);
  assert_string_equal(host_told(f.h), BANDS);
  check_plays(&f, BANDS);
  host_set_model(f.h, "");
  go_on(&f, N_SETTLE);
  assert_string_equal(host_told(f.h), "");
  check_plays(&f, voice_live);
  end(&f);
}

static void a_later_change_of_the_preset_wins(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_DEFERRED);
  host_set_model(f.h, BANDS);
  go_on(&f, BLOCK);
  host_work(f.h);
  go_on(&f, N_SETTLE);
  check_plays(&f, BANDS);
  *host_port(f.h, PORT_PRESET) = 1.0f;
  go_on(&f, N_SETTLE);
  check_plays(&f, voice_live);
  assert_string_equal(host_told(f.h), "");
  assert_int_equal(host_work(f.h), 1); // The file's stream is freed

  // Even while a file is being loaded
  host_set_model(f.h, WHOLE);
  go_on(&f, BLOCK);
  *host_port(f.h, PORT_PRESET) = 0.0f;
  go_on(&f, BLOCK);
  assert_int_equal(host_work(f.h), 1);
  go_on(&f, N_SETTLE);
  check_plays(&f, voice);
  assert_null(host_told(f.h));
  end(&f);
}

static void the_last_of_several_files_wins(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_DEFERRED);
  host_set_model(f.h, BANDS);
  go_on(&f, BLOCK);
  host_set_model(f.h, BANDS);
  host_set_model(f.h, WHOLE);
  go_on(&f, BLOCK);
  for (unsigned i = 0; i < 4; ++i) {
    host_work(f.h);
    go_on(&f, N_SETTLE);
  }
  check_plays(&f, WHOLE);
  assert_string_equal(host_told(f.h), WHOLE);
  assert_int_equal(host_work(f.h), 0);
  end(&f);
}

/// A worker that takes no more is asked again
static void a_busy_worker_is_asked_again(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_DEFERRED);
  host_refuse_work(f.h, true);
  host_set_model(f.h, BANDS);
  go_on(&f, N_SETTLE);
  check_plays(&f, voice);
  assert_int_equal(host_work(f.h), 0);
  host_refuse_work(f.h, false);
  go_on(&f, BLOCK);
  assert_int_equal(host_work(f.h), 1);
  go_on(&f, N_SETTLE);
  check_plays(&f, BANDS);
  end(&f);
}

static void without_a_worker_the_host_is_told_the_truth(void** state)
{
  (void)state;
  player_fixture f = begin(HOST_NO_WORKER);
  host_set_model(f.h, BANDS);
  go_on(&f, N_SETTLE);
  assert_string_equal(host_told(f.h), "");
  check_plays(&f, voice);
  end(&f);
}

static void messages_that_make_no_sense_are_ignored(void** state)
{
  (void)state;
  player_fixture f         = begin(HOST_AT_ONCE);
  char* const    very_long = (char*)calloc(1, 7001);
  assert_non_null(very_long);
  memset(very_long, 'x', 7000);
  host_set_model(f.h, very_long);
  go_on(&f, BLOCK);
  assert_string_equal(host_told(f.h), "");
  host_set_model(f.h, NULL); // No value
  go_on(&f, BLOCK);
  assert_string_equal(host_told(f.h), "");
  go_on(&f, N_SETTLE);
  check_plays(&f, voice);
  free(very_long);
  end(&f);
}

static void a_worker_in_a_thread_may_be_slow_or_fast(void** state)
{
  (void)state;
  static const char* const files[] = {BANDS, WHOLE, "", "/nonexistent"};
  player_fixture           f       = begin(HOST_THREADED);
  for (unsigned i = 0; i < 100; ++i) {
    if (i % 10 == 7) {
      *host_port(f.h, PORT_PRESET) = (float)(i / 10 % 2);
    } else {
      host_set_model(f.h, files[i % 4]);
    }
    go_on(&f, 5 * BLOCK);
    if (i % 3) {
      const struct timespec pause = {0, 1000000};
      nanosleep(&pause, NULL);
    }
  }
  host_set_model(f.h, WHOLE);
  for (unsigned i = 0; i < 4; ++i) {
    go_on(&f, N_SETTLE);
    host_wait(f.h);
  }
  go_on(&f, N_SETTLE);
  check_plays(&f, WHOLE);
  end(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_file_is_loaded_and_told),
    cmocka_unit_test(get_is_answered),
    cmocka_unit_test(a_bad_file_changes_nothing),
    cmocka_unit_test(an_empty_path_goes_back_to_the_preset),
    cmocka_unit_test(a_later_change_of_the_preset_wins),
    cmocka_unit_test(the_last_of_several_files_wins),
    cmocka_unit_test(a_busy_worker_is_asked_again),
    cmocka_unit_test(without_a_worker_the_host_is_told_the_truth),
    cmocka_unit_test(messages_that_make_no_sense_are_ignored),
    cmocka_unit_test(a_worker_in_a_thread_may_be_slow_or_fast),
  };
  return cmocka_run_group_tests(tests, make_presets, remove_presets);
}

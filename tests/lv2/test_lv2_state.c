#include "host.h"
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE 48000.0
#define N_SIGNAL 24000
#define BANDS MAUDIO_TEST_DIR "/golden/network_bands.safetensors"
#define WHOLE MAUDIO_TEST_DIR "/golden/network_whole.safetensors"

static void set_port(const char* symbol,
                     void*       user,
                     const void* value,
                     uint32_t    size,
                     uint32_t    type)
{
  (void)size;
  (void)type;
  host* const h = (host*)user;
  float       number;
  memcpy(&number, value, sizeof number);
  if (!strcmp(symbol, "preset")) {
    *host_port(h, PORT_PRESET) = number;
  } else if (!strcmp(symbol, "strength")) {
    *host_port(h, PORT_STRENGTH) = number;
  }
}

static const void*
get_port(const char* symbol, void* user, uint32_t* size, uint32_t* type)
{
  host* const h = (host*)user;
  *size         = sizeof(float);
  *type         = host_map()->map(NULL, "http://lv2plug.in/ns/ext/atom#Float");
  return !strcmp(symbol, "preset")     ? host_port(h, PORT_PRESET)
         : !strcmp(symbol, "strength") ? host_port(h, PORT_STRENGTH)
                                       : NULL;
}

/// Save an instance as a session would, to Turtle
static char* save(host* h)
{
  LilvState* const state = lilv_state_new_from_instance(
    host_plugin(HOST_MONO), host_instance(h), host_map(), NULL, NULL, NULL,
    NULL, get_port, h, LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE, NULL);
  assert_non_null(state);
  char* const text = lilv_state_to_string(
    host_world(), host_map(), host_unmap(), state, "urn:maudio:test", NULL);
  assert_non_null(text);
  lilv_state_free(state);
  return text;
}

static void restore(host* h, const char* text)
{
  LilvState* const state =
    lilv_state_new_from_string(host_world(), host_map(), text);
  assert_non_null(state);
  lilv_state_restore(state, host_instance(h), set_port, h, 0, NULL);
  lilv_state_free(state);
}

static void run(host* h, const float* x, float* y, size_t n)
{
  host_process(h, (const float* const[]){x}, (float* const[]){y}, n, 384);
}

/// What a stream of the model `path` gives
static float* expect(const char* path, const float* x, size_t n)
{
  maudio_model* model = NULL;
  assert_int_equal(maudio_model_open(path, &model, NULL), 0);
  maudio_stream* const stream = network_stream(model, RATE, 1);
  float* const         y      = (float*)calloc(n, sizeof *y);
  assert_non_null(y);
  maudio_stream_process(stream, (const float* const[]){x}, (float* const[]){y},
                        n);
  maudio_stream_free(stream);
  maudio_model_free(model);
  return y;
}

/// Play `path` in an instance, and return what a session keeps of it
static char* save_playing(const char* path, float preset)
{
  float       x[384]         = {0};
  float       y[384]         = {0};
  host* const h              = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  *host_port(h, PORT_PRESET) = preset;
  if (path) {
    host_set_model(h, path);
  }
  run(h, x, y, 384);
  run(h, x, y, 384);
  char* const text = save(h);
  host_free(h);
  return text;
}

/// From the first frame on, without a worker, whatever the preset port says
static void a_session_sounds_the_same(void** state)
{
  (void)state;
  char* const  text   = save_playing(BANDS, 1.0f);
  float* const x      = network_signal(N_SIGNAL, RATE, 1);
  float* const y      = (float*)calloc(N_SIGNAL, sizeof *y);
  float* const wanted = expect(BANDS, x, N_SIGNAL);
  assert_non_null(strstr(text, "network_bands.safetensors"));
  host* const h = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  restore(h, text);
  run(h, x, y, N_SIGNAL);
  assert_memory_equal(y, wanted, N_SIGNAL * sizeof *y);
  assert_true(*host_port(h, PORT_PRESET) == 1.0f);

  // And so does a session saved from it, at once and later
  char* const again = save(h);
  assert_non_null(strstr(again, "network_bands.safetensors"));
  free(again);
  host_free(h);
  free(wanted);
  free(y);
  free(x);
  free(text);
}

static void a_state_may_be_saved_before_it_is_heard(void** state)
{
  (void)state;
  char* const text = save_playing(BANDS, 0.0f);
  host* const h    = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  restore(h, text);
  char* const again = save(h);
  assert_non_null(strstr(again, "network_bands.safetensors"));
  host_free(h);
  free(again);
  free(text);
}

/// Only the file that plays is kept
static void a_preset_leaves_no_path_behind(void** state)
{
  (void)state;
  char* text = save_playing(NULL, 1.0f);
  assert_null(strstr(text, "safetensors"));
  free(text);
  text = save_playing("/nonexistent/model.safetensors", 1.0f);
  assert_null(strstr(text, "safetensors"));
  free(text);

  float       x[384] = {0};
  float       y[384] = {0};
  host* const h      = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  host_set_model(h, BANDS);
  run(h, x, y, 384);
  run(h, x, y, 384);
  *host_port(h, PORT_PRESET) = 1.0f;
  run(h, x, y, 384);
  text = save(h);
  assert_null(strstr(text, "safetensors"));
  free(text);
  host_free(h);
}

/// Save a session of a file that is then removed
static char* save_and_remove(void)
{
  char folder[] = "/tmp/maudio-state-XXXXXX";
  char path[64];
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/gone.safetensors", folder);
  host_copy_file(BANDS, path);
  char* const text = save_playing(path, 0.0f);
  assert_int_equal(remove(path), 0);
  assert_int_equal(rmdir(folder), 0);
  assert_non_null(strstr(text, "gone.safetensors"));
  return text;
}

static void a_missing_file_keeps_what_plays(void** state)
{
  (void)state;
  float       x[384] = {0};
  float       y[384] = {0};
  char* const text   = save_and_remove();
  host* const h      = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  host_set_model(h, WHOLE);
  run(h, x, y, 384);
  run(h, x, y, 384);
  host_logged();
  restore(h, text);
  assert_non_null(strstr(host_logged(), "gone.safetensors"));
  run(h, x, y, 384);
  char* const again = save(h);
  assert_non_null(strstr(again, "network_whole.safetensors"));
  free(again);
  host_free(h);
  free(text);
}

static void a_missing_file_is_saved_again_until_another_choice(void** state)
{
  (void)state;
  float       x[384] = {0};
  float       y[384] = {0};
  char* const text   = save_and_remove();
  host* const h      = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  restore(h, text);
  run(h, x, y, 384);
  char* again = save(h);
  assert_non_null(strstr(again, "gone.safetensors"));
  free(again);

  *host_port(h, PORT_PRESET) = 1.0f;
  run(h, x, y, 384);
  again = save(h);
  assert_null(strstr(again, "gone.safetensors"));
  free(again);
  host_free(h);
  free(text);
}

static void a_state_without_a_file_goes_back_to_the_preset(void** state)
{
  (void)state;
  char* const text   = save_playing(NULL, 1.0f);
  float       x[384] = {0};
  float       y[384] = {0};
  host* const h      = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  host_set_model(h, BANDS);
  run(h, x, y, 384);
  run(h, x, y, 384);
  assert_string_equal(host_told(h), BANDS);
  restore(h, text);
  for (unsigned i = 0; i < 40; ++i) {
    run(h, x, y, 384);
  }
  assert_string_equal(host_told(h), "");
  assert_true(*host_port(h, PORT_LATENCY) == 384.0f);
  host_free(h);
  free(text);
}

/// A host may set the ports a moment after the file: no decision of the user
static void ports_that_come_late_keep_the_file(void** state)
{
  (void)state;
  char* const text   = save_playing(BANDS, 0.0f);
  float       x[384] = {0};
  float       y[384] = {0};
  host* const h      = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  run(h, x, y, 384);
  restore(h, text);
  run(h, x, y, 384);
  assert_string_equal(host_told(h), BANDS);
  *host_port(h, PORT_PRESET) = 1.0f;
  for (unsigned i = 0; i < 40; ++i) {
    run(h, x, y, 384);
  }
  assert_null(host_told(h));
  *host_port(h, PORT_PRESET) = 0.0f; // This is one
  for (unsigned i = 0; i < 40; ++i) {
    run(h, x, y, 384);
  }
  assert_string_equal(host_told(h), "");
  host_free(h);
  free(text);
}

/// Restoring while it plays, over and over, faster than a change takes
static void states_may_be_restored_while_it_plays(void** state)
{
  (void)state;
  char* const texts[] = {save_playing(BANDS, 0.0f), save_playing(NULL, 1.0f),
                         save_playing(WHOLE, 1.0f)};
  float       x[384]  = {0};
  float       y[384]  = {0};
  host* const h       = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  for (unsigned i = 0; i < 60; ++i) {
    restore(h, texts[i % 3]);
    if (i % 4) {
      run(h, x, y, 384);
    }
  }
  restore(h, texts[2]);
  run(h, x, y, 384);
  char* const text = save(h);
  assert_non_null(strstr(text, "network_whole.safetensors"));
  free(text);
  host_free(h);
  for (unsigned i = 0; i < 3; ++i) {
    free(texts[i]);
  }
}

static void factory_presets_set_what_they_say(void** state)
{
  (void)state;
  LilvWorld* const world = host_world();
  LilvNode* const  uri =
    lilv_new_uri(world, "urn:maudio:denoise-mono:low-latency");
  lilv_world_load_resource(world, uri);
  LilvState* const preset = lilv_state_new_from_world(world, host_map(), uri);
  assert_non_null(preset);
  float       x[384] = {0};
  float       y[384] = {0};
  host* const h      = host_new(HOST_MONO, RATE, HOST_AT_ONCE);
  host_set_model(h, BANDS);
  run(h, x, y, 384);
  run(h, x, y, 384);
  lilv_state_restore(preset, host_instance(h), NULL, NULL, 0, NULL);
  *host_port(h, PORT_PRESET) = 1.0f;
  for (unsigned i = 0; i < 40; ++i) {
    run(h, x, y, 384);
  }
  assert_true(*host_port(h, PORT_LATENCY) == 384.0f);
  host_free(h);
  lilv_state_free(preset);
  lilv_node_free(uri);
}

static const void* retrieve_number(LV2_State_Handle handle,
                                   uint32_t         key,
                                   size_t*          size,
                                   uint32_t*        type,
                                   uint32_t*        flags)
{
  static const int32_t number = 0x41414141;
  (void)handle;
  (void)key;
  *size  = sizeof number;
  *type  = host_map()->map(NULL, "http://lv2plug.in/ns/ext/atom#Int");
  *flags = LV2_STATE_IS_POD;
  return &number;
}

static const void* retrieve_unended(LV2_State_Handle handle,
                                    uint32_t         key,
                                    size_t*          size,
                                    uint32_t*        type,
                                    uint32_t*        flags)
{
  const void* const value = retrieve_number(handle, key, size, type, flags);
  *type = host_map()->map(NULL, "http://lv2plug.in/ns/ext/atom#Path");
  return value;
}

static void properties_of_another_kind_are_refused(void** state)
{
  (void)state;
  host* const         h        = host_new(HOST_MONO, RATE, HOST_NO_WORKER);
  LilvInstance* const instance = host_instance(h);
  const LV2_State_Interface* const interface =
    (const LV2_State_Interface*)lilv_instance_get_extension_data(
      instance, LV2_STATE__interface);
  const LV2_State_Retrieve_Function functions[] = {retrieve_number,
                                                   retrieve_unended};
  for (unsigned i = 0; i < 2; ++i) {
    assert_int_equal(interface->restore(lilv_instance_get_handle(instance),
                                        functions[i], NULL, 0, NULL),
                     LV2_STATE_ERR_BAD_TYPE);
    assert_non_null(strstr(host_logged(), "path"));
  }
  host_free(h);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_session_sounds_the_same),
    cmocka_unit_test(a_state_may_be_saved_before_it_is_heard),
    cmocka_unit_test(a_preset_leaves_no_path_behind),
    cmocka_unit_test(a_missing_file_keeps_what_plays),
    cmocka_unit_test(a_missing_file_is_saved_again_until_another_choice),
    cmocka_unit_test(a_state_without_a_file_goes_back_to_the_preset),
    cmocka_unit_test(ports_that_come_late_keep_the_file),
    cmocka_unit_test(states_may_be_restored_while_it_plays),
    cmocka_unit_test(factory_presets_set_what_they_say),
    cmocka_unit_test(properties_of_another_kind_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

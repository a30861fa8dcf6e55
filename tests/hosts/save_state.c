/** @file
 * Saves a session in which a plugin plays a model file, as a host would.
 *
 * Usage: save_state MODEL FOLDER
 */
#include "host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char** arguments;

static const void*
get_port(const char* symbol, void* user, uint32_t* size, uint32_t* type)
{
  host* const h = (host*)user;
  *size         = sizeof(float);
  *type         = host_map()->map(NULL, "http://lv2plug.in/ns/ext/atom#Float");
  return strcmp(symbol, "preset") ? NULL : host_port(h, PORT_PRESET);
}

static void save(void** state)
{
  (void)state;
  float       x[384] = {0};
  float       y[384] = {0};
  host* const h      = host_new(HOST_MONO, 48000, HOST_AT_ONCE);
  assert_non_null(h);
  host_set_model(h, arguments[1]);
  for (unsigned i = 0; i < 2; ++i) {
    host_run(h, (const float* const[]){x}, (float* const[]){y}, 384);
  }
  assert_string_equal(host_told(h), arguments[1]);
  LilvState* const saved = lilv_state_new_from_instance(
    host_plugin(HOST_MONO), host_instance(h), host_map(), NULL, arguments[2],
    arguments[2], arguments[2], get_port, h,
    LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE, NULL);
  assert_non_null(saved);
  assert_int_equal(lilv_state_save(host_world(), host_map(), host_unmap(),
                                   saved, NULL, arguments[2], "state.ttl"),
                   0);
  lilv_state_free(saved);
  host_free(h);
}

int main(int argc, char** argv)
{
  if (argc != 3) {
    fputs("Usage: save_state MODEL FOLDER\n", stderr);
    return 2;
  }
  arguments                       = argv;
  const struct CMUnitTest tests[] = {cmocka_unit_test(save)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

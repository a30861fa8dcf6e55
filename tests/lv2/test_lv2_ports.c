#include "host.h"
#include "sound.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/// What the ttl says of each of port_index
static const struct {
  const char* symbol;
  float       low;
  float       standard;
  float       high;
} expected[N_PORTS] = {
  [PORT_CONTROL]         = {"control", NAN, NAN, NAN},
  [PORT_NOTIFY]          = {"notify", NAN, NAN, NAN},
  [PORT_ENABLED]         = {"enabled", 0, 1, 1},
  [PORT_STRENGTH]        = {"strength", 0, 1, 1},
  [PORT_MAX_ATTENUATION] = {"max_attenuation", 0, 100, 100},
  [PORT_MIX]             = {"mix", 0, 1, 1},
  [PORT_OUTPUT_GAIN]     = {"output_gain", -60, 0, 24},
  [PORT_PRESET]          = {"preset", 0, 0, N_FACTORY - 1},
  [PORT_LATENCY]         = {"latency", 0, NAN, 192000},
  [PORT_REDUCTION]       = {"reduction", 0, NAN, 100},
  [PORT_LOAD]            = {"load", 0, NAN, 100},
};

static const char* const plugins[] = {HOST_MONO, HOST_STEREO};

static bool
port_is_a(const LilvPlugin* p, const LilvPort* port, const char* uri)
{
  LilvNode* const node = lilv_new_uri(host_world(), uri);
  const bool      is   = lilv_port_is_a(p, port, node);
  lilv_node_free(node);
  return is;
}

static void check_equal(float found, float wanted)
{
  assert_true(isnan(wanted) ? isnan(found) : found == wanted);
}

/// lilv finds ports by index: duplicates and holes leave one without a port
static void indices_are_unique_and_contiguous(void** state)
{
  (void)state;
  for (unsigned p = 0; p < 2; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p]);
    const uint32_t          n      = lilv_plugin_get_num_ports(plugin);
    assert_int_equal(n, 2 * (p + 1) + N_PORTS);
    for (uint32_t i = 0; i < n; ++i) {
      const LilvPort* const port = lilv_plugin_get_port_by_index(plugin, i);
      assert_non_null(port);
      assert_int_equal(lilv_port_get_index(plugin, port), i);
      for (uint32_t j = 0; j < i; ++j) {
        assert_ptr_not_equal(port, lilv_plugin_get_port_by_index(plugin, j));
      }
    }
  }
}

static void audio_comes_first(void** state)
{
  (void)state;
  for (unsigned p = 0; p < 2; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p]);
    for (unsigned i = 0; i < 2 * (p + 1); ++i) {
      const LilvPort* const port = lilv_plugin_get_port_by_index(plugin, i);
      assert_true(port_is_a(plugin, port, LILV_URI_AUDIO_PORT));
      assert_true(port_is_a(
        plugin, port, i < p + 1 ? LILV_URI_INPUT_PORT : LILV_URI_OUTPUT_PORT));
    }
  }
}

static void ports_are_those_of_the_code(void** state)
{
  (void)state;
  for (unsigned p = 0; p < 2; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p]);
    const uint32_t          first  = 2 * (p + 1);
    float                   low[32];
    float                   high[32];
    float                   standard[32];
    lilv_plugin_get_port_ranges_float(plugin, low, high, standard);
    for (uint32_t i = 0; i < N_PORTS; ++i) {
      const LilvPort* const port =
        lilv_plugin_get_port_by_index(plugin, first + i);
      const char* const symbol =
        lilv_node_as_string(lilv_port_get_symbol(plugin, port));
      assert_string_equal(symbol, expected[i].symbol);
      check_equal(low[first + i], expected[i].low);
      check_equal(standard[first + i], expected[i].standard);
      check_equal(high[first + i], expected[i].high);
      assert_false(standard[first + i] < low[first + i]);
      assert_false(standard[first + i] > high[first + i]);
      const bool is_output = i == PORT_NOTIFY || i >= PORT_LATENCY;
      assert_true(port_is_a(
        plugin, port, is_output ? LILV_URI_OUTPUT_PORT : LILV_URI_INPUT_PORT));
      assert_true(port_is_a(plugin, port,
                            i <= PORT_NOTIFY ? LILV_URI_ATOM_PORT
                                             : LILV_URI_CONTROL_PORT));
    }
    assert_true(lilv_plugin_has_latency(plugin));
    assert_int_equal(lilv_plugin_get_latency_port_index(plugin),
                     first + PORT_LATENCY);
  }
}

static void enabled_is_designated(void** state)
{
  (void)state;
  LilvNode* const input   = lilv_new_uri(host_world(), LILV_URI_INPUT_PORT);
  LilvNode* const enabled = lilv_new_uri(host_world(), LV2_CORE__enabled);
  for (unsigned p = 0; p < 2; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p]);
    const LilvPort* const   port =
      lilv_plugin_get_port_by_designation(plugin, input, enabled);
    assert_non_null(port);
    assert_int_equal(lilv_port_get_index(plugin, port),
                     2 * (p + 1) + PORT_ENABLED);
  }
  lilv_node_free(enabled);
  lilv_node_free(input);
}

/// The numbers of the presets, once out, keep their meaning
static void preset_numbers_are_those_of_the_table(void** state)
{
  (void)state;
  assert_string_equal(factory_names[0], "voice");
  assert_string_equal(factory_names[1], "voice-live");
  for (unsigned p = 0; p < 2; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p]);
    const LilvPort* const   port =
      lilv_plugin_get_port_by_index(plugin, 2 * (p + 1) + PORT_PRESET);
    LilvScalePoints* const points = lilv_port_get_scale_points(plugin, port);
    assert_int_equal(lilv_scale_points_size(points), N_FACTORY);
    LILV_FOREACH(scale_points, i, points)
    {
      const LilvScalePoint* const point = lilv_scale_points_get(points, i);
      const int number = lilv_node_as_int(lilv_scale_point_get_value(point));
      assert_in_range(number, 0, N_FACTORY - 1);
      assert_string_equal(
        lilv_node_as_string(lilv_scale_point_get_label(point)),
        factory_names[number]);
    }
    lilv_scale_points_free(points);
  }
}

static void check_preset_value(const char* symbol,
                               void*       user,
                               const void* value,
                               uint32_t    size,
                               uint32_t    type)
{
  (void)type;
  assert_int_equal(size, 4); // A float or an integer
  float number = 0.0f;
  if (type == host_map()->map(NULL, "http://lv2plug.in/ns/ext/atom#Int")) {
    int32_t whole = 0;
    memcpy(&whole, value, 4);
    number = (float)whole;
  } else {
    memcpy(&number, value, 4);
  }
  unsigned i = 0;
  while (i < N_PORTS && strcmp(expected[i].symbol, symbol)) {
    ++i;
  }
  assert_in_range(i, PORT_STRENGTH, PORT_PRESET);
  const unsigned port = i % N_PORTS; // As cppcheck does not know the above
  assert_true(number >= expected[port].low && number <= expected[port].high);
  ++*(unsigned*)user;
}

static void factory_presets_fit_the_ports(void** state)
{
  (void)state;
  LilvWorld* const world = host_world();
  LilvNode* const  type =
    lilv_new_uri(world, "http://lv2plug.in/ns/ext/presets#Preset");
  for (unsigned p = 0; p < 2; ++p) {
    LilvNodes* const presets =
      lilv_plugin_get_related(host_plugin(plugins[p]), type);
    assert_int_equal(lilv_nodes_size(presets), 4);
    LILV_FOREACH(nodes, i, presets)
    {
      const LilvNode* const node = lilv_nodes_get(presets, i);
      lilv_world_load_resource(world, node);
      LilvState* const preset =
        lilv_state_new_from_world(world, host_map(), node);
      assert_non_null(preset);
      assert_non_null(lilv_state_get_label(preset));
      unsigned n_values = 0;
      lilv_state_emit_port_values(preset, check_preset_value, &n_values);
      assert_int_equal(n_values, PORT_PRESET - PORT_ENABLED);
      lilv_state_free(preset);
    }
    lilv_nodes_free(presets);
  }
  lilv_node_free(type);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(indices_are_unique_and_contiguous),
    cmocka_unit_test(audio_comes_first),
    cmocka_unit_test(ports_are_those_of_the_code),
    cmocka_unit_test(enabled_is_designated),
    cmocka_unit_test(preset_numbers_are_those_of_the_table),
    cmocka_unit_test(factory_presets_fit_the_ports),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

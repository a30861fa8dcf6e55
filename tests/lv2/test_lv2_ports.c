#include "host.h"
#include "sound.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/// What the ttl says of a port
typedef struct {
  const char* symbol;
  float       low;
  float       standard;
  float       high;
  bool        is_output;
} port_text;

static const port_text denoise_ports[N_PORTS] = {
  [PORT_CONTROL]         = {"control", NAN, NAN, NAN, false},
  [PORT_NOTIFY]          = {"notify", NAN, NAN, NAN, true},
  [PORT_ENABLED]         = {"enabled", 0, 1, 1, false},
  [PORT_STRENGTH]        = {"strength", 0, 1, 1, false},
  [PORT_MAX_ATTENUATION] = {"max_attenuation", 0, 100, 100, false},
  [PORT_MIX]             = {"mix", 0, 1, 1, false},
  [PORT_OUTPUT_GAIN]     = {"output_gain", -60, 0, 24, false},
  [PORT_PRESET]          = {"preset", 0, 0, N_DENOISE_PRESETS - 1, false},
  [PORT_LATENCY]         = {"latency", 0, NAN, 192000, true},
  [PORT_REDUCTION]       = {"reduction", 0, NAN, 100, true},
  [PORT_LOAD]            = {"load", 0, NAN, 100, true},
};

static const port_text generator_ports[N_GENERATOR_PORTS] = {
  [PORT_CONTROL]     = {"control", NAN, NAN, NAN, false},
  [PORT_NOTIFY]      = {"notify", NAN, NAN, NAN, true},
  [PORT_ENABLED]     = {"enabled", 0, 1, 1, false},
  [PORT_SEED]        = {"seed", 0, 0, 999999, false},
  [PORT_TEMPERATURE] = {"temperature", 0, 1, 2, false},
  [PORT_TOP_P]       = {"top_p", 0, 1, 1, false},
  [PORT_OUTPUT_GAIN] = {"output_gain", -60, 0, 24, false},
  [PORT_PRESET]      = {"preset", 0, 0, N_GENERATE_PRESETS - 1, false},
  [PORT_LATENCY]     = {"latency", 0, NAN, 192000, true},
  [PORT_RETRIGGER]   = {"retrigger", 0, 0, 1, false},
  [PORT_LOAD]        = {"load", 0, NAN, 200, true},
  [PORT_GATE]        = {"gate", 0, 0, 1, false},
  [PORT_RELEASE]     = {"release", 5, 100, 5000, false},
};

static const struct {
  const char*        uri;
  const port_text*   ports;
  uint32_t           n_ports;
  uint32_t           n_in;
  uint32_t           n_audio;
  const char* const* presets;
  uint32_t           n_presets;
  uint32_t           n_factory;       ///< Number of pset:Preset
  uint32_t           n_preset_values; ///< Ports that each of them sets
} plugins[] = {
  {HOST_MONO, denoise_ports, N_PORTS, 1, 2, denoise_presets, N_DENOISE_PRESETS,
   7, 5},
  {HOST_STEREO, denoise_ports, N_PORTS, 2, 4, denoise_presets,
   N_DENOISE_PRESETS, 7, 5},
  {HOST_GENERATOR, generator_ports, N_GENERATOR_PORTS, 0, 1, generate_presets,
   N_GENERATE_PRESETS, 4, 6},
};
#define N_PLUGINS (sizeof plugins / sizeof plugins[0])

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
  for (size_t p = 0; p < N_PLUGINS; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p].uri);
    const uint32_t          n      = lilv_plugin_get_num_ports(plugin);
    assert_int_equal(n, plugins[p].n_audio + plugins[p].n_ports);
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
  for (size_t p = 0; p < N_PLUGINS; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p].uri);
    for (uint32_t i = 0; i < plugins[p].n_audio; ++i) {
      const LilvPort* const port = lilv_plugin_get_port_by_index(plugin, i);
      assert_true(port_is_a(plugin, port, LILV_URI_AUDIO_PORT));
      assert_true(port_is_a(plugin, port,
                            i < plugins[p].n_in ? LILV_URI_INPUT_PORT
                                                : LILV_URI_OUTPUT_PORT));
    }
  }
}

static void ports_are_those_of_the_code(void** state)
{
  (void)state;
  for (size_t p = 0; p < N_PLUGINS; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p].uri);
    const uint32_t          first  = plugins[p].n_audio;
    float                   low[32];
    float                   high[32];
    float                   standard[32];
    lilv_plugin_get_port_ranges_float(plugin, low, high, standard);
    for (uint32_t i = 0; i < plugins[p].n_ports; ++i) {
      const port_text* const wanted = &plugins[p].ports[i];
      const LilvPort* const  port =
        lilv_plugin_get_port_by_index(plugin, first + i);
      const char* const symbol =
        lilv_node_as_string(lilv_port_get_symbol(plugin, port));
      assert_string_equal(symbol, wanted->symbol);
      check_equal(low[first + i], wanted->low);
      check_equal(standard[first + i], wanted->standard);
      check_equal(high[first + i], wanted->high);
      assert_false(standard[first + i] < low[first + i]);
      assert_false(standard[first + i] > high[first + i]);
      assert_true(port_is_a(plugin, port,
                            wanted->is_output ? LILV_URI_OUTPUT_PORT
                                              : LILV_URI_INPUT_PORT));
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
  for (size_t p = 0; p < N_PLUGINS; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p].uri);
    const LilvPort* const   port =
      lilv_plugin_get_port_by_designation(plugin, input, enabled);
    assert_non_null(port);
    assert_int_equal(lilv_port_get_index(plugin, port),
                     plugins[p].n_audio + PORT_ENABLED);
  }
  lilv_node_free(enabled);
  lilv_node_free(input);
}

/// The numbers of the presets, once out, keep their meaning
static void preset_numbers_are_those_of_the_table(void** state)
{
  (void)state;
  assert_string_equal(denoise_presets[0], "voice");
  assert_string_equal(denoise_presets[1], "voice-live");
  assert_string_equal(denoise_presets[2], "voice-zero");
  assert_string_equal(denoise_presets[3], "voice-studio");
  assert_string_equal(denoise_presets[4], "voice-stage");
  assert_string_equal(generate_presets[0], "percussion");
  assert_string_equal(generate_presets[1], "piano");
  for (size_t p = 0; p < N_PLUGINS; ++p) {
    const LilvPlugin* const plugin = host_plugin(plugins[p].uri);
    const LilvPort* const   port =
      lilv_plugin_get_port_by_index(plugin, plugins[p].n_audio + PORT_PRESET);
    LilvScalePoints* const points = lilv_port_get_scale_points(plugin, port);
    assert_int_equal(lilv_scale_points_size(points), plugins[p].n_presets);
    LILV_FOREACH(scale_points, i, points)
    {
      const LilvScalePoint* const point = lilv_scale_points_get(points, i);
      const int number = lilv_node_as_int(lilv_scale_point_get_value(point));
      assert_in_range(number, 0, plugins[p].n_presets - 1);
      assert_string_equal(
        lilv_node_as_string(lilv_scale_point_get_label(point)),
        plugins[p].presets[number]);
    }
    lilv_scale_points_free(points);
  }
}

/// What check_preset_value() checks against, and counts
typedef struct {
  const port_text* ports;
  uint32_t         n_ports;
  unsigned         n_values;
} preset_check;

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
  preset_check* const check = (preset_check*)user;
  const port_text*    port  = NULL;
  for (uint32_t i = PORT_STRENGTH; i < check->n_ports; ++i) {
    if (!strcmp(check->ports[i].symbol, symbol)) {
      port = &check->ports[i];
    }
  }
  assert_non_null(port);
  assert_true(port && !port->is_output);
  assert_true(port && number >= port->low && number <= port->high);
  ++check->n_values;
}

static void factory_presets_fit_the_ports(void** state)
{
  (void)state;
  LilvWorld* const world = host_world();
  LilvNode* const  type =
    lilv_new_uri(world, "http://lv2plug.in/ns/ext/presets#Preset");
  for (size_t p = 0; p < N_PLUGINS; ++p) {
    LilvNodes* const presets =
      lilv_plugin_get_related(host_plugin(plugins[p].uri), type);
    assert_int_equal(lilv_nodes_size(presets), plugins[p].n_factory);
    LILV_FOREACH(nodes, i, presets)
    {
      const LilvNode* const node = lilv_nodes_get(presets, i);
      lilv_world_load_resource(world, node);
      LilvState* const preset =
        lilv_state_new_from_world(world, host_map(), node);
      assert_non_null(preset);
      assert_non_null(lilv_state_get_label(preset));
      preset_check check = {plugins[p].ports, plugins[p].n_ports, 0};
      lilv_state_emit_port_values(preset, check_preset_value, &check);
      assert_int_equal(check.n_values, plugins[p].n_preset_values);
      lilv_state_free(preset);
    }
    lilv_nodes_free(presets);
  }
  lilv_node_free(type);
}

static bool has_name(const char* const* names, unsigned n, const char* name)
{
  for (unsigned i = 0; i < n; ++i) {
    if (!strcmp(names[i], name)) {
      return true;
    }
  }
  return false;
}

static bool check_task(const char* name, const char* path, void* user)
{
  maudio_model*     model = NULL;
  maudio_model_info info;
  assert_int_equal(maudio_model_open(path, &model, NULL), 0);
  maudio_model_get_info(model, &info);
  if (has_name(denoise_presets, N_DENOISE_PRESETS, name)) {
    assert_int_equal(info.task, MAUDIO_TASK_DENOISE);
  }
  if (info.task == MAUDIO_TASK_GENERATE) {
    assert_true(has_name(generate_presets, N_GENERATE_PRESETS, name));
  } else {
    assert_false(has_name(generate_presets, N_GENERATE_PRESETS, name));
  }
  maudio_model_free(model);
  ++*(unsigned*)user;
  return true;
}

/// Neither plugin offers what the other one plays, and no generator is left out
static void presets_are_where_their_task_is(void** state)
{
  (void)state;
  unsigned n = 0;
  assert_int_equal(maudio_preset_each(check_task, &n, NULL), 0);
  assert_true(n >= N_DENOISE_PRESETS);
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
    cmocka_unit_test(presets_are_where_their_task_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include "config_blocks.h"
#include "config_reader.h"
#include "config_steer.h"
#include "config_tiers.h"
#include "error.h"
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Depth of the JSON: provenance in `training` is free-form
#define CONFIG_DEPTH 32U

#define MAX_BANDS 4096U

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

static void copy_string(maudio_reader* r,
                        const json_t*  object,
                        const char*    key,
                        char*          dst,
                        size_t         size)
{
  const char* const text = maudio_reader_string(r, object, key);
  if (strlen(text) >= size) {
    maudio_reader_fail(r, key, "is too long");
    return;
  }
  memcpy(dst, text, strlen(text) + 1);
}

static void check_version(maudio_reader* r, const json_t* root)
{
  static const char* const digits = "0123456789";

  const char* const version = maudio_reader_string(r, root, "format_version");
  const size_t      n_major = strspn(version, digits);
  const char* const point   = version + n_major;
  const size_t      n_minor = *point == '.' ? strspn(point + 1, digits) : 0;
  if (!n_major || !n_minor || point[1 + n_minor]) {
    maudio_reader_fail(r, "format_version",
                       "is not a pair of numbers such as 1.0");
  } else if ((n_major != 1 || *version != '1') && !r->status) {
    r->status = maudio_fail(r->error, MAUDIO_ERR_VERSION,
                            "%s: format version %.16s, this maudio reads 1.x",
                            r->label, version);
  }
}

/// Return the frames of a duration, or 0 unless it is a multiple of `step`
static uint32_t whole_frames(double ms, uint32_t rate_hz, uint32_t step)
{
  const double frames  = ms * rate_hz / 1000.0;
  const double nearest = step * round(frames / step);
  return fabs(frames - nearest) < 1e-6 * step ? (uint32_t)nearest : 0;
}

static void
read_band_edges(maudio_reader* r, const json_t* json, maudio_spectral_config* c)
{
  const json_t* const edges = json_object_get(json, "band_edges");
  const size_t        n     = json_array_size(edges);
  if (n < 2 || n > MAX_BANDS + 1) {
    maudio_reader_fail(r, "band_edges", "is not a list of 2 to 4097 bins");
    return;
  }
  c->n_bands    = (uint32_t)n - 1;
  c->band_edges = (uint32_t*)calloc(n, sizeof *c->band_edges);
  if (!c->band_edges) {
    r->status =
      maudio_fail(r->error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", r->label);
    return;
  }

  json_int_t last = -1;
  for (size_t i = 0; i < n; ++i) {
    const json_t* const item = json_array_get(edges, i);
    const json_int_t    edge = json_integer_value(item);
    if (!json_is_integer(item) || edge <= last || edge > c->n_bins ||
        (i == 0 && edge != 0)) {
      maudio_reader_fail(r, "band_edges",
                         "does not increase in whole numbers from 0");
      return;
    }
    c->band_edges[i] = (uint32_t)edge;
    last             = edge;
  }
  if (last != c->n_bins) {
    char problem[64];
    snprintf(problem, sizeof problem, "ends at %u, the window has %u bins",
             c->band_edges[c->n_bands], c->n_bins);
    maudio_reader_fail(r, "band_edges", problem);
  }
}

static void read_delays(maudio_reader*        r,
                        const json_t*         json,
                        uint32_t              lookahead,
                        maudio_filter_config* filter)
{
  const json_t* const delays = json_object_get(json, "delays");
  const size_t        n      = json_array_size(delays);
  if (n < 1 || n > MAUDIO_MAX_DELAYS) {
    maudio_reader_fail(
      r, "delays", "is not a list of 1 to " TEXT(MAUDIO_MAX_DELAYS) " hops");
    return;
  }
  const json_int_t least = lookahead ? -(json_int_t)lookahead : 1;
  json_int_t       last  = least - 1;
  for (size_t i = 0; i < n; ++i) {
    const json_t* const item  = json_array_get(delays, i);
    const json_int_t    delay = json_integer_value(item);
    if (!json_is_integer(item) || delay <= last || delay == 0 ||
        delay > MAUDIO_MAX_DELAY) {
      char problem[96];
      snprintf(problem, sizeof problem,
               "does not increase in whole numbers from %d to %d%s", (int)least,
               MAUDIO_MAX_DELAY, lookahead ? " without 0" : "");
      maudio_reader_fail(r, "delays", problem);
      return;
    }
    filter->delays[i] = (int32_t)delay;
    last              = delay;
  }
  filter->n_delays = (uint32_t)n;
}

/// Read the taps on other frames; bands and lookahead are known
static void
read_filter(maudio_reader* r, const json_t* json, maudio_spectral_config* c)
{
  maudio_filter_config* const filter = &c->filter;
  if (!json_is_object(json)) {
    maudio_reader_fail(r, "filter", "is not an object");
    return;
  }
  maudio_reader_enter(r, "front_end.filter.");
  filter->n_bins =
    maudio_reader_integer(r, json, "n_bins", MAUDIO_REQUIRED, 1, c->n_bins);
  while (c->band_edges[filter->n_bands] < filter->n_bins) {
    ++filter->n_bands;
  }
  if (c->band_edges[filter->n_bands] != filter->n_bins) {
    char problem[64];
    snprintf(problem, sizeof problem, "is %u, which no band ends at",
             filter->n_bins);
    maudio_reader_fail(r, "n_bins", problem);
  }
  read_delays(r, json, c->lookahead, filter);
}

static void
read_front_end(maudio_reader* r, const json_t* root, maudio_spectral_config* c)
{
  const json_t* const json = json_object_get(root, "front_end");
  maudio_reader_enter(r, "front_end.");
  const char* const type = maudio_reader_string(r, json, "type");
  if (strcmp(type, "spectral") != 0) {
    maudio_reader_unknown(r, "type", type);
  }

  c->rate_hz = maudio_reader_integer(r, json, "rate_hz", MAUDIO_REQUIRED,
                                     MAUDIO_MIN_RATE_HZ, MAUDIO_MAX_RATE_HZ);
  c->window_ms =
    maudio_reader_number(r, json, "window_ms", MAUDIO_REQUIRED, 1, 200);
  c->hop_ms =
    maudio_reader_number(r, json, "hop_ms", MAUDIO_REQUIRED, 0.125, 100);
  c->compress =
    (float)maudio_reader_number(r, json, "compress", MAUDIO_REQUIRED, 0, 1);
  c->power_floor = (float)maudio_reader_number(r, json, "power_floor",
                                               MAUDIO_REQUIRED, 1e-30, 1);
  if (r->status) {
    return;
  }

  const uint32_t window = whole_frames(c->window_ms, c->rate_hz, 2);
  if (!window) {
    maudio_reader_fail(r, "window_ms",
                       "is not an even number of frames at rate_hz");
  }
  if (!whole_frames(c->hop_ms, c->rate_hz, 1)) {
    maudio_reader_fail(r, "hop_ms",
                       "is not a whole number of frames at rate_hz");
  }
  if (c->window_ms < 2 * c->hop_ms) {
    maudio_reader_fail(r, "window_ms", "is shorter than two hops");
  }
  c->n_bins = window / 2 + 1;
  read_band_edges(r, json, c);
  c->mask_power = (float)maudio_reader_number(r, json, "mask_power", 1, 1, 4);
  c->lookahead =
    maudio_reader_integer(r, json, "lookahead", 0, 0, MAUDIO_MAX_LOOKAHEAD);
  const json_t* const filter = json_object_get(json, "filter");
  if (json_object_get(root, "steer") &&
      (filter || c->mask_power != 1.0f || c->lookahead)) {
    maudio_reader_fail(r,
                       filter         ? "filter"
                       : c->lookahead ? "lookahead"
                                      : "mask_power",
                       "goes with a mask, which models with steer lack");
  }
  if (!r->status && filter) {
    read_filter(r, filter, c);
  }
}

static void
read_denoiser(maudio_reader* r, const json_t* root, maudio_config* config)
{
  snprintf(config->norm_f, sizeof config->norm_f, "backbone.norm_f.weight");
  config->d_model =
    maudio_reader_integer(r, root, "d_model", MAUDIO_REQUIRED, 1, 4096);

  // Blocks need the bands
  if (!r->status) {
    read_front_end(r, root, &config->spectral);
    maudio_reader_enter(r, "");
  }
  if (!r->status) {
    const maudio_blocks_place place    = {.where   = "",
                                          .names   = "backbone.",
                                          .n_bands = config->spectral.n_bands,
                                          .divides_bands =
                                            !json_object_get(root, "steer"),
                                          .d_model = config->d_model};
    uint64_t                  n_floats = 0;
    maudio_blocks_read(r, root, &place, &n_floats, &config->n_blocks,
                       &config->blocks);
  }
  if (!r->status && json_object_get(root, "steer")) {
    maudio_steer_config_read(r, json_object_get(root, "steer"), config);
  }
}

static void
read_root(maudio_reader* r, const json_t* root, maudio_config* config)
{
  // First of all, as the rest may have other meanings in other versions
  check_version(r, root);

  copy_string(r, root, "name", config->name, sizeof config->name);
  if (json_object_get(root, "licence")) {
    copy_string(r, root, "licence", config->licence, sizeof config->licence);
  }
  const char* const task = maudio_reader_string(r, root, "task");
  config->norm_eps =
    (float)maudio_reader_number(r, root, "norm_eps", MAUDIO_REQUIRED, 1e-12, 1);
  if (!strcmp(task, "denoise")) {
    config->task = MAUDIO_TASK_DENOISE;
    read_denoiser(r, root, config);
  } else if (!strcmp(task, "generate")) {
    config->task = MAUDIO_TASK_GENERATE;
    maudio_tiers_config_read(r, root, config);
  } else {
    maudio_reader_unknown(r, "task", task);
  }
}

maudio_status maudio_config_parse(const char*    json,
                                  const char*    label,
                                  maudio_config* config,
                                  maudio_error*  error)
{
  maudio_reader r    = {.label = maudio_path_tail(label), .error = error};
  json_t*       root = NULL;
  memset(config, 0, sizeof *config);
  r.status =
    maudio_json_parse(json, strlen(json), CONFIG_DEPTH, r.label, &root, error);
  if (!r.status) {
    read_root(&r, root, config);
    json_decref(root);
  }
  if (r.status) {
    maudio_config_clear(config);
  }
  return r.status;
}

void maudio_config_clear(maudio_config* config)
{
  free(config->blocks);
  free(config->steer.blocks);
  for (uint32_t i = 0; i < MAUDIO_MAX_TIERS; ++i) {
    free(config->sample.tiers[i].blocks);
  }
  free(config->spectral.band_edges);
  memset(config, 0, sizeof *config);
}

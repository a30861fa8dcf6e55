#include "config_tiers.h"

#include "config_blocks.h"

#include <stdio.h>
#include <string.h>

static void
read_front_end(maudio_reader* r, const json_t* root, maudio_sample_config* c)
{
  const json_t* const json = json_object_get(root, "front_end");
  maudio_reader_enter(r, "front_end.");
  const char* const type = maudio_reader_string(r, json, "type");
  if (strcmp(type, "sample") != 0) {
    maudio_reader_unknown(r, "type", type);
  }
  c->rate_hz = maudio_reader_integer(r, json, "rate_hz", MAUDIO_REQUIRED,
                                     MAUDIO_MIN_RATE_HZ, MAUDIO_MAX_RATE_HZ);
  const char* const encoding = maudio_reader_string(r, json, "encoding");
  if (strcmp(encoding, "mu-law") != 0) {
    maudio_reader_unknown(r, "encoding", encoding);
  }
}

static void read_tier(maudio_reader*      r,
                      const json_t*       json,
                      uint32_t            index,
                      maudio_tier_config* tier,
                      uint64_t*           n_floats)
{
  char where[24];
  char names[24];
  snprintf(where, sizeof where, "tiers[%u].", index);
  snprintf(names, sizeof names, "tiers.%u.", index);
  snprintf(tier->norm_f, sizeof tier->norm_f, "%snorm_f.weight", names);
  maudio_reader_enter(r, where);
  tier->d_model =
    maudio_reader_integer(r, json, "d_model", MAUDIO_REQUIRED, 1, 4096);
  tier->pool = 1;
  if (index) {
    tier->pool = maudio_reader_integer(r, json, "pool", MAUDIO_REQUIRED, 2, 64);
  } else if (json_object_get(json, "pool")) {
    maudio_reader_fail(r, "pool", "is not for the first tier");
  }
  if (r->status) {
    return;
  }
  const maudio_blocks_place place = {
    .where = where, .names = names, .n_bands = 0, .d_model = tier->d_model};
  maudio_blocks_read(r, json, &place, n_floats, &tier->n_blocks, &tier->blocks);
}

void maudio_tiers_config_read(maudio_reader* r,
                              const json_t*  root,
                              maudio_config* config)
{
  maudio_sample_config* const c = &config->sample;
  read_front_end(r, root, c);
  maudio_reader_enter(r, "");

  const json_t* const tiers = json_object_get(root, "tiers");
  const size_t        n     = json_array_size(tiers);
  if (n < 1 || n > MAUDIO_MAX_TIERS) {
    maudio_reader_fail(r, "tiers", "is not a list of 1 to 4 tiers");
    return;
  }
  c->n_tiers        = (uint32_t)n;
  uint64_t n_floats = 0;
  for (uint32_t i = 0; i < c->n_tiers && !r->status; ++i) {
    read_tier(r, json_array_get(tiers, i), i, &c->tiers[i], &n_floats);
  }
}

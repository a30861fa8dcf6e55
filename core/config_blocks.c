#include "config_blocks.h"

#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCKS 256U

/**
 * Most floats that the states of one channel may take, over all blocks.
 *
 * Sizes multiply: within the range of each, a small file could ask for
 * terabytes.
 */
#define MAX_STATE_FLOATS ((uint64_t)1 << 26)

/// Read what both state-space mixers have
static void
read_ssm(maudio_reader* r, const json_t* json, maudio_block_config* b)
{
  b->d_inner =
    maudio_reader_integer(r, json, "d_inner", MAUDIO_REQUIRED, 1, 16384);
  b->d_state =
    maudio_reader_integer(r, json, "d_state", MAUDIO_REQUIRED, 1, 1024);
  b->d_conv = maudio_reader_integer(r, json, "d_conv", 4, 1, 16);
}

static void
read_mamba2(maudio_reader* r, const json_t* json, maudio_block_config* b)
{
  read_ssm(r, json, b);
  b->headdim =
    maudio_reader_integer(r, json, "headdim", MAUDIO_REQUIRED, 1, 16384);
  b->n_groups = maudio_reader_integer(r, json, "n_groups", 1, 1, 16384);
  maudio_reader_limit(r, json, "dt_limit", b);
  if (r->status) {
    return;
  }
  if (b->d_inner % b->headdim) {
    maudio_reader_fail(r, "headdim", "does not divide d_inner");
  } else if ((b->d_inner / b->headdim) % b->n_groups) {
    maudio_reader_fail(r, "n_groups", "does not divide the number of heads");
  }
}

/// Read which bands a block is for
static void read_bands(maudio_reader*             r,
                       const json_t*              json,
                       const maudio_blocks_place* place,
                       maudio_block_config*       b)
{
  const json_t* const bands = json_object_get(json, "bands");
  if (!bands) {
    return;
  }
  if (!place->divides_bands) {
    maudio_reader_fail(r, "bands", "goes with a mask of bands");
    return;
  }
  const json_t* const first = json_array_get(bands, 0);
  const json_t* const end   = json_array_get(bands, 1);
  const json_int_t    from  = json_integer_value(first);
  const json_int_t    to    = json_integer_value(end);
  if (json_array_size(bands) != 2 || !json_is_integer(first) ||
      !json_is_integer(end) || from < 0 || to <= from || to > place->n_bands) {
    char problem[64];
    snprintf(problem, sizeof problem, "is not a first band and an end up to %u",
             place->n_bands);
    maudio_reader_fail(r, "bands", problem);
    return;
  }
  b->first_band = (uint32_t)from;
  b->n_bands    = (uint32_t)(to - from);
}

static void read_block(maudio_reader*             r,
                       const json_t*              json,
                       const maudio_blocks_place* place,
                       uint32_t                   index,
                       maudio_block_config*       b)
{
  char where[32];
  snprintf(where, sizeof where, "%.10sblocks[%u].", place->where, index);
  maudio_reader_enter(r, where);
  snprintf(b->norm, sizeof b->norm, "%slayers.%u.norm.weight", place->names,
           index);
  snprintf(b->prefix, sizeof b->prefix, "%slayers.%u.mixer.", place->names,
           index);

  const char* const mixer = maudio_reader_string(r, json, "mixer");
  if (!strcmp(mixer, "mamba")) {
    b->mixer = MAUDIO_MIXER_MAMBA;
    read_ssm(r, json, b);
    b->dt_rank =
      maudio_reader_integer(r, json, "dt_rank", MAUDIO_REQUIRED, 1, 4096);
  } else if (!strcmp(mixer, "mamba2")) {
    b->mixer = MAUDIO_MIXER_MAMBA2;
    read_mamba2(r, json, b);
  } else if (!strcmp(mixer, place->n_bands ? "band_mlp" : "mlp")) {
    b->mixer = place->n_bands ? MAUDIO_MIXER_BAND_MLP : MAUDIO_MIXER_MLP;
    b->d_hidden =
      maudio_reader_integer(r, json, "d_hidden", MAUDIO_REQUIRED, 1, 16384);
  } else {
    maudio_reader_unknown(r, "mixer", mixer);
  }
  read_bands(r, json, place, b);
}

/// Floats of state and working memory of a block, for one channel
static uint64_t block_floats(const maudio_blocks_place* place,
                             const maudio_block_config* b)
{
  if (b->mixer == MAUDIO_MIXER_BAND_MLP) {
    return (uint64_t)b->d_hidden * place->d_model;
  }
  if (b->mixer == MAUDIO_MIXER_MLP) {
    return 2ULL * b->d_hidden;
  }
  const uint64_t d_inner = b->d_inner;
  const uint64_t bc      = 2ULL * b->n_groups * b->d_state;
  const uint64_t n_bands = b->n_bands       ? b->n_bands
                           : place->n_bands ? place->n_bands
                                            : 1;
  return n_bands *
         (d_inner * b->d_state + (2 * d_inner + bc) * (b->d_conv + 1ULL));
}

void maudio_blocks_read(maudio_reader*             r,
                        const json_t*              object,
                        const maudio_blocks_place* place,
                        uint64_t*                  n_floats,
                        uint32_t*                  n_blocks,
                        maudio_block_config**      blocks)
{
  const json_t* const list = json_object_get(object, "blocks");
  const size_t        n    = json_array_size(list);
  if (n < 1 || n > MAX_BLOCKS) {
    maudio_reader_enter(r, place->where);
    maudio_reader_fail(r, "blocks", "is not a list of 1 to 256 blocks");
    return;
  }
  *n_blocks = (uint32_t)n;
  *blocks   = (maudio_block_config*)calloc(n, sizeof **blocks);
  if (!*blocks) {
    r->status =
      maudio_fail(r->error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", r->label);
    return;
  }
  for (uint32_t i = 0; i < *n_blocks && !r->status; ++i) {
    read_block(r, json_array_get(list, i), place, i, *blocks + i);
    *n_floats += block_floats(place, *blocks + i);
    if (*n_floats > MAX_STATE_FLOATS) {
      maudio_reader_fail(r, "mixer", "takes the state beyond 256 MiB");
    }
  }
}

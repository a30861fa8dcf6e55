#include "config_steer.h"

#include "config_blocks.h"

#include <math.h>
#include <stdio.h>

/// Copies of a state that one channel may need: of each of the signals that
/// the greatest rate is split into, for a network of the least
#define MAX_PHASES (MAUDIO_MAX_RATE_HZ / MAUDIO_MIN_RATE_HZ)

/// Most floats of those copies
#define MAX_COPIED_FLOATS ((uint64_t)1 << 24)

void maudio_steer_config_read(maudio_reader* r,
                              const json_t*  object,
                              maudio_config* config)
{
  maudio_steer_config* const c       = &config->steer;
  const uint32_t             n_bands = config->spectral.n_bands;
  const uint32_t             hop = (uint32_t)lround(config->spectral.hop_ms *
                                                    config->spectral.rate_hz / 1000.0);
  if (!json_is_object(object)) {
    maudio_reader_enter(r, "");
    maudio_reader_fail(r, "steer", "is not an object");
    return;
  }
  maudio_reader_enter(r, "steer.");
  c->n_gains =
    maudio_reader_integer(r, object, "n_gains", MAUDIO_REQUIRED, 1, 16384);
  c->n_taps =
    maudio_reader_integer(r, object, "n_taps", MAUDIO_REQUIRED, 1, 8192);
  c->n_past =
    maudio_reader_integer(r, object, "n_past", MAUDIO_REQUIRED, 1, 1024);
  c->delay_frames = maudio_reader_integer(r, object, "delay", hop, 1, hop);
  c->fade_frames  = maudio_reader_integer(r, object, "fade", hop, 1, hop);
  c->d_model =
    maudio_reader_integer(r, object, "d_model", MAUDIO_REQUIRED, 1, 1024);
  if (!r->status && c->n_gains % n_bands) {
    char problem[64];
    snprintf(problem, sizeof problem, "is %u, no multiple of the %u bands",
             c->n_gains, n_bands);
    maudio_reader_fail(r, "n_gains", problem);
  }
  if (r->status) {
    return;
  }

  const maudio_blocks_place place = {
    .where = "steer.", .names = "steer.", .n_bands = 0, .d_model = c->d_model};
  uint64_t n_floats = 0;
  maudio_blocks_read(r, object, &place, &n_floats, &c->n_blocks, &c->blocks);
  if (n_floats * MAX_PHASES > MAX_COPIED_FLOATS) {
    maudio_reader_enter(r, "steer.");
    maudio_reader_fail(r, "blocks", "take the state beyond 64 MiB");
  }
}

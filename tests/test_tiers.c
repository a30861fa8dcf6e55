#include "tiers.h"

#include "maudio.h"
#include "model.h"
#include "model_builder.h"
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_STEPS 400U

static uint32_t code_at(uint32_t i)
{
  return (i * i * 37 + i * 11) % MAUDIO_N_CODES;
}

/// Take N_STEPS codes and return what came of them: (N_STEPS, 256)
static float* score(const maudio_tiers* tiers, bool bursts)
{
  float* const     floats = network_floats(maudio_tiers_floats(tiers));
  float* const     logits = network_floats(N_STEPS * MAUDIO_N_CODES);
  maudio_tiers_run run;
  maudio_tiers_start(tiers, floats, &run);
  run.bursts = bursts;
  for (uint32_t i = 0; i < N_STEPS; ++i) {
    maudio_tiers_step(&run, code_at(i));
    maudio_tiers_score(&run, logits + (size_t)i * MAUDIO_N_CODES);
  }
  assert_int_equal(run.position, N_STEPS);
  free(floats);
  return logits;
}

static void spreading_changes_no_bit(void** state)
{
  (void)state;
  maudio_model* const model  = network_make_tiers();
  float* const        spread = score(&model->tiers, false);
  float* const        bursts = score(&model->tiers, true);
  assert_memory_equal(spread, bursts,
                      N_STEPS * MAUDIO_N_CODES * sizeof *spread);
  free(bursts);
  free(spread);
  maudio_model_free(model);
}

/// Each stage of each layer whole and in order, then up
static void check_order(const maudio_tier* tier)
{
  const maudio_backbone* backbone = &tier->backbone;
  size_t                 at       = 0;
  size_t                 state    = 0;
  for (size_t l = 0; l <= backbone->n_layers; ++l) {
    const bool   is_up    = l == backbone->n_layers;
    const size_t n_stages = is_up ? 1 : backbone->layers[l].mixer->n_stages;
    for (size_t s = 0; s < n_stages; ++s) {
      const size_t n_panels = is_up
                                ? tier->up.weight.n_out / MAUDIO_LANES
                                : backbone->layers[l].mixer->stages[s].n_panels;
      for (size_t first = 0; first < n_panels;) {
        assert_true(at < tier->n_shares);
        const maudio_share* const share = &tier->shares[at++];
        assert_int_equal(share->layer, l);
        assert_int_equal(share->piece.stage, s);
        assert_int_equal(share->piece.first, first);
        assert_true(is_up || share->state == state);
        first += share->piece.n;
        assert_true(share->piece.n > 0 && first <= n_panels);
      }
    }
    state += is_up ? 0 : maudio_mixer_state(backbone->layers[l].mixer, 1);
  }
  assert_int_equal(at, tier->n_shares);
}

static void every_piece_has_its_slot(void** state)
{
  (void)state;
  maudio_model* const model = network_make_tiers();
  for (size_t i = 1; i < model->tiers.n_tiers; ++i) {
    const maudio_tier* const tier = &model->tiers.tiers[i];
    check_order(tier);
    for (size_t s = 0; s < tier->n_shares; ++s) {
      assert_true(tier->shares[s].slot < tier->period);
      assert_true(s == 0 || tier->shares[s].slot >= tier->shares[s - 1].slot);
    }
    // Something is done late as well as early
    assert_true(tier->shares[0].slot < (tier->period + 1) / 2);
    assert_true(tier->shares[tier->n_shares - 1].slot >= tier->period / 2);
  }
  maudio_model_free(model);
}

/// The work on a frame begins when it is complete, and ends one frame later
static void work_is_done_in_time(void** state)
{
  (void)state;
  maudio_model* const       model  = network_make_tiers();
  const maudio_tiers* const tiers  = &model->tiers;
  float* const              floats = network_floats(maudio_tiers_floats(tiers));
  const maudio_tier* const  slowest = &tiers->tiers[3];
  for (uint32_t until = 30; until <= 60; until += 30) { // A frame is of 30
    maudio_tiers_run run;
    memset(floats, 0, maudio_tiers_floats(tiers) * sizeof *floats);
    maudio_tiers_start(tiers, floats, &run);
    for (uint32_t i = 0; i < until; ++i) {
      maudio_tiers_step(&run, code_at(i));
    }
    bool is_said = false; // The first frame goes to the even half
    for (size_t i = 0; i < slowest->pool * slowest->e_pad; ++i) {
      is_said = is_said || run.lines[3].up[i] != 0.0f;
    }
    assert_true(is_said == (until == 60));
  }
  free(floats);
  maudio_model_free(model);
}

static void many_codes_at_once_change_no_bit(void** state)
{
  (void)state;
  maudio_model* const       model  = network_make_tiers();
  const maudio_tiers* const tiers  = &model->tiers;
  const size_t              n      = maudio_tiers_chunk(tiers);
  float* const              steps  = score(tiers, false);
  float* const              floats = network_floats(maudio_tiers_floats(tiers));
  float* const chunk   = network_floats(maudio_tiers_chunk_floats(tiers));
  float* const logits  = network_floats(N_STEPS * MAUDIO_N_CODES);
  const size_t n_bytes = N_STEPS * MAUDIO_N_CODES * sizeof *logits;
  uint8_t      codes[N_STEPS];
  for (uint32_t i = 0; i < N_STEPS; ++i) {
    codes[i] = (uint8_t)code_at(i);
  }
  assert_int_equal(n, 60); // Two frames of the slowest
  // Chunks where the bit is set, and steps
  for (unsigned pattern = 0; pattern < 1U << (N_STEPS / 60); ++pattern) {
    maudio_tiers_run run;
    memset(floats, 0, maudio_tiers_floats(tiers) * sizeof *floats);
    memset(logits, 0, n_bytes);
    maudio_tiers_start(tiers, floats, &run);
    for (size_t i = 0; i < N_STEPS;) {
      float* const to = logits + i * MAUDIO_N_CODES;
      if (i % n == 0 && pattern >> (i / n) & 1U) {
        maudio_tiers_take(&run, codes + i, chunk, to);
        i += n;
      } else {
        maudio_tiers_step(&run, codes[i]);
        maudio_tiers_score(&run, to);
        ++i;
      }
    }
    assert_memory_equal(logits, steps, n_bytes);
  }
  free(logits);
  free(chunk);
  free(floats);
  free(steps);
  maudio_model_free(model);
}

/// Open the generator with the first `part` of its JSON changed
static void check_refused(const char* part, const char* to, const char* message)
{
  model_builder* const builder = model_builder_new(model_builder_tiers_json);
  model_builder_add_network(builder);
  size_t      size = 0;
  char* const file = (char*)model_builder_finish(builder, &size);
  model_builder_free(builder);
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  char*         at    = file + 8; // Text up to the first tensor, as numbers are
  while (strncmp(at, part, strlen(part)) != 0) {
    ++at;
    assert_true(at < file + size - strlen(part));
  }
  memcpy(at, to, strlen(to));
  assert_int_equal(maudio_model_open_memory(file, size, "x.st", &model, &error),
                   MAUDIO_ERR_BAD_MODEL);
  assert_null(model);
  if (!strstr(error.message, message)) {
    fail_msg("'%s' lacks '%s'", error.message, message);
  }
  free(file);
}

static void tensors_that_do_not_fit_are_refused(void** state)
{
  (void)state;
  check_refused("pool\\\": 2", "pool\\\": 4", "tiers.1.down.weight");
  check_refused("d_model\\\": 20", "d_model\\\": 21",
                "tiers.2.layers.0.norm.weight");
  check_refused("d_model\\\": 8", "d_model\\\": 9", "embedding.weight");
  check_refused("d_hidden\\\": 9", "d_hidden\\\": 8",
                "tiers.0.layers.1.mixer.gate_proj.weight");
  check_refused("tiers.3.up.bias", "tiers.3.uq.bias", "tiers.3.up.bias");
  check_refused("head.bias", "haed.bias", "head.bias");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(spreading_changes_no_bit),
    cmocka_unit_test(every_piece_has_its_slot),
    cmocka_unit_test(work_is_done_in_time),
    cmocka_unit_test(many_codes_at_once_change_no_bit),
    cmocka_unit_test(tensors_that_do_not_fit_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "network.h"
#include "player.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RATE 48000.0
#define BANDS MAUDIO_TEST_DIR "/golden/network_bands.safetensors"
#define WHOLE MAUDIO_TEST_DIR "/golden/network_whole.safetensors"

/// Frames in which any change is over
#define N_CHANGE 12000

static const sound_spec spec = {MAUDIO_TASK_DENOISE, RATE, 1};

static player* player_new(void)
{
  player* const p = (player*)calloc(1, sizeof *p);
  assert_non_null(p);
  maudio_error error = {.message = ""};
  if (player_init(p, &spec, &error)) {
    fail_msg("%s", error.message);
  }
  return p;
}

static void player_free(player* p)
{
  player_clear(p);
  free(p);
}

static sound* open_sound(const char* path)
{
  sound*       made  = NULL;
  maudio_error error = {.message = ""};
  if (sound_new(path, &spec, &made, &error)) {
    fail_msg("%s", error.message);
  }
  return made;
}

static void run(player* p, size_t n)
{
  float x[64] = {0};
  for (size_t done = 0; done < n; done += 64) {
    player_update(p);
    maudio_effect_process(p->effect, (const float* const[]){x},
                          (float* const[]){x}, 64);
  }
}

static unsigned count(const sound* s)
{
  unsigned n = 0;
  for (; s; s = s->next) {
    ++n;
  }
  return n;
}

static void the_first_factory_preset_plays(void** state)
{
  (void)state;
  player* const p = player_new();
  run(p, 64);
  assert_int_equal(maudio_effect_latency(p->effect), 1536);
  assert_null(player_copy_path(p));
  assert_false(player_has_garbage(p));
  player_free(p);
}

/// Each factory preset is one stream: back to it waits until it is free
static void factory_presets_are_used_again(void** state)
{
  (void)state;
  player* const p = player_new();
  run(p, 64);
  for (unsigned i = 0; i < 7; ++i) {
    player_want(p, p->factory[1]);
    run(p, 6400);
    player_want(p, p->factory[0]);
    run(p, 640);
  }
  run(p, (size_t)3 * N_CHANGE);
  assert_int_equal(maudio_effect_latency(p->effect), 1536);
  assert_true(p->factory[0]->is_used);
  assert_false(p->factory[1]->is_used);
  assert_false(player_has_garbage(p));
  player_free(p);
}

static void files_become_garbage_when_replaced(void** state)
{
  (void)state;
  player* const p = player_new();
  run(p, 64);
  player_want(p, open_sound(BANDS)); // Begins
  run(p, 64);
  player_want(p, open_sound(WHOLE)); // Waits
  run(p, 64);
  player_want(p, open_sound(BANDS)); // Takes its place
  assert_int_equal(count(p->files), 2);
  assert_int_equal(count(atomic_load(&p->garbage)), 1);
  char* path = player_copy_path(p);
  assert_string_equal(path, BANDS);
  free(path);
  run(p, (size_t)3 * N_CHANGE);
  assert_int_equal(count(p->files), 1);
  assert_int_equal(count(atomic_load(&p->garbage)), 2);
  player_sweep(p);
  assert_false(player_has_garbage(p));

  player_want(p, p->factory[0]);
  run(p, (size_t)2 * N_CHANGE);
  assert_null(player_copy_path(p));
  assert_int_equal(count(p->files), 0);
  assert_int_equal(count(atomic_load(&p->garbage)), 1);
  player_free(p); // And what is left
}

static void only_the_last_restored_is_handed_over(void** state)
{
  (void)state;
  player* const p = player_new();
  player_restore(p, open_sound(WHOLE));
  player_restore(p, p->factory[0]);
  player_restore(p, open_sound(BANDS));
  char* const path = player_copy_path(p);
  assert_string_equal(path, BANDS);
  free(path);
  sound* const restored = player_restored(p);
  assert_string_equal(restored->path, BANDS);
  assert_null(player_restored(p));
  player_want(p, restored);
  player_restore(p, open_sound(WHOLE));
  player_free(p);
}

static void a_bad_rate_leaves_nothing_behind(void** state)
{
  (void)state;
  player* const p     = (player*)calloc(1, sizeof *p);
  maudio_error  error = {.message = ""};
  assert_non_null(p);
  const sound_spec slow = {MAUDIO_TASK_DENOISE, 1.0, 1};
  assert_int_equal(player_init(p, &slow, &error), MAUDIO_ERR_BAD_ARG);
  assert_non_null(strstr(error.message, "1 Hz"));
  player_free(p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_first_factory_preset_plays),
    cmocka_unit_test(factory_presets_are_used_again),
    cmocka_unit_test(files_become_garbage_when_replaced),
    cmocka_unit_test(only_the_last_restored_is_handed_over),
    cmocka_unit_test(a_bad_rate_leaves_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "network.h"

#include "stream.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_FRAMES 12000U
#define N_BEFORE 5003U ///< Saved here, amid a hop

/// A signal, its result without a break, and the state saved at N_BEFORE
typedef struct {
  maudio_model* model;
  float*        in;
  float*        out;
  size_t        size;
  char*         saved;
} fixture;

/// Process frames from `begin` to `end`
static void run(maudio_stream* stream,
                const float*   in,
                float*         out,
                size_t         begin,
                size_t         end)
{
  const float* const from[] = {in + begin, in + begin + 100};
  float* const       to[]   = {out + begin, out + N_FRAMES + begin};
  network_process(stream, 2, from, to, end - begin, 0);
}

static maudio_stream* new_stream(const fixture* f)
{
  return network_stream(f->model, 44100, 2);
}

static int set_up(void** state, const char* name)
{
  fixture* const f = (fixture*)calloc(1, sizeof *f);
  assert_non_null(f);
  f->model = network_open(name);
  f->in    = network_signal(N_FRAMES + 100, 44100, 1);
  f->out   = (float*)calloc(2 * N_FRAMES, sizeof(float));

  maudio_stream* const stream = new_stream(f);
  f->size                     = maudio_stream_state_size(stream);
  f->saved                    = (char*)calloc(f->size + 1, 1);
  assert_non_null(f->out);
  assert_non_null(f->saved);
  run(stream, f->in, f->out, 0, 4900);
  maudio_stream_set(stream, MAUDIO_PARAM_STRENGTH, 0.3f); // A ramp is saved too
  run(stream, f->in, f->out, 4900, N_BEFORE);
  maudio_stream_save_state(stream, f->saved);
  run(stream, f->in, f->out, N_BEFORE, N_FRAMES);
  maudio_stream_free(stream);
  *state = f;
  return 0;
}

static int set_up_mask(void** state)
{
  return set_up(state, "bands");
}

static int set_up_filter(void** state)
{
  return set_up(state, "filter");
}

static int set_up_ahead(void** state)
{
  return set_up(state, "ahead");
}

static int tear_down(void** state)
{
  fixture* const f = (fixture*)*state;
  maudio_model_free(f->model);
  free(f->saved);
  free(f->out);
  free(f->in);
  free(f);
  return 0;
}

/// Does the rest of the signal come out as without a break?
static void check_rest(const fixture* f, maudio_stream* stream)
{
  float* const out = (float*)calloc(2 * N_FRAMES, sizeof *out);
  assert_non_null(out);
  run(stream, f->in, out, N_BEFORE, N_FRAMES);
  for (size_t c = 0; c < 2; ++c) {
    const size_t at = c * N_FRAMES + N_BEFORE;
    assert_memory_equal(out + at, f->out + at,
                        (N_FRAMES - N_BEFORE) * sizeof *out);
  }
  free(out);
}

static void a_stream_continues_to_the_last_bit(void** state)
{
  const fixture* const f      = (const fixture*)*state;
  maudio_stream* const stream = new_stream(f);
  assert_int_equal(maudio_stream_load_state(stream, f->saved, f->size),
                   MAUDIO_SUCCESS);
  check_rest(f, stream);

  // Also one that was busy with something else, from unaligned memory
  char* const unaligned = (char*)malloc(f->size + 1);
  assert_non_null(unaligned);
  memcpy(unaligned + 1, f->saved, f->size);
  assert_int_equal(maudio_stream_load_state(stream, unaligned + 1, f->size),
                   MAUDIO_SUCCESS);
  check_rest(f, stream);
  free(unaligned);
  maudio_stream_free(stream);
}

static void saving_writes_what_it_says(void** state)
{
  const fixture* const f      = (const fixture*)*state;
  maudio_stream* const stream = new_stream(f);
  assert_int_equal(f->saved[f->size], 0);
  assert_true(f->size < maudio_stream_memory(stream));
  maudio_stream_free(stream);
}

/// Load a damaged copy; the stream must refuse, and be as it was
static void check_refused(const fixture* f,
                          size_t         size,
                          size_t         at,
                          const void*    patch,
                          size_t         n)
{
  maudio_stream* const stream = new_stream(f);
  char* const          copy   = (char*)malloc(f->size + 1);
  assert_non_null(copy);
  memcpy(copy, f->saved, f->size);
  assert_int_equal(maudio_stream_load_state(stream, copy, f->size),
                   MAUDIO_SUCCESS);
  if (patch) {
    memcpy(copy + at, patch, n);
  }
  assert_int_equal(maudio_stream_load_state(stream, copy, size),
                   MAUDIO_ERR_BAD_STATE);
  check_rest(f, stream);
  free(copy);
  maudio_stream_free(stream);
}

static void damaged_states_are_refused(void** state)
{
  const fixture* const f       = (const fixture*)*state;
  const float          nan     = NAN;
  const uint64_t       far     = 1U << 30;
  const size_t         scalars = 40; // The header is five words
  check_refused(f, 0, 0, NULL, 0);
  check_refused(f, 7, 0, NULL, 0);
  check_refused(f, f->size - 1, 0, NULL, 0);
  check_refused(f, f->size + 1, 0, NULL, 0);
  check_refused(f, f->size, 3, "?", 1);   // Magic
  check_refused(f, f->size, 8, "?", 1);   // Model
  check_refused(f, f->size, 17, "?", 1);  // Rate
  check_refused(f, f->size, 24, "\1", 1); // Channels
  check_refused(f, f->size, 33, "?", 1);  // Size
  check_refused(f, f->size, scalars, &nan, sizeof nan);
  check_refused(f, f->size, scalars + 8, &far, sizeof far); // A ramp's place
  check_refused(f, f->size, scalars + offsetof(maudio_stream_scalars, position),
                &far, sizeof far);
  check_refused(f, f->size, f->size - sizeof nan, &nan, sizeof nan);
}

static void states_of_others_are_refused(void** state)
{
  const fixture* const f         = (const fixture*)*state;
  maudio_model* const  other     = network_open("whole");
  maudio_stream* const streams[] = {network_stream(other, 44100, 2),
                                    network_stream(f->model, 48000, 2),
                                    network_stream(f->model, 44100, 1)};
  for (size_t i = 0; i < 3; ++i) {
    assert_int_equal(maudio_stream_load_state(streams[i], f->saved, f->size),
                     MAUDIO_ERR_BAD_STATE);
    maudio_stream_free(streams[i]);
  }
  maudio_model_free(other);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_stream_continues_to_the_last_bit),
    cmocka_unit_test(saving_writes_what_it_says),
    cmocka_unit_test(damaged_states_are_refused),
    cmocka_unit_test(states_of_others_are_refused)};
  return cmocka_run_group_tests(tests, set_up_mask, tear_down) +
         cmocka_run_group_tests(tests, set_up_filter, tear_down) +
         cmocka_run_group_tests(tests, set_up_ahead, tear_down);
}

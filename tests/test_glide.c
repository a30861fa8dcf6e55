#include "glide.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N 48000
#define MAX_BLOCK 256
#define TAU 6.28318530717958648

static float signal[2 * N];
static float played[2 * N];

static double sine(double frame, double cycles)
{
  return 0.5 * sin(TAU * cycles * frame);
}

/// Two channels: a sine, and one of half its frequency
static void make_signal(double cycles)
{
  for (int i = 0; i < N; ++i) {
    signal[2 * i]     = (float)sine(i, cycles);
    signal[2 * i + 1] = (float)sine(i, 0.5 * cycles);
  }
}

/// Read blocks of changing size from `taken` on; return the frames played
static size_t read_on(glide* g, size_t* taken, size_t n_most, double speed)
{
  size_t n_played = 0;
  for (size_t block = 1; n_played < n_most; block = 1 + 7 * block % MAX_BLOCK) {
    const size_t rest   = n_most - n_played;
    const size_t n      = block < rest ? block : rest;
    size_t       n_used = 0;
    const size_t n_new  = glide_read(g, signal + 2 * *taken, N - *taken,
                                     played + 2 * n_played, n, speed, &n_used);
    *taken += n_used;
    n_played += n_new;
    if (n_new < n) {
      break;
    }
  }
  return n_played;
}

static void at_rest_samples_stay_as_they_are(void** state)
{
  (void)state;
  make_signal(0.123);
  glide* const g = glide_new(2);
  assert_non_null(g);
  size_t       taken    = 0;
  const size_t n_played = read_on(g, &taken, N, 1.0);
  assert_int_equal(taken, N);
  assert_int_equal(n_played, N - GLIDE_AHEAD);
  assert_memory_equal(played, signal, 2 * n_played * sizeof(float));
  assert_true(glide_ahead(g) == GLIDE_AHEAD);
  glide_free(g);
}

/// Away from rest it is the sine at the places that the speed tells
static void check_speed(double speed, double cycles, double most)
{
  make_signal(cycles);
  glide* const g = glide_new(2);
  assert_non_null(g);
  size_t       taken    = 0;
  const size_t n_played = read_on(g, &taken, N / 2, speed);
  assert_int_equal(n_played, N / 2);
  double worst = 1e-9;
  for (size_t i = 2 * (size_t)GLIDE_AHEAD; i < n_played; ++i) {
    const double at = (double)i * speed;
    worst = fmax(worst, fabs((double)played[2 * i] - sine(at, cycles)));
    worst =
      fmax(worst, fabs((double)played[2 * i + 1] - sine(at, 0.5 * cycles)));
  }
  print_message("speed %g, %g of the rate: off by at most %.1f dB\n", speed,
                cycles, 20.0 * log10(worst / 0.5));
  assert_true(20.0 * log10(worst / 0.5) < most);
  const double next = (double)n_played * speed;
  assert_true(fabs((double)taken - glide_ahead(g) - next) < 1e-6);
  glide_free(g);
}

static void between_samples_it_is_accurate(void** state)
{
  (void)state;
  check_speed(1.003, 0.01, -90.0);
  check_speed(0.997, 0.2, -90.0);
  check_speed(1.00002, 0.4, -90.0);
}

static void it_comes_to_rest(void** state)
{
  (void)state;
  make_signal(0.05);
  glide* const g = glide_new(2);
  assert_non_null(g);
  size_t taken = 0;
  read_on(g, &taken, 1000, 1.0004);
  assert_true(glide_ahead(g) != floor(glide_ahead(g)));
  read_on(g, &taken, 30000, 1.0);
  assert_true(glide_ahead(g) == floor(glide_ahead(g)));

  const size_t at = taken - (size_t)glide_ahead(g);
  const size_t n  = read_on(g, &taken, 1000, 1.0);
  assert_int_equal(n, 1000);
  assert_memory_equal(played, signal + 2 * at, 2 * n * sizeof(float));
  glide_free(g);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(at_rest_samples_stay_as_they_are),
    cmocka_unit_test(between_samples_it_is_accurate),
    cmocka_unit_test(it_comes_to_rest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

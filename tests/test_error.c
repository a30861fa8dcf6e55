#include "error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_strerror_is_one_sentence(void** state)
{
  (void)state;
  for (int i = MAUDIO_SUCCESS; i <= MAUDIO_ERR_BAD_STATE; ++i) {
    const char* const text = maudio_strerror((maudio_status)i);
    assert_true(text[0] >= 'A' && text[0] <= 'Z');
    assert_int_not_equal(text[strlen(text) - 1], '.');
    for (int j = MAUDIO_SUCCESS; j < i; ++j) {
      assert_string_not_equal(text, maudio_strerror((maudio_status)j));
    }
  }
  assert_string_equal(maudio_strerror((maudio_status)-1), "Unknown error");
}

static void test_version(void** state)
{
  (void)state;
  assert_string_equal(maudio_version(), MAUDIO_VERSION);
  assert_string_equal(maudio_version(), MAUDIO_TEST_VERSION);
}

static void test_fail(void** state)
{
  (void)state;
  maudio_error error = {MAUDIO_SUCCESS, ""};
  assert_int_equal(maudio_fail(&error, MAUDIO_ERR_IO, "%s: %d", "file", 7),
                   MAUDIO_ERR_IO);
  assert_int_equal(error.status, MAUDIO_ERR_IO);
  assert_string_equal(error.message, "file: 7");
  assert_int_equal(maudio_fail(NULL, MAUDIO_ERR_BAD_ARG, "ignored"),
                   MAUDIO_ERR_BAD_ARG);
}

static void test_long_message_ends_with_a_whole_character(void** state)
{
  (void)state;
  // One to four bytes: each in turn falls on the end of the buffer
  static const char* const characters[] = {"x", "\u00E9", "\u20AC",
                                           "\U0001F3B5"};
  for (unsigned c = 0; c < 4; ++c) {
    for (unsigned shift = 0; shift < 4; ++shift) {
      char text[1200] = "";
      for (unsigned i = 0; i < shift; ++i) {
        strcat(text, "-");
      }
      for (unsigned i = 0; i < 280; ++i) {
        strcat(text, characters[c]);
      }
      maudio_error error;
      maudio_fail(&error, MAUDIO_ERR_IO, "%s", text);

      const size_t size   = strlen(characters[c]);
      const size_t length = strlen(error.message);
      assert_int_equal((length - shift) % size, 0);
      assert_true(length + size >= sizeof error.message);
      assert_memory_equal(error.message, text, length);
    }
  }
}

static void test_whole_character_at_the_end_is_kept(void** state)
{
  (void)state;
  maudio_error error;
  maudio_fail(&error, MAUDIO_ERR_IO, "caf\u00E9");
  assert_string_equal(error.message, "caf\u00E9");
}

static void test_control_characters_are_replaced(void** state)
{
  (void)state;
  maudio_error error;
  maudio_fail(&error, MAUDIO_ERR_IO, "%s", "a\x1B[31m\n\x7Fz\u00E9");
  assert_string_equal(error.message, "a?[31m??z\u00E9");
}

static void test_path_tail(void** state)
{
  (void)state;
  assert_string_equal(maudio_path_tail("/a/b.safetensors"), "/a/b.safetensors");

  char deep[300];
  memset(deep, 'd', sizeof deep);
  deep[sizeof deep - 1] = '\0';
  assert_int_equal(strlen(maudio_path_tail(deep)), 96);
  deep[250] = '/';
  assert_int_equal(strlen(maudio_path_tail(deep)), 48);
  assert_ptr_equal(maudio_path_tail(deep), deep + 251);

  // A cut inside a character moves to its end
  char accents[201] = "";
  for (unsigned i = 0; i < 66; ++i) {
    strcat(accents, "\u20AC");
  }
  strcat(accents, "x");
  const char* const tail = maudio_path_tail(accents);
  assert_int_equal((tail - accents) % 3, 0);
  assert_true(strlen(tail) <= 96 && strlen(tail) > 93);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_strerror_is_one_sentence),
    cmocka_unit_test(test_version),
    cmocka_unit_test(test_fail),
    cmocka_unit_test(test_long_message_ends_with_a_whole_character),
    cmocka_unit_test(test_whole_character_at_the_end_is_kept),
    cmocka_unit_test(test_control_characters_are_replaced),
    cmocka_unit_test(test_path_tail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

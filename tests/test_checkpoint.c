#include "checkpoint.h"

#include "file.h"
#include "model_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER MAUDIO_TEST_DIR "/conformance/small_jamba"

static void* read_file(const char* path, size_t* size)
{
  void*        data  = NULL;
  maudio_error error = {.message = ""};
  if (maudio_file_read(path, &data, size, &error)) {
    fail_msg("%s", error.message);
  }
  return data;
}

static void check_opens(const char* path, const char* name)
{
  maudio_model*     model = NULL;
  maudio_model_info info;
  maudio_error      error = {.message = ""};
  assert_true(maudio_checkpoint_is(path));
  if (maudio_model_open(path, &model, &error)) {
    fail_msg("%s", error.message);
  }
  maudio_model_get_info(model, &info);
  assert_string_equal(info.name, name);
  maudio_model_free(model);
}

static void a_folder_has_several_names(void** state)
{
  (void)state;
  check_opens(FOLDER, "small_jamba");
  check_opens(FOLDER "/", "small_jamba");
  check_opens(FOLDER "/config.json", "small_jamba");
  assert_false(maudio_checkpoint_is(FOLDER "/model.safetensors"));
  assert_false(maudio_checkpoint_is("/no/such/folder"));

  char before[4096];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(FOLDER), 0);
  check_opens(".", "model");
  check_opens("config.json", "model");
  assert_int_equal(chdir(before), 0);
}

static void information_describes_the_model(void** state)
{
  (void)state;
  maudio_model*     model = NULL;
  maudio_model_info info;
  assert_int_equal(maudio_model_open(FOLDER, &model, NULL), MAUDIO_SUCCESS);
  maudio_model_get_info(model, &info);
  assert_int_equal(info.task, MAUDIO_TASK_TOKENS);
  assert_int_equal(info.n_vocab, 40);
  assert_int_equal(info.d_model, 24);
  assert_int_equal(info.n_layers, 8);
  assert_int_equal(info.context, MAUDIO_DEFAULT_CONTEXT);
  assert_string_equal(maudio_model_layer(model, 0), "mamba");
  assert_string_equal(maudio_model_layer(model, 1), "moe");
  assert_string_equal(maudio_model_layer(model, 2), "attention");
  assert_string_equal(maudio_model_layer(model, 3), "mlp");
  assert_null(maudio_model_layer(model, 8));

  // D 24, I 48, N 7, R 2, taps 2, heads 3 and 1 of 8, M 20, 5 experts, V 40
  const uint64_t mamba = 96 * 24 + 96 + 48 * 2 + 16 * 48 + 48 * 2 + 48 +
                         48 * 7 + 48 + 48 * 24 + 24 + 2 + 7 + 7;
  const uint64_t attention = 2 * 24 * (24 + 8);
  const unsigned mlp       = 3 * 24 * 20;
  assert_int_equal(info.n_parameters, 3 * mamba + attention + 2 * mlp +
                                        2 * (5 * mlp + 5 * 24) + 9 * 24 +
                                        40 * 24);
  const double mamba_macs = 48 * (3 * 24 + 2 + 16 + 2 + 2 * 7);
  const double macs       = 3 * mamba_macs + 2 * 24 * (24 + 8) +
                      2.0 * 24 * MAUDIO_DEFAULT_CONTEXT + 2 * mlp +
                      2 * (3 * mlp + 5 * 24) + 40 * 24;
  if (info.macs_per_step < 0.99 * macs || info.macs_per_step > 1.05 * macs) {
    fail_msg("%.0f multiply-accumulates, expected about %.0f",
             info.macs_per_step, macs);
  }
  assert_true(info.state_bytes >
              (uint64_t)MAUDIO_DEFAULT_CONTEXT * 2 * 8 * sizeof(float));
  maudio_model_free(model);
}

/// Open a config with the weights of small_jamba; it has to be refused
static void
check_refused(const char* config, maudio_status status, const char* expected)
{
  size_t              size    = 0;
  void* const         weights = read_file(FOLDER "/model.safetensors", &size);
  maudio_model*       model   = (maudio_model*)weights;
  maudio_error        error   = {.message = ""};
  const maudio_status found   = maudio_checkpoint_open_memory(
      config, strlen(config), weights, size, "some/folder", &model, &error);
  assert_int_equal(found, status);
  assert_null(model);
  if (!strstr(error.message, expected) ||
      !strstr(error.message, "some/folder/")) {
    fail_msg("'%s' does not say '%s'", error.message, expected);
  }
  free(weights);
}

static void weights_that_do_not_fit_are_refused(void** state)
{
  (void)state;
  check_refused("{\"model_type\": \"mamba\", \"hidden_size\": 24, "
                "\"vocab_size\": 40, \"num_hidden_layers\": 1}",
                MAUDIO_ERR_BAD_MODEL,
                "'backbone.embeddings.weight' of shape (40, 24) is missing");
  check_refused("{\"model_type\": \"jamba\", \"hidden_size\": 25, "
                "\"vocab_size\": 40, \"num_hidden_layers\": 1, "
                "\"num_attention_heads\": 5, \"num_key_value_heads\": 5}",
                MAUDIO_ERR_BAD_MODEL,
                "'model.embed_tokens.weight' has shape (40, 24)");
  // Sizes far beyond the file ask for no memory
  check_refused("{\"model_type\": \"jamba\", \"hidden_size\": 24, "
                "\"vocab_size\": 16777216, \"num_hidden_layers\": 1, "
                "\"num_attention_heads\": 3, \"num_key_value_heads\": 1}",
                MAUDIO_ERR_BAD_MODEL,
                "'model.embed_tokens.weight' has shape (40, 24)");
  check_refused("{\"model_type\": \"jamba\", \"hidden_size\": 24, "
                "\"vocab_size\": 40, \"num_hidden_layers\": 1, "
                "\"tie_word_embeddings\": true, \"intermediate_size\": "
                "1048576, \"num_experts\": 4096, "
                "\"num_attention_heads\": 3, \"num_key_value_heads\": 1, "
                "\"attn_layer_period\": 1, \"attn_layer_offset\": 0, "
                "\"expert_layer_period\": 1, \"expert_layer_offset\": 0, "
                "\"head_dim\": 4096}",
                MAUDIO_ERR_BAD_MODEL, "self_attn.q_proj.weight");
}

/// A folder of its own for a test
typedef struct {
  char path[64];
} folder;

static folder new_folder(void)
{
  folder f = {"/tmp/maudio_test_checkpoint.XXXXXX"};
  assert_non_null(mkdtemp(f.path));
  return f;
}

static void
write_file(const folder* f, const char* name, const void* data, size_t size)
{
  char path[128];
  snprintf(path, sizeof path, "%s/%s", f->path, name);
  FILE* const file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static void remove_file(const folder* f, const char* name)
{
  char path[128];
  snprintf(path, sizeof path, "%s/%s", f->path, name);
  assert_int_equal(unlink(path), 0);
}

static void
check_open(const folder* f, maudio_status expected, const char* says)
{
  maudio_model* model = NULL;
  maudio_error  error = {.message = ""};
  assert_int_equal(maudio_model_open(f->path, &model, &error), expected);
  if (!strstr(error.message, says)) {
    fail_msg("'%s' does not say '%s'", error.message, says);
  }
  maudio_model_free(model);
}

static void incomplete_folders_are_named(void** state)
{
  (void)state;
  size_t       size   = 0;
  char* const  config = read_file(FOLDER "/config.json", &size);
  const folder f      = new_folder();
  check_open(&f, MAUDIO_ERR_NOT_FOUND, "config.json: No such file");
  write_file(&f, "config.json", config, size);
  check_open(&f, MAUDIO_ERR_NOT_FOUND, "model.safetensors: No such file");
  write_file(&f, "pytorch_model.bin", "", 0);
  check_open(&f, MAUDIO_ERR_UNSUPPORTED, "pytorch_model.bin");
  remove_file(&f, "pytorch_model.bin");
  write_file(&f, "model.safetensors.index.json", "{}", 2);
  check_open(&f, MAUDIO_ERR_UNSUPPORTED, "model.safetensors.index.json");
  write_file(&f, "model.safetensors", "rubbish", 7);
  check_open(&f, MAUDIO_ERR_BAD_MODEL, "model.safetensors");
  remove_file(&f, "model.safetensors");
  remove_file(&f, "model.safetensors.index.json");
  remove_file(&f, "config.json");
  assert_int_equal(rmdir(f.path), 0);
  free(config);
}

/// A tied model may hold its head as well, if that is the same
static void a_spare_head_has_to_be_the_embedding(void** state)
{
  (void)state;
  static const char tied[] =
    "{\"d_model\": 2, \"n_layer\": 1, \"vocab_size\": 8, \"ssm_cfg\": "
    "{\"expand\": 1, \"d_state\": 1, \"d_conv\": 1, \"dt_rank\": 1}}";
  const size_t embedding[] = {8, 2};
  const size_t in_proj[]   = {4, 2};
  const size_t conv[]      = {2, 1, 1};
  const size_t x_proj[]    = {3, 2};
  const size_t square[]    = {2, 2};
  const size_t column[]    = {2, 1};
  for (unsigned differs = 0; differs < 2; ++differs) {
    float                table[16] = {1, 2, 3, 4, 5, 6, 7, 8};
    model_builder* const b         = model_builder_new(NULL);
    model_builder_add(b, "backbone.embedding.weight", 2, embedding, table);
    table[9] += (float)differs;
    model_builder_add(b, "lm_head.weight", 2, embedding, table);
    model_builder_add_random(b, "backbone.norm_f.weight", 1, square);
    model_builder_add_random(b, "backbone.layers.0.norm.weight", 1, square);
#define MIXER "backbone.layers.0.mixer."
    model_builder_add_random(b, MIXER "in_proj.weight", 2, in_proj);
    model_builder_add_random(b, MIXER "conv1d.weight", 3, conv);
    model_builder_add_random(b, MIXER "conv1d.bias", 1, conv);
    model_builder_add_random(b, MIXER "x_proj.weight", 2, x_proj);
    model_builder_add_random(b, MIXER "dt_proj.weight", 2, column);
    model_builder_add_random(b, MIXER "dt_proj.bias", 1, column);
    model_builder_add_random(b, MIXER "A_log", 2, column);
    model_builder_add_random(b, MIXER "D", 1, column);
    model_builder_add_random(b, MIXER "out_proj.weight", 2, square);
    size_t         size = 0;
    uint8_t* const file = model_builder_finish(b, &size);
    model_builder_free(b);

    maudio_model*       model  = NULL;
    maudio_error        error  = {.message = ""};
    const maudio_status status = maudio_checkpoint_open_memory(
      tied, strlen(tied), file, size, "folder", &model, &error);
    if (differs) {
      assert_int_equal(status, MAUDIO_ERR_BAD_MODEL);
      assert_non_null(strstr(error.message, "lm_head.weight"));
    } else if (status) {
      fail_msg("%s", error.message);
    } else {
      maudio_model_info info;
      maudio_model_get_info(model, &info);
      assert_int_equal(info.n_parameters,
                       16 + 2 + 2 + 8 + 2 + 2 + 6 + 2 + 2 + 2 + 2 + 4);
    }
    maudio_model_free(model);
    free(file);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_folder_has_several_names),
    cmocka_unit_test(information_describes_the_model),
    cmocka_unit_test(weights_that_do_not_fit_are_refused),
    cmocka_unit_test(incomplete_folders_are_named),
    cmocka_unit_test(a_spare_head_has_to_be_the_embedding)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

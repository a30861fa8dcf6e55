#include "hf_config.h"

#include "error.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Depth of the JSON: settings of quantisation and rope are objects
#define CONFIG_DEPTH 16U

/**
 * Most floats that the states of a sequence may take without its attention.
 *
 * Sizes multiply: within the range of each, a small file could ask for
 * terabytes.
 */
#define MAX_STATE_FLOATS ((uint64_t)1 << 28)

void maudio_hf_blocks_new(maudio_reader* r, maudio_config* config, uint32_t n)
{
  if (r->status) {
    return;
  }
  config->blocks = (maudio_block_config*)calloc(n, sizeof *config->blocks);
  if (!config->blocks) {
    r->status =
      maudio_fail(r->error, MAUDIO_ERR_NO_MEMORY, "%s: No memory", r->label);
    return;
  }
  config->n_blocks = n;
}

void maudio_hf_name_block(maudio_block_config* block,
                          const char*          folder,
                          uint32_t             layer,
                          const char*          norm,
                          const char*          mixer)
{
  snprintf(block->norm, sizeof block->norm, "%s.%u.%s.weight", folder, layer,
           norm);
  snprintf(block->prefix, sizeof block->prefix, "%s.%u.%s.", folder, layer,
           mixer);
}

void maudio_hf_check_silu(maudio_reader* r, const json_t* root, const char* key)
{
  if (!json_object_get(root, key)) {
    return; // It is the default everywhere
  }
  const char* const name = maudio_reader_string(r, root, key);
  if (strcmp(name, "silu") != 0 && strcmp(name, "swish") != 0) {
    maudio_reader_unknown(r, key, name);
  }
}

void maudio_hf_check_heads(maudio_reader*             r,
                           const maudio_block_config* block,
                           uint32_t                   n_heads,
                           const char*                heads_key,
                           const char*                groups_key)
{
  if (r->status) {
    return;
  }
  if ((uint64_t)n_heads * block->headdim != block->d_inner) {
    char problem[96];
    snprintf(problem, sizeof problem,
             "is %u: with heads of %u that is not the %u channels", n_heads,
             block->headdim, block->d_inner);
    maudio_reader_fail(r, heads_key, problem);
  } else if (n_heads % block->n_groups) {
    maudio_reader_fail(r, groups_key, "does not divide the number of heads");
  }
}

uint32_t maudio_hf_read_rank(maudio_reader* r,
                             const json_t*  root,
                             const char*    key,
                             uint32_t       d_model)
{
  const uint32_t      automatic = (d_model + 15) / 16;
  const json_t* const item      = json_object_get(root, key);
  const char* const   text      = json_string_value(item);
  if (text && !strcmp(text, "auto")) {
    return automatic;
  }
  return maudio_reader_integer(r, root, key, automatic, 1, 16384);
}

/// Remove the keys that are null, which means the default
static void drop_nulls(json_t* root)
{
  const char* key   = NULL;
  json_t*     value = NULL;
  void*       next  = NULL;
  json_object_foreach_safe(root, next, key, value)
  {
    if (json_is_null(value)) {
      json_object_del(root, key);
    }
  }
}

/// Floats of state of a block, besides those of attention
static uint64_t block_floats(const maudio_block_config* b)
{
  const uint64_t bc = 2ULL * b->n_groups * b->d_state;
  return (uint64_t)b->d_inner * b->d_state + (b->d_inner + bc) * b->d_conv;
}

static void check_state(maudio_reader* r, const maudio_config* config)
{
  uint64_t n_floats = 0;
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    n_floats += block_floats(&config->blocks[i]);
    if (n_floats > MAX_STATE_FLOATS) {
      maudio_reader_fail(r, "The state", "would be beyond 1 GiB");
      return;
    }
  }
}

static maudio_hf_type_reader find_type(maudio_reader* r, const json_t* root)
{
  static const struct {
    const char*           name;
    maudio_hf_type_reader read;
  } types[] = {{"mamba", maudio_hf_read_mamba},
               {"mamba2", maudio_hf_read_mamba2},
               {"jamba", maudio_hf_read_jamba},
               {"bamba", maudio_hf_read_bamba},
               {"nemotron_h", maudio_hf_read_nemotron_h}};

  if (!json_object_get(root, "model_type") &&
      json_object_get(root, "ssm_cfg")) {
    return maudio_hf_read_state_spaces;
  }
  const char* const type = maudio_reader_string(r, root, "model_type");
  for (size_t i = 0; i < sizeof types / sizeof *types; ++i) {
    if (!strcmp(type, types[i].name)) {
      return types[i].read;
    }
  }
  maudio_reader_unknown(r, "model_type", type);
  return NULL;
}

static void read_root(maudio_reader* r, json_t* root, maudio_config* config)
{
  drop_nulls(root);
  const maudio_hf_type_reader read = find_type(r, root);
  if (json_object_get(root, "quantization_config")) {
    r->status = r->status ? r->status
                          : maudio_fail(r->error, MAUDIO_ERR_UNSUPPORTED,
                                        "%s: quantization_config asks for "
                                        "weights in a form that is not read",
                                        r->label);
  }
  if (r->status) {
    return;
  }
  const char* const width =
    read == maudio_hf_read_state_spaces ? "d_model" : "hidden_size";
  config->d_model =
    maudio_reader_integer(r, root, width, MAUDIO_REQUIRED, 1, 32768);
  config->tokens.n_vocab =
    maudio_reader_integer(r, root, "vocab_size", MAUDIO_REQUIRED, 1, 1U << 24);
  config->tokens.max_context =
    maudio_reader_integer(r, root, "max_position_embeddings", 0, 0, UINT32_MAX);
  if (!r->status) {
    read(r, root, config);
  }
  if (!r->status) {
    check_state(r, config);
  }
}

maudio_status maudio_hf_config_parse(const char*    json,
                                     size_t         size,
                                     const char*    name,
                                     const char*    label,
                                     maudio_config* config,
                                     maudio_error*  error)
{
  maudio_reader r    = {.label = maudio_path_tail(label), .error = error};
  json_t*       root = NULL;
  *config            = (maudio_config){.task = MAUDIO_TASK_TOKENS};
  snprintf(config->name, sizeof config->name, "%s", name);
  r.status = maudio_json_parse(json, size, CONFIG_DEPTH, r.label, &root, error);
  if (!r.status) {
    read_root(&r, root, config);
    json_decref(root);
  }
  if (r.status) {
    maudio_config_clear(config);
  }
  return r.status;
}

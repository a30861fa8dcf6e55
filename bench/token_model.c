#include "token_model.h"

#include "checkpoint.h"
#include "error.h"
#include "hf_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// A safetensors file that grows in memory
typedef struct {
  FILE*    entries; ///< Its header without the braces
  FILE*    data;
  size_t   n_bytes; ///< Of the data
  uint32_t random;
} writer;

/// Values are uniform, `spread` to either side of `mean`
typedef struct {
  float mean;
  float spread;
} values;

static const values norm_values    = {1.0f, 0.2f};
static const values bias_values    = {0.0f, 0.1f};
static const values conv_values    = {0.0f, 0.5f};
static const values dt_bias_values = {-2.0f, 1.0f};
static const values a_log_values   = {1.0f, 1.0f};
static const values skip_values    = {1.0f, 0.5f};

static void add(writer*       w,
                const char*   prefix,
                const char*   name,
                unsigned      n_dims,
                const size_t* shape,
                values        v)
{
  size_t n = 1;
  fprintf(w->entries, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[",
          w->n_bytes ? "," : "", prefix, name);
  for (unsigned i = 0; i < n_dims; ++i) {
    fprintf(w->entries, i ? ",%zu" : "%zu", shape[i]);
    n *= shape[i];
  }
  fprintf(w->entries, "],\"data_offsets\":[%zu,%zu]}", w->n_bytes,
          w->n_bytes + n * sizeof(float));
  for (size_t i = 0; i < n; ++i) {
    w->random         = w->random * 1664525U + 1013904223U;
    const float unit  = (float)(w->random >> 8) / 8388608.0f - 1.0f;
    const float value = v.mean + v.spread * unit;
    fwrite(&value, sizeof value, 1, w->data);
  }
  w->n_bytes += n * sizeof(float);
}

static void
add_vector(writer* w, const char* prefix, const char* name, size_t n, values v)
{
  add(w, prefix, name, 1, &n, v);
}

/// A matrix whose outputs are about as large as its inputs
static void add_matrix(writer*     w,
                       const char* prefix,
                       const char* name,
                       size_t      n_out,
                       size_t      n_in)
{
  const size_t shape[] = {n_out, n_in};
  add(w, prefix, name, 2, shape, (values){0.0f, sqrtf(3.0f / (float)n_in)});
}

/// The matrix of a projection, and its bias where it has one
static void add_linear(writer*                    w,
                       const maudio_block_config* c,
                       const char*                name,
                       size_t                     n_out,
                       size_t                     n_in)
{
  char full[64];
  snprintf(full, sizeof full, "%s.weight", name);
  add_matrix(w, c->prefix, full, n_out, n_in);
  if (c->has_bias) {
    snprintf(full, sizeof full, "%s.bias", name);
    add_vector(w, c->prefix, full, n_out, bias_values);
  }
}

static void add_conv(writer* w, const maudio_block_config* c, size_t n_channels)
{
  const size_t shape[] = {n_channels, 1, c->d_conv};
  add(w, c->prefix, "conv1d.weight", 3, shape, conv_values);
  if (!c->has_no_conv_bias) {
    add_vector(w, c->prefix, "conv1d.bias", n_channels, bias_values);
  }
}

static void add_mamba(writer* w, const maudio_block_config* c, size_t d_model)
{
  const size_t a_shape[] = {c->d_inner, c->d_state};
  add_linear(w, c, "in_proj", (size_t)2 * c->d_inner, d_model);
  add_conv(w, c, c->d_inner);
  add_matrix(w, c->prefix, "x_proj.weight", c->dt_rank + (size_t)2 * c->d_state,
             c->d_inner);
  add_matrix(w, c->prefix, "dt_proj.weight", c->d_inner, c->dt_rank);
  add_vector(w, c->prefix, "dt_proj.bias", c->d_inner, dt_bias_values);
  add(w, c->prefix, "A_log", 2, a_shape, a_log_values);
  add_vector(w, c->prefix, "D", c->d_inner, skip_values);
  add_linear(w, c, "out_proj", d_model, c->d_inner);
  if (c->has_inner_norms) {
    add_vector(w, c->prefix, "dt_layernorm.weight", c->dt_rank, norm_values);
    add_vector(w, c->prefix, "b_layernorm.weight", c->d_state, norm_values);
    add_vector(w, c->prefix, "c_layernorm.weight", c->d_state, norm_values);
  }
}

static void add_mamba2(writer* w, const maudio_block_config* c, size_t d_model)
{
  const size_t n_conv  = c->d_inner + (size_t)2 * c->n_groups * c->d_state;
  const size_t n_heads = c->d_inner / c->headdim;
  add_linear(w, c, "in_proj", c->d_inner + n_conv + n_heads, d_model);
  add_conv(w, c, n_conv);
  add_vector(w, c->prefix, "dt_bias", n_heads, dt_bias_values);
  add_vector(w, c->prefix, "A_log", n_heads, a_log_values);
  add_vector(w, c->prefix, "D", n_heads, skip_values);
  add_vector(w, c->prefix, "norm.weight", c->d_inner, norm_values);
  add_linear(w, c, "out_proj", d_model, c->d_inner);
}

static void
add_attention(writer* w, const maudio_block_config* c, size_t d_model)
{
  const size_t n_q = (size_t)c->n_heads * c->headwidth;
  const size_t n_k = (size_t)c->n_kv_heads * c->headwidth;
  add_linear(w, c, "q_proj", n_q, d_model);
  add_linear(w, c, "k_proj", n_k, d_model);
  add_linear(w, c, "v_proj", n_k, d_model);
  add_linear(w, c, "o_proj", d_model, n_q);
}

static void add_mlp(writer* w, const maudio_block_config* c, size_t d_model)
{
  if (c->hidden == MAUDIO_HIDDEN_GATED_SILU) {
    add_linear(w, c, "gate_proj", c->d_hidden, d_model);
  }
  add_linear(w, c, "up_proj", c->d_hidden, d_model);
  add_linear(w, c, "down_proj", d_model, c->d_hidden);
}

/// Experts without a shared one
static void add_moe(writer* w, const maudio_block_config* c, size_t d_model)
{
  add_matrix(w, c->prefix, "router.weight", c->n_experts, d_model);
  for (uint32_t e = 0; e < c->n_experts; ++e) {
    maudio_block_config expert = *c;
    snprintf(expert.prefix, sizeof expert.prefix, "%.40sexperts.%u.", c->prefix,
             e);
    add_mlp(w, &expert, d_model);
  }
}

static void add_block(writer* w, const maudio_block_config* c, size_t d_model)
{
  add_vector(w, "", c->norm, d_model, norm_values);
  switch (c->mixer) {
  case MAUDIO_MIXER_MAMBA:
    add_mamba(w, c, d_model);
    break;
  case MAUDIO_MIXER_MAMBA2:
    add_mamba2(w, c, d_model);
    break;
  case MAUDIO_MIXER_ATTENTION:
    add_attention(w, c, d_model);
    break;
  case MAUDIO_MIXER_MLP:
    add_mlp(w, c, d_model);
    break;
  case MAUDIO_MIXER_MOE:
    add_moe(w, c, d_model);
    break;
  case MAUDIO_MIXER_BAND_MLP:
    break; // Not in models of tokens
  }
}

static void add_all(writer* w, const maudio_config* config)
{
  const size_t d_model = config->d_model;
  const size_t n_vocab = config->tokens.n_vocab;
  add_matrix(w, "", config->tokens.embedding, n_vocab, d_model);
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    add_block(w, &config->blocks[i], d_model);
  }
  add_vector(w, "", config->norm_f, d_model, norm_values);
  if (!config->tokens.is_tied) {
    add_matrix(w, "", "lm_head.weight", n_vocab, d_model);
  }
}

/// Join header and data to a file, to be freed with free(), or return NULL
static uint8_t* join(const char* entries,
                     size_t      n_entries,
                     const char* data,
                     size_t      n_data,
                     size_t*     size)
{
  const size_t   n_header = n_entries + 2;
  uint8_t* const file     = (uint8_t*)malloc(8 + n_header + n_data);
  if (!file) {
    return NULL;
  }
  for (unsigned i = 0; i < 8; ++i) {
    file[i] = (uint8_t)((uint64_t)n_header >> (8 * i));
  }
  file[8] = '{';
  memcpy(file + 9, entries, n_entries);
  file[9 + n_entries] = '}';
  memcpy(file + 8 + n_header, data, n_data);
  *size = 8 + n_header + n_data;
  return file;
}

/// Return the file, to be freed with free(), or NULL
static uint8_t* write_file(const maudio_config* config, size_t* size)
{
  char*    entries   = NULL;
  char*    data      = NULL;
  size_t   n_entries = 0;
  size_t   n_data    = 0;
  uint8_t* file      = NULL;
  writer   w         = {.entries = open_memstream(&entries, &n_entries),
                        .data    = open_memstream(&data, &n_data),
                        .random  = 1};
  bool     ok        = w.entries && w.data;
  if (ok) {
    add_all(&w, config);
    ok = !ferror(w.entries) && !ferror(w.data);
  }
  ok = (!w.entries || !fclose(w.entries)) && ok;
  ok = (!w.data || !fclose(w.data)) && ok;
  if (ok) {
    file = join(entries, n_entries, data, n_data, size);
  }
  free(entries);
  free(data);
  return file;
}

maudio_status bench_token_model(const char*    name,
                                const char*    json,
                                maudio_model** model,
                                maudio_error*  error)
{
  *model = NULL;
  maudio_config config;
  maudio_status status =
    maudio_hf_config_parse(json, strlen(json), name, name, &config, error);
  if (status) {
    return status;
  }
  size_t         size = 0;
  uint8_t* const file = write_file(&config, &size);
  maudio_config_clear(&config);
  status = file ? maudio_checkpoint_open_memory(json, strlen(json), file, size,
                                                name, model, error)
                : maudio_fail(error, MAUDIO_ERR_NO_MEMORY,
                              "%s: No memory for the weights", name);
  free(file);
  return status;
}

#include "model_builder.h"

#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  char*  bytes;
  size_t size;
} buffer;

struct model_builder {
  char*    json; ///< May be NULL
  buffer   entries;
  buffer   data;
  uint32_t random;
  float    mask; ///< What masks lie around
};

/// Stop the test program: a test without memory proves nothing
static void* check_memory(void* memory)
{
  if (!memory) {
    fprintf(stderr, "model_builder: no memory\n");
    abort();
  }
  return memory;
}

static void append(buffer* b, const void* bytes, size_t size)
{
  b->bytes = (char*)check_memory(realloc(b->bytes, b->size + size + 1));
  if (size) {
    memcpy(b->bytes + b->size, bytes, size);
  }
  b->size += size;
  b->bytes[b->size] = '\0';
}

static void append_text(buffer* b, const char* format, ...)
  __attribute__((format(printf, 2, 3)));

static void append_text(buffer* b, const char* format, ...)
{
  char    text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  append(b, text, strlen(text));
}

model_builder* model_builder_new(const char* json)
{
  model_builder* const b = (model_builder*)check_memory(calloc(1, sizeof *b));
  b->json                = json ? (char*)check_memory(strdup(json)) : NULL;
  b->random              = 1;
  b->mask                = 1.0f;
  append(&b->entries, "", 0);
  append(&b->data, "", 0);
  return b;
}

void model_builder_set_mask(model_builder* builder, float mask)
{
  builder->mask = mask;
}

void model_builder_free(model_builder* builder)
{
  if (builder) {
    free(builder->json);
    free(builder->entries.bytes);
    free(builder->data.bytes);
    free(builder);
  }
}

void model_builder_add_raw(model_builder* builder,
                           const char*    name,
                           const char*    dtype,
                           unsigned       n_dims,
                           const size_t*  shape,
                           const void*    bytes,
                           size_t         n_bytes)
{
  append_text(&builder->entries, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", name,
              dtype);
  for (unsigned i = 0; i < n_dims; ++i) {
    append_text(&builder->entries, i ? ",%zu" : "%zu", shape[i]);
  }
  append_text(&builder->entries, "],\"data_offsets\":[%zu,%zu]}",
              builder->data.size, builder->data.size + n_bytes);
  append(&builder->data, bytes, n_bytes);
}

static size_t product(unsigned n_dims, const size_t* shape)
{
  size_t n = 1;
  for (unsigned i = 0; i < n_dims; ++i) {
    n *= shape[i];
  }
  return n;
}

void model_builder_add(model_builder* builder,
                       const char*    name,
                       unsigned       n_dims,
                       const size_t*  shape,
                       const float*   values)
{
  // The machines the tests run on are little-endian, as the format is
  const size_t n_bytes = product(n_dims, shape) * sizeof *values;
  model_builder_add_raw(builder, name, "F32", n_dims, shape, values, n_bytes);
}

/// Return uniform values around `mean`, to be freed with free()
static float*
uniform(model_builder* builder, size_t n, float mean, float spread)
{
  float* const values = (float*)check_memory(malloc(n * sizeof *values + 1));
  for (size_t i = 0; i < n; ++i) {
    builder->random  = builder->random * 1664525U + 1013904223U;
    const float unit = (float)(builder->random >> 8) / 16777216.0f;
    values[i]        = mean + spread * (2.0f * unit - 1.0f);
  }
  return values;
}

/// Add a tensor of uniform values around `mean`
static void add_uniform(model_builder* builder,
                        const char*    name,
                        unsigned       n_dims,
                        const size_t*  shape,
                        float          mean,
                        float          spread)
{
  const size_t n      = product(n_dims, shape);
  float* const values = uniform(builder, n, mean, spread);
  model_builder_add(builder, name, n_dims, shape, values);
  free(values);
}

void model_builder_add_random(model_builder* builder,
                              const char*    name,
                              unsigned       n_dims,
                              const size_t*  shape)
{
  add_uniform(builder, name, n_dims, shape, 0.0f, 0.1f);
}

/// Where the tensors of one block go
typedef struct {
  model_builder*             builder;
  const maudio_block_config* block;
} block_writer;

static void add_param(const block_writer* w,
                      const char*         name,
                      unsigned            n_dims,
                      const size_t*       shape,
                      float               mean,
                      float               spread)
{
  char full[96];
  snprintf(full, sizeof full, "%s%s", w->block->prefix, name);
  add_uniform(w->builder, full, n_dims, shape, mean, spread);
}

static void add_vector(const block_writer* w,
                       const char*         name,
                       size_t              n,
                       float               mean,
                       float               spread)
{
  add_param(w, name, 1, &n, mean, spread);
}

/// Add a matrix whose outputs are about as large as its inputs
static void
add_matrix(const block_writer* w, const char* name, size_t rows, size_t cols)
{
  const size_t shape[] = {rows, cols};
  add_param(w, name, 2, shape, 0.0f, sqrtf(3.0f / (float)cols));
}

static void add_conv(const block_writer* w, size_t n_channels, uint32_t d_conv)
{
  const size_t shape[] = {n_channels, 1, d_conv};
  add_param(w, "conv1d.weight", 3, shape, 0.0f, 0.5f);
  add_vector(w, "conv1d.bias", n_channels, 0.0f, 0.1f);
}

static void
add_mamba2(const block_writer* w, size_t d_model, const maudio_block_config* c)
{
  const size_t conv_dim = c->d_inner + 2UL * c->n_groups * c->d_state;
  const size_t heads    = c->d_inner / c->headdim;
  add_matrix(w, "in_proj.weight", c->d_inner + conv_dim + heads, d_model);
  add_conv(w, conv_dim, c->d_conv);
  add_vector(w, "dt_bias", heads, -2.0f, 1.0f);
  add_vector(w, "A_log", heads, 1.0f, 1.0f);
  add_vector(w, "D", heads, 1.0f, 0.5f);
  add_vector(w, "norm.weight", c->d_inner, 1.0f, 0.2f);
  add_matrix(w, "out_proj.weight", d_model, c->d_inner);
}

static void
add_mamba(const block_writer* w, size_t d_model, const maudio_block_config* c)
{
  const size_t a_shape[] = {c->d_inner, c->d_state};
  add_matrix(w, "in_proj.weight", 2UL * c->d_inner, d_model);
  add_conv(w, c->d_inner, c->d_conv);
  add_matrix(w, "x_proj.weight", c->dt_rank + 2UL * c->d_state, c->d_inner);
  add_matrix(w, "dt_proj.weight", c->d_inner, c->dt_rank);
  add_vector(w, "dt_proj.bias", c->d_inner, -2.0f, 1.0f);
  add_param(w, "A_log", 2, a_shape, 1.0f, 1.0f);
  add_vector(w, "D", c->d_inner, 1.0f, 0.5f);
  add_matrix(w, "out_proj.weight", d_model, c->d_inner);
}

static void add_band_mlp(const block_writer*        w,
                         size_t                     n_bands,
                         const maudio_block_config* c)
{
  add_matrix(w, "fc1.weight", c->d_hidden, n_bands);
  add_vector(w, "fc1.bias", c->d_hidden, 0.0f, 0.1f);
  add_matrix(w, "fc2.weight", n_bands, c->d_hidden);
  add_vector(w, "fc2.bias", n_bands, 0.0f, 0.1f);
}

static void add_mlp(const block_writer* w, size_t d_model, size_t d_hidden)
{
  add_matrix(w, "gate_proj.weight", d_hidden, d_model);
  add_matrix(w, "up_proj.weight", d_hidden, d_model);
  add_matrix(w, "down_proj.weight", d_model, d_hidden);
}

static void add_block(model_builder*             builder,
                      size_t                     d_model,
                      size_t                     n_bands,
                      const maudio_block_config* block)
{
  const block_writer w = {builder, block};
  n_bands              = block->n_bands ? block->n_bands : n_bands;
  add_uniform(builder, block->norm, 1, &d_model, 1.0f, 0.2f);
  switch (block->mixer) {
  case MAUDIO_MIXER_MAMBA:
    add_mamba(&w, d_model, block);
    break;
  case MAUDIO_MIXER_MAMBA2:
    add_mamba2(&w, d_model, block);
    break;
  case MAUDIO_MIXER_BAND_MLP:
    add_band_mlp(&w, n_bands, block);
    break;
  case MAUDIO_MIXER_MLP:
    add_mlp(&w, d_model, block->d_hidden);
    break;
  case MAUDIO_MIXER_ATTENTION:
  case MAUDIO_MIXER_MOE:
    break; // Not in files of this format
  }
}

/// Add the ends of a network that makes a mask
static void add_mask(model_builder* builder, const maudio_config* config)
{
  const size_t weight[] = {2UL * config->spectral.n_bins, config->d_model};
  add_uniform(builder, "band_out.weight", 2, weight, 0.0f, 0.2f);
  float* const bias = uniform(builder, weight[0], 0.0f, 0.1f);
  for (size_t k = 0; k < config->spectral.n_bins; ++k) {
    bias[2 * k] += builder->mask - 1.0f; // 1 is added to the mask
  }
  model_builder_add(builder, "band_out.bias", 1, weight, bias);
  free(bias);

  const maudio_filter_config* const filter = &config->spectral.filter;
  if (filter->n_bins) {
    const size_t taps[] = {2UL * filter->n_delays * filter->n_bins,
                           config->d_model};
    add_uniform(builder, "filter_out.weight", 2, taps, 0.0f, 0.2f);
    add_uniform(builder, "filter_out.bias", 1, taps, 0.0f, 0.1f);
  }
}

/// Add a fast path, and what steers it
static void add_steer(model_builder* builder, const maudio_config* config)
{
  const maudio_steer_config* const c = &config->steer;

  const size_t d_model   = c->d_model;
  const size_t n_gains   = c->n_gains;
  const size_t width     = (size_t)config->spectral.n_bands * config->d_model;
  const size_t gain[]    = {n_gains, config->d_model};
  const size_t filters[] = {n_gains, c->n_taps};
  const size_t context[] = {d_model, width};
  const size_t in[]      = {d_model, 2UL * c->n_past};
  const size_t out[]     = {1, d_model};
  add_uniform(builder, "steer.gain.weight", 2, gain, 0.0f, 0.5f);
  add_uniform(builder, "steer.gain.bias", 1, gain, 0.0f, 0.5f);
  add_uniform(builder, "steer.filters.weight", 2, filters, 0.0f, 0.05f);
  add_uniform(builder, "steer.context.weight", 2, context, 0.0f,
              sqrtf(3.0f / (float)width));
  add_uniform(builder, "steer.context.bias", 1, context, 0.0f, 0.1f);
  add_uniform(builder, "steer.in.weight", 2, in, 0.0f, 0.5f);
  for (uint32_t i = 0; i < c->n_blocks; ++i) {
    add_block(builder, d_model, 1, &c->blocks[i]);
  }
  add_uniform(builder, "steer.norm_f.weight", 1, &d_model, 1.0f, 0.2f);
  add_uniform(builder, "steer.out.weight", 2, out, 0.0f, 0.08f);
}

static void add_denoiser(model_builder* builder, const maudio_config* config)
{
  const size_t d_model     = config->d_model;
  const size_t n_bins      = config->spectral.n_bins;
  const size_t in_weight[] = {3 * n_bins, d_model};
  const size_t in_bias[]   = {config->spectral.n_bands, d_model};
  add_uniform(builder, "band_in.weight", 2, in_weight, 0.0f, 0.2f);
  add_uniform(builder, "band_in.bias", 2, in_bias, 0.0f, 0.1f);
  for (uint32_t i = 0; i < config->n_blocks; ++i) {
    add_block(builder, d_model, config->spectral.n_bands, &config->blocks[i]);
  }
  add_uniform(builder, "backbone.norm_f.weight", 1, &d_model, 1.0f, 0.2f);
  if (config->steer.n_gains) {
    add_steer(builder, config);
  } else {
    add_mask(builder, config);
  }
}

/// Add what joins tier `index` to the one before
static void add_pooling(model_builder*            builder,
                        const maudio_tier_config* tier,
                        uint32_t                  index)
{
  const size_t n      = tier->pool * (size_t)tier[-1].d_model;
  const size_t d      = tier->d_model;
  const size_t down[] = {d, n};
  const size_t up[]   = {n, d};
  char         name[32];
  snprintf(name, sizeof name, "tiers.%u.down.weight", index);
  add_uniform(builder, name, 2, down, 0.0f, sqrtf(3.0f / (float)n));
  snprintf(name, sizeof name, "tiers.%u.down.bias", index);
  add_uniform(builder, name, 1, &d, 0.0f, 0.1f);
  snprintf(name, sizeof name, "tiers.%u.up.weight", index);
  add_uniform(builder, name, 2, up, 0.0f, sqrtf(3.0f / (float)d));
  snprintf(name, sizeof name, "tiers.%u.up.bias", index);
  add_uniform(builder, name, 1, &n, 0.0f, 0.1f);
}

static void add_generator(model_builder* builder, const maudio_config* config)
{
  const maudio_tier_config* const tiers   = config->sample.tiers;
  const size_t                    n       = MAUDIO_N_CODES;
  const size_t                    shape[] = {n, tiers[0].d_model};
  add_uniform(builder, "embedding.weight", 2, shape, 0.0f, 1.0f);
  add_uniform(builder, "head.weight", 2, shape, 0.0f, 0.5f);
  add_uniform(builder, "head.bias", 1, &n, 0.0f, 0.1f);
  for (uint32_t i = 0; i < config->sample.n_tiers; ++i) {
    const size_t d_model = tiers[i].d_model;
    if (i) {
      add_pooling(builder, &tiers[i], i);
    }
    for (uint32_t l = 0; l < tiers[i].n_blocks; ++l) {
      add_block(builder, d_model, 1, &tiers[i].blocks[l]);
    }
    add_uniform(builder, tiers[i].norm_f, 1, &d_model, 1.0f, 0.2f);
  }
}

void model_builder_add_network(model_builder* builder)
{
  maudio_config config;
  maudio_error  error;
  if (maudio_config_parse(builder->json, "model_builder", &config, &error)) {
    fprintf(stderr, "%s\n", error.message);
    abort();
  }
  if (config.task == MAUDIO_TASK_GENERATE) {
    add_generator(builder, &config);
  } else {
    add_denoiser(builder, &config);
  }
  maudio_config_clear(&config);
}

uint8_t* model_builder_join(const char* header,
                            const void* data,
                            size_t      n_bytes,
                            size_t*     size)
{
  const size_t   length = strlen(header);
  uint8_t* const file   = (uint8_t*)check_memory(malloc(8 + length + n_bytes));
  for (unsigned i = 0; i < 8; ++i) {
    file[i] = (uint8_t)((uint64_t)length >> (8 * i));
  }
  memcpy(file + 8, header, length);
  if (n_bytes) {
    memcpy(file + 8 + length, data, n_bytes);
  }
  *size = 8 + length + n_bytes;
  return file;
}

/// Append JSON text as a string literal
static void append_quoted(buffer* b, const char* text)
{
  append_text(b, "\"");
  for (; *text; ++text) {
    if (*text == '"' || *text == '\\') {
      append_text(b, "\\");
    }
    append(b, text, 1);
  }
  append_text(b, "\"");
}

uint8_t* model_builder_finish(const model_builder* builder, size_t* size)
{
  buffer      header  = {NULL, 0};
  const char* entries = builder->entries.bytes;
  append_text(&header, "{");
  if (builder->json) {
    append_text(&header, "\"__metadata__\":{\"maudio\":");
    append_quoted(&header, builder->json);
    append_text(&header, "}");
  } else if (*entries) {
    ++entries; // Its comma
  }
  append(&header, entries, strlen(entries));
  append_text(&header, "}");
  uint8_t* const file = model_builder_join(header.bytes, builder->data.bytes,
                                           builder->data.size, size);
  free(header.bytes);
  return file;
}

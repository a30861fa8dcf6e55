/* Reading the layers that are MLPs */
#include "error.h"
#include "layer.h"

#include <stdlib.h>
#include <string.h>

/// Shared memory that every GPU since compute capability 8.0 has for a block
#define MAX_SHARED ((size_t)99 * 1024)

/// Put both matrices on the GPU once more, where there are kernels for them
static maudio_status bind_tiles(gpu_binding*  b,
                                size_t        d_hidden,
                                const float*  fc1,
                                const float*  fc2,
                                gpu_band_mlp* m)
{
  const size_t n_bands = (size_t)b->n_bands;
  if (!gpu_band_mlp_has_tiles(n_bands, (size_t)b->d_model, d_hidden)) {
    return MAUDIO_SUCCESS;
  }
  const size_t n_fc1 = gpu_band_mlp_fc1_size(n_bands, d_hidden);
  const size_t size  = (n_fc1 + n_bands * d_hidden) * sizeof(float);
  float* const tiles = (float*)malloc(size);
  if (!tiles) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for %sfc1.weight", b->prefix);
  }
  gpu_band_mlp_pack(n_bands, d_hidden, fc1, fc2, tiles, tiles + n_fc1);
  const void*         copy = NULL;
  const maudio_status status =
    gpu_arena_copy(b->arena, tiles, size, &copy, b->error);
  free(tiles);
  if (!status) {
    m->fc1_tiles = (const float*)copy;
    m->fc2_tiles = m->fc1_tiles + n_fc1;
  }
  return status;
}

maudio_status gpu_layer_bind_band_mlp(const maudio_block_config* config,
                                      gpu_binding*               b,
                                      const float*               norm,
                                      gpu_layer*                 l)
{
  const size_t n_bands = (size_t)b->n_bands;
  if (gpu_band_mlp_shared(b->n_bands, b->d_model) > MAX_SHARED) {
    return maudio_fail(b->error, MAUDIO_ERR_UNSUPPORTED,
                       "%sfc1.weight: %d bands are too many for a band_mlp on "
                       "the GPU",
                       b->prefix, b->n_bands);
  }
  gpu_band_mlp* const m      = &l->band_mlp;
  const size_t        fc1[]  = {config->d_hidden, n_bands};
  const size_t        fc2[]  = {n_bands, config->d_hidden};
  float*              rows1  = NULL;
  float*              rows2  = NULL;
  maudio_status       status = gpu_bind_read(b, "fc1.weight", 2, fc1, &rows1);
  if (!status) {
    status = gpu_bind_matrix(b, fc1[0], fc1[1], rows1, &m->fc1);
  }
  if (!status) {
    status = gpu_bind_read(b, "fc2.weight", 2, fc2, &rows2);
  }
  if (!status) {
    status = gpu_bind_matrix(b, fc2[0], fc2[1], rows2, &m->fc2);
  }
  if (!status) {
    status = bind_tiles(b, config->d_hidden, rows1, rows2, m);
  }
  if (!status) {
    status = gpu_bind_floats(b, "fc1.bias", 1, fc1, &m->fc1_bias);
  }
  if (!status) {
    status = gpu_bind_floats(b, "fc2.bias", 1, fc2, &m->fc2_bias);
  }
  const void* copy = NULL;
  if (!status) {
    status = gpu_arena_copy(b->arena, norm, (size_t)b->d_model * sizeof *norm,
                            &copy, b->error);
  }
  m->n_bands  = b->n_bands;
  m->d_model  = b->d_model;
  m->norm     = (const float*)copy;
  m->norm_eps = l->norm_eps;
  free(rows1);
  free(rows2);
  return status;
}

/// Both matrices to the hidden units become one
maudio_status gpu_layer_bind_mlp(const maudio_block_config* config,
                                 gpu_binding*               b,
                                 const float*               norm,
                                 gpu_layer*                 l)
{
  static const char* const names[] = {"gate_proj.weight", "up_proj.weight"};

  const size_t  d_model  = (size_t)l->d_model;
  const size_t  d_hidden = config->d_hidden;
  const size_t  shape[]  = {d_hidden, d_model};
  const size_t  n        = d_hidden * d_model;
  maudio_status status   = MAUDIO_SUCCESS;
  float* const  both     = (float*)malloc(2 * n * sizeof *both);
  if (!both) {
    return maudio_fail(b->error, MAUDIO_ERR_NO_MEMORY,
                       "No memory for %sgate_proj.weight", b->prefix);
  }
  for (size_t i = 0; !status && i < 2; ++i) {
    float* rows = NULL;
    status      = gpu_bind_read(b, names[i], 2, shape, &rows);
    if (!status) {
      memcpy(both + i * n, rows, n * sizeof *both);
    }
    free(rows);
  }
  if (!status) {
    gpu_scale_columns(2 * d_hidden, d_model, norm, both);
    status = gpu_bind_whole(b, 2 * d_hidden, d_model, both, NULL, &l->gate_up);
  }
  if (!status) {
    status = gpu_bind_product(b,
                              &(gpu_product_source){.name  = "down_proj.weight",
                                                    .n_out = d_model,
                                                    .n_in  = d_hidden},
                              &l->down);
  }
  free(both);
  l->d_hidden   = (int)d_hidden;
  l->proj_width = (int)((2 * d_hidden + 7) / 8 * 8);
  l->n_work     = (size_t)l->proj_width;
  return status;
}

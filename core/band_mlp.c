/* An MLP across bands, the same for each channel: y = fc2(SiLU(fc1(x))).
 *
 * For a frame x is a matrix (S, D) whose rows are vectors of channels, so the
 * weights (M, S) stand where rows of data stand in the other products.
 */
#include "mixer.h"

typedef struct {
  maudio_mixer head;
  size_t       n_bands;
  size_t       d_pad; ///< pad(D)
  size_t       d_hidden;
  const float* fc1_weight; ///< (M, S)
  const float* fc1_bias;   ///< (M)
  const float* fc2_weight; ///< (S, M)
  const float* fc2_bias;   ///< (S)
} band_mlp;

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  band_mlp* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "band_mlp");
  }
  *mixer      = &m->head;
  m->n_bands  = binding->n_bands;
  m->d_pad    = maudio_pad(binding->d_model);
  m->d_hidden = config->d_hidden;

  m->head.type            = &maudio_band_mlp;
  m->head.n_frame_scratch = 0;
  m->head.n_fixed_scratch = m->d_hidden * m->d_pad;
  m->head.macs =
    2.0 * (double)m->d_hidden * (double)m->n_bands * (double)binding->d_model;

  const size_t  fc1[] = {m->d_hidden, m->n_bands};
  const size_t  fc2[] = {m->n_bands, m->d_hidden};
  maudio_status status =
    maudio_tensor_read_array(binding, "fc1.weight", 2, fc1, &m->fc1_weight);
  if (!status) {
    status =
      maudio_tensor_read_array(binding, "fc1.bias", 1, fc1, &m->fc1_bias);
  }
  if (!status) {
    status =
      maudio_tensor_read_array(binding, "fc2.weight", 2, fc2, &m->fc2_weight);
  }
  if (!status) {
    status =
      maudio_tensor_read_array(binding, "fc2.bias", 1, fc2, &m->fc2_bias);
  }
  return status;
}

/// The n rows of D channels at `x` as the matrix (n, D) of a product
static maudio_matrix rows_of(const band_mlp* m, size_t n, const float* x)
{
  return (maudio_matrix){.n_in       = n,
                         .n_out      = m->d_pad,
                         .in_step    = m->d_pad,
                         .panel_step = MAUDIO_LANES,
                         .data       = x};
}

static void step(const maudio_mixer* mixer, const maudio_run* run)
{
  const band_mlp*       m       = (const band_mlp*)mixer;
  const maudio_kernels* kernels = run->kernels;
  float* const          hidden  = run->scratch; // (M, pad(D))
  for (size_t frame = 0; frame < run->n_frames; ++frame) {
    const size_t at = frame * m->n_bands * m->d_pad;
    kernels->gemm(&(maudio_gemm){.w = rows_of(m, m->n_bands, run->x + at),
                                 .row_bias = m->fc1_bias,
                                 .x        = m->fc1_weight,
                                 .x_stride = m->n_bands,
                                 .n_rows   = m->d_hidden,
                                 .y        = hidden,
                                 .y_stride = m->d_pad});
    kernels->silu(m->d_hidden * m->d_pad, hidden);
    kernels->gemm(&(maudio_gemm){.w        = rows_of(m, m->d_hidden, hidden),
                                 .row_bias = m->fc2_bias,
                                 .x        = m->fc2_weight,
                                 .x_stride = m->d_hidden,
                                 .n_rows   = m->n_bands,
                                 .y        = run->y + at,
                                 .y_stride = m->d_pad,
                                 .add      = true});
  }
}

const maudio_mixer_class maudio_band_mlp = {"band_mlp", bind, step, NULL};

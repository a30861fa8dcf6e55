/* The MLP of transformers: down(act(up(x))), or down(SiLU(gate(x)) up(x)) */
#include "mlp.h"

#include "mixer.h"

enum { STAGE_HIDDEN, STAGE_DOWN, N_STAGES };

typedef struct {
  maudio_mixer       head;
  size_t             n_bands;
  maudio_mlp_weights weights;
} mlp_mixer;

maudio_status maudio_mlp_bind(const maudio_block_config* config,
                              maudio_binding*            binding,
                              maudio_mlp_weights*        mlp)
{
  const size_t d        = binding->d_model;
  const size_t n        = config->d_hidden;
  const bool   has_bias = config->has_bias;
  *mlp =
    (maudio_mlp_weights){.hidden = config->hidden, .d_model = d, .d_hidden = n};

  maudio_status status = MAUDIO_SUCCESS;
  if (config->hidden == MAUDIO_HIDDEN_GATED_SILU) {
    status =
      maudio_linear_read(binding, "gate_proj", has_bias, n, d, &mlp->gate);
  }
  if (!status) {
    status = maudio_linear_read(binding, "up_proj", has_bias, n, d, &mlp->up);
  }
  return status ? status
                : maudio_linear_read(binding, "down_proj", has_bias, d, n,
                                     &mlp->down);
}

/// Matrices of (d_model, d_hidden)
static size_t count_wide(const maudio_mlp_weights* mlp)
{
  return mlp->hidden == MAUDIO_HIDDEN_GATED_SILU ? 2 : 1;
}

double maudio_mlp_macs(const maudio_mlp_weights* mlp)
{
  return (double)(count_wide(mlp) + 1) * (double)mlp->d_model *
         (double)mlp->d_hidden;
}

size_t maudio_mlp_scratch(const maudio_mlp_weights* mlp)
{
  return count_wide(mlp) * maudio_pad(mlp->d_hidden);
}

/// Compute n panels of the hidden units, (n_rows, M') at the start of scratch
static void run_hidden(const maudio_mlp_weights* mlp,
                       const maudio_kernels*     kernels,
                       size_t                    n_rows,
                       const float*              x,
                       float*                    scratch,
                       size_t                    first,
                       size_t                    n)
{
  const size_t m_pad    = maudio_pad(mlp->d_hidden);
  const bool   is_gated = mlp->hidden == MAUDIO_HIDDEN_GATED_SILU;
  float* const hidden   = scratch;
  float* const up       = hidden + n_rows * m_pad; // If gated
  maudio_gemm  product  = {.x        = x,
                           .x_stride = maudio_pad(mlp->d_model),
                           .n_rows   = n_rows,
                           .y_stride = m_pad};

  const maudio_linear* const first_of_two = is_gated ? &mlp->gate : &mlp->up;
  product.w                               = first_of_two->weight;
  product.bias                            = first_of_two->bias;
  product.y                               = hidden;
  maudio_gemm_panels(kernels, &product, first, n);
  if (is_gated) {
    product.w    = mlp->up.weight;
    product.bias = mlp->up.bias;
    product.y    = up;
    maudio_gemm_panels(kernels, &product, first, n);
  }
  const size_t n_floats = n * MAUDIO_LANES;
  for (size_t r = 0; r < n_rows; ++r) {
    const size_t at = r * m_pad + first * MAUDIO_LANES;
    switch (mlp->hidden) {
    case MAUDIO_HIDDEN_GATED_SILU:
      kernels->gated_silu(n_floats, hidden + at, up + at);
      break;
    case MAUDIO_HIDDEN_SILU:
      kernels->silu(n_floats, hidden + at);
      break;
    case MAUDIO_HIDDEN_RELU2:
      kernels->relu2(n_floats, hidden + at);
      break;
    }
  }
}

void maudio_mlp_run(const maudio_mlp_weights* mlp,
                    const maudio_kernels*     kernels,
                    size_t                    n_rows,
                    const float*              x,
                    float*                    y,
                    bool                      add,
                    float*                    scratch)
{
  const size_t m_pad = maudio_pad(mlp->d_hidden);
  run_hidden(mlp, kernels, n_rows, x, scratch, 0, m_pad / MAUDIO_LANES);
  maudio_linear_run(&mlp->down, kernels, n_rows, scratch, m_pad, y, add);
}

/// Count the work of each stage
static void count(mlp_mixer* m)
{
  const maudio_mlp_weights* mlp  = &m->weights;
  const double              macs = (double)m->n_bands * maudio_mlp_macs(mlp);
  const double              wide = (double)count_wide(mlp);
  m->head.macs                   = macs;
  m->head.n_stages               = N_STAGES;
  m->head.stages[STAGE_HIDDEN]   = (maudio_stage){
      maudio_pad(mlp->d_hidden) / MAUDIO_LANES, macs * wide / (wide + 1)};
  m->head.stages[STAGE_DOWN] =
    (maudio_stage){maudio_pad(mlp->d_model) / MAUDIO_LANES, macs / (wide + 1)};
}

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  mlp_mixer* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "mlp");
  }
  *mixer                     = &m->head;
  m->n_bands                 = binding->n_bands;
  const maudio_status status = maudio_mlp_bind(config, binding, &m->weights);
  if (!status) {
    m->head.type            = &maudio_mlp;
    m->head.n_frame_scratch = m->n_bands * maudio_mlp_scratch(&m->weights);
    count(m);
  }
  return status;
}

static void
step_piece(const maudio_mixer* mixer, const maudio_run* run, maudio_piece piece)
{
  const maudio_mlp_weights* mlp    = &((const mlp_mixer*)mixer)->weights;
  const size_t              n_rows = run->n_frames * run->n_bands;
  const maudio_gemm         down   = {.w        = mlp->down.weight,
                                      .bias     = mlp->down.bias,
                                      .x        = run->scratch,
                                      .x_stride = maudio_pad(mlp->d_hidden),
                                      .n_rows   = n_rows,
                                      .y        = run->y,
                                      .y_stride = maudio_pad(mlp->d_model),
                                      .add      = true};
  if (piece.stage == STAGE_HIDDEN) {
    run_hidden(mlp, run->kernels, n_rows, run->x, run->scratch, piece.first,
               piece.n);
  } else {
    maudio_gemm_panels(run->kernels, &down, piece.first, piece.n);
  }
}

const maudio_mixer_class maudio_mlp = {"mlp", bind, maudio_mixer_step,
                                       step_piece};

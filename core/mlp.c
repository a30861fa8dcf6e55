/* The MLP of transformers: down(act(up(x))), or down(SiLU(gate(x)) up(x)) */
#include "mlp.h"

#include "mixer.h"

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

void maudio_mlp_run(const maudio_mlp_weights* mlp,
                    const maudio_kernels*     kernels,
                    size_t                    n_rows,
                    const float*              x,
                    float*                    y,
                    bool                      add,
                    float*                    scratch)
{
  const size_t d_pad = maudio_pad(mlp->d_model);
  const size_t m_pad = maudio_pad(mlp->d_hidden);
  float* const up    = scratch;             // (n_rows, M')
  float* const gate  = up + n_rows * m_pad; // (n_rows, M'), if gated

  float* hidden = up;
  maudio_linear_run(&mlp->up, kernels, n_rows, x, d_pad, up, false);
  switch (mlp->hidden) {
  case MAUDIO_HIDDEN_GATED_SILU:
    maudio_linear_run(&mlp->gate, kernels, n_rows, x, d_pad, gate, false);
    kernels->gated_silu(n_rows * m_pad, gate, up);
    hidden = gate;
    break;
  case MAUDIO_HIDDEN_SILU:
    kernels->silu(n_rows * m_pad, up);
    break;
  case MAUDIO_HIDDEN_RELU2:
    kernels->relu2(n_rows * m_pad, up);
    break;
  }
  maudio_linear_run(&mlp->down, kernels, n_rows, hidden, m_pad, y, add);
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
    m->head.macs            = (double)m->n_bands * maudio_mlp_macs(&m->weights);
  }
  return status;
}

static void step(const maudio_mixer* mixer, const maudio_run* run)
{
  const mlp_mixer* m = (const mlp_mixer*)mixer;
  maudio_mlp_run(&m->weights, run->kernels, run->n_frames * m->n_bands, run->x,
                 run->y, true, run->scratch);
}

const maudio_mixer_class maudio_mlp = {"mlp", bind, step};

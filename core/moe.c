/* A mixture of experts: each row goes through the MLPs that a router gives the
 * greatest weights.
 *
 * Jamba's router is a softmax. That of Nemotron-H is a sigmoid of each score,
 * the choice is biased and first among groups; one more expert takes every
 * row, and the others may work in a space of their own.
 *
 * Rows are gathered for each expert, in order of the experts: what a row adds
 * up, and in which order, does not depend on the rows beside it.
 */
#include "linear.h"
#include "mixer.h"
#include "mlp.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/// E experts; E' is E padded, L' the padded width that they work in
typedef struct {
  maudio_mixer        head;
  size_t              n_bands;
  size_t              d_pad;    ///< pad(D)
  size_t              n_latent; ///< L'
  size_t              n_experts;
  size_t              n_chosen;
  bool                normalises;
  maudio_linear       router;  ///< (D, E)
  maudio_mlp_weights* experts; ///< (E)

  // Of Nemotron-H
  bool               is_shared;
  bool               is_latent;
  size_t             n_groups;        ///< Of experts
  size_t             n_chosen_groups; ///< That a row chooses from
  float              scale;           ///< Of the weights
  const float*       correction;      ///< (E): added for the choice alone
  maudio_mlp_weights shared;
  maudio_linear      to_latent;   ///< (D, L)
  maudio_linear      from_latent; ///< (L, D)
} moe;

/// Read weights whose names have another prefix and whose width is `d_model`
static maudio_status bind_below(const maudio_block_config* config,
                                maudio_binding*            b,
                                const char*                below,
                                size_t                     d_model,
                                maudio_mlp_weights*        mlp)
{
  const char* const prefix = b->prefix;
  const size_t      width  = b->d_model;
  char              name[MAUDIO_MAX_PREFIX + 32];
  snprintf(name, sizeof name, "%s%s.", prefix, below);
  b->prefix                  = name;
  b->d_model                 = d_model;
  const maudio_status status = maudio_mlp_bind(config, b, mlp);
  b->prefix                  = prefix;
  b->d_model                 = width;
  return status;
}

static maudio_status
bind_experts(moe* m, const maudio_block_config* config, maudio_binding* b)
{
  maudio_block_config expert = *config;
  maudio_status       status = MAUDIO_SUCCESS;
  expert.has_bias            = false;
  m->experts = maudio_arena_new(b->arena, m->n_experts * sizeof *m->experts);
  if (!m->experts) {
    return maudio_binding_no_memory(b, "experts");
  }
  const size_t d = config->d_latent ? config->d_latent : b->d_model;
  for (size_t e = 0; !status && e < m->n_experts; ++e) {
    char below[32];
    snprintf(below, sizeof below, "experts.%zu", e);
    status = bind_below(&expert, b, below, d, &m->experts[e]);
  }
  return status;
}

/// Read what Nemotron-H has besides
static maudio_status
bind_shared(moe* m, const maudio_block_config* config, maudio_binding* b)
{
  maudio_block_config shared = *config;
  maudio_status       status = maudio_tensor_read_array(
          b, "gate.e_score_correction_bias", 1, &m->n_experts, &m->correction);
  shared.d_hidden    = config->d_shared;
  m->n_groups        = config->n_expert_groups;
  m->n_chosen_groups = config->n_chosen_groups;
  m->scale           = config->route_scale;
  if (!status) {
    status = bind_below(&shared, b, "shared_experts", b->d_model, &m->shared);
  }
  if (!status && m->is_latent) {
    status = maudio_linear_read(b, "fc1_latent_proj", config->has_bias,
                                config->d_latent, b->d_model, &m->to_latent);
  }
  if (!status && m->is_latent) {
    status = maudio_linear_read(b, "fc2_latent_proj", config->has_bias,
                                b->d_model, config->d_latent, &m->from_latent);
  }
  return status;
}

static void set_sizes(moe* m, size_t d_model, size_t d_latent)
{
  const double d       = (double)d_model;
  size_t       scratch = maudio_mlp_scratch(&m->experts[0]);
  double       macs    = (double)m->n_experts * d +
                (double)m->n_chosen * maudio_mlp_macs(&m->experts[0]);
  if (m->is_shared) {
    const size_t n = maudio_mlp_scratch(&m->shared);
    scratch        = n > scratch ? n : scratch;
    macs += maudio_mlp_macs(&m->shared) + 2 * d * (double)d_latent;
  }
  m->head.type = &maudio_moe;
  m->head.n_frame_scratch =
    m->n_bands * (2 * m->router.weight.n_out + 4 * m->n_latent + scratch);
  m->head.macs = (double)m->n_bands * macs;
}

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  moe* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "moe");
  }
  *mixer        = &m->head;
  m->n_bands    = binding->n_bands;
  m->d_pad      = maudio_pad(binding->d_model);
  m->is_shared  = config->is_shared;
  m->is_latent  = config->d_latent > 0;
  m->n_latent   = m->is_latent ? maudio_pad(config->d_latent) : m->d_pad;
  m->n_experts  = config->n_experts;
  m->n_chosen   = config->n_chosen;
  m->normalises = config->normalises;

  maudio_status status =
    maudio_linear_read(binding, m->is_shared ? "gate" : "router", false,
                       m->n_experts, binding->d_model, &m->router);
  if (!status) {
    status = bind_experts(m, config, binding);
  }
  if (!status && m->is_shared) {
    status = bind_shared(m, config, binding);
  }
  if (!status) {
    set_sizes(m, binding->d_model, config->d_latent);
  }
  return status;
}

/// Return the greatest of n floats, the first of equal ones; any floats will do
static size_t greatest(const float* x, size_t n)
{
  size_t best = 0;
  for (size_t i = 1; i < n; ++i) {
    best = x[i] > x[best] ? i : best;
  }
  return best;
}

/// Of the weights (E) keep the greatest in `kept`, which is 0 elsewhere;
/// `weights` is used up
static void choose(const moe* m, float* weights, float* kept)
{
  float total = 0.0f;
  memset(kept, 0, m->n_experts * sizeof *kept);
  for (size_t k = 0; k < m->n_chosen; ++k) {
    const size_t best = greatest(weights, m->n_experts);
    kept[best]        = weights[best];
    weights[best]     = -1.0f;
    total += kept[best];
  }
  for (size_t e = 0; m->normalises && e < m->n_experts; ++e) {
    kept[e] /= total;
  }
}

/// The sum of the two greatest of n floats, at least two
static float sum_of_two(const float* x, size_t n)
{
  float first  = x[0] > x[1] ? x[0] : x[1];
  float second = x[0] > x[1] ? x[1] : x[0];
  for (size_t i = 2; i < n; ++i) {
    second = x[i] > first ? first : x[i] > second ? x[i] : second;
    first  = x[i] > first ? x[i] : first;
  }
  return first + second;
}

/// Of the biased weights (E) rule out those of all but the best groups
static void rule_out_groups(const moe* m, float* weights)
{
  const size_t n = m->n_experts / m->n_groups;
  for (size_t left = m->n_groups; left > m->n_chosen_groups; --left) {
    float* worst = NULL;
    float  least = 0.0f;
    for (size_t g = 0; g < m->n_groups; ++g) {
      float* const group = weights + g * n;
      const float  score = sum_of_two(group, n);
      // Of equal groups the last goes; those that went have no score
      if (group[0] > -FLT_MAX && (!worst || score <= least)) {
        worst = group;
        least = score;
      }
    }
    for (size_t i = 0; worst && i < n; ++i) {
      worst[i] = -FLT_MAX;
    }
  }
}

/// As choose(), from the scores (E) of Nemotron-H
static void choose_biased(const moe* m, float* scores, float* kept)
{
  float total = 0.0f;
  for (size_t e = 0; e < m->n_experts; ++e) {
    kept[e]   = 1.0f / (1.0f + expf(-scores[e]));
    scores[e] = kept[e] + m->correction[e];
  }
  rule_out_groups(m, scores);
  for (size_t k = 0; k < m->n_chosen; ++k) {
    const size_t best = greatest(scores, m->n_experts);
    scores[best]      = -INFINITY;
    total += kept[best];
  }
  const float scale = m->normalises ? m->scale / (total + 1e-20f) : m->scale;
  for (size_t e = 0; e < m->n_experts; ++e) {
    kept[e] = isinf(scores[e]) ? kept[e] * scale : 0.0f;
  }
}

/// Add what expert `e` makes of the rows x (n_rows, L') that have chosen it to
/// y
static void run_expert(const moe*            m,
                       const maudio_kernels* kernels,
                       size_t                e,
                       size_t                n_rows,
                       const float*          kept,
                       const float*          x,
                       float*                y,
                       float*                scratch)
{
  const size_t stride = m->router.weight.n_out;
  const size_t width  = m->n_latent;
  float* const in     = scratch;             // (chosen, L')
  float* const out    = in + n_rows * width; // (chosen, L')
  size_t       n      = 0;
  for (size_t r = 0; r < n_rows; ++r) {
    if (kept[r * stride + e] > 0.0f) {
      memcpy(in + n++ * width, x + r * width, width * sizeof *in);
    }
  }
  if (!n) {
    return;
  }
  maudio_mlp_run(&m->experts[e], kernels, n, in, out, false,
                 out + n_rows * width);
  n = 0;
  for (size_t r = 0; r < n_rows; ++r) {
    const float weight = kept[r * stride + e];
    if (weight > 0.0f) {
      float* const       to   = y + r * width;
      const float* const from = out + n++ * width;
      for (size_t i = 0; i < width; ++i) {
        to[i] += weight * from[i];
      }
    }
  }
}

static void step(const maudio_mixer* mixer, const maudio_run* run)
{
  const moe*            m       = (const moe*)mixer;
  const maudio_kernels* kernels = run->kernels;
  const size_t          n_rows  = run->n_frames * run->n_bands;
  const size_t          stride  = m->router.weight.n_out;
  float* const          weights = run->scratch;              // (n_rows, E')
  float* const          kept    = weights + n_rows * stride; // (n_rows, E')
  float* const          in      = kept + n_rows * stride;    // (n_rows, L')
  float* const          out     = in + n_rows * m->n_latent; // (n_rows, L')
  float* const          rest    = out + n_rows * m->n_latent;

  maudio_linear_run(&m->router, kernels, n_rows, run->x, m->d_pad, weights,
                    false);
  for (size_t r = 0; r < n_rows; ++r) {
    float* const row = weights + r * stride;
    if (m->is_shared) {
      choose_biased(m, row, kept + r * stride);
    } else {
      kernels->softmax(1.0f, m->n_experts, row);
      choose(m, row, kept + r * stride);
    }
  }
  if (m->is_latent) {
    maudio_linear_run(&m->to_latent, kernels, n_rows, run->x, m->d_pad, in,
                      false);
    memset(out, 0, n_rows * m->n_latent * sizeof *out);
  }
  for (size_t e = 0; e < m->n_experts; ++e) {
    run_expert(m, kernels, e, n_rows, kept, m->is_latent ? in : run->x,
               m->is_latent ? out : run->y, rest);
  }
  if (m->is_latent) {
    maudio_linear_run(&m->from_latent, kernels, n_rows, out, m->n_latent,
                      run->y, true);
  }
  if (m->is_shared) {
    maudio_mlp_run(&m->shared, kernels, n_rows, run->x, run->y, true, rest);
  }
}

const maudio_mixer_class maudio_moe = {"moe", bind, step, NULL};

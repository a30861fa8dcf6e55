/* Grouped-query attention over a window of past frames.
 *
 * Keys and values stand in a ring: frame t in slot t modulo the window. Memory
 * and the most work of a frame are fixed, whatever the length of the signal.
 *
 * Keys are stored rotated by their absolute position. Angles are 64-bit
 * fractions of a turn, and position times angle wraps exactly: the difference
 * between a query and a key, which is all that counts, is as good after years
 * as at the start, and no key is rotated twice.
 */
#include "linear.h"
#include "mixer.h"

#include <math.h>
#include <string.h>

/// Digits of the position that begins the state, each in a float of its own
#define N_DIGITS 4
#define DIGIT_BITS 16

/// H heads of queries, G of keys and values, each W wide; W' is W padded
typedef struct {
  maudio_mixer    head;
  size_t          n_bands;
  size_t          d_model;
  size_t          n_heads;    ///< H
  size_t          n_kv_heads; ///< G
  size_t          width;      ///< W
  size_t          width_pad;  ///< W'
  size_t          n_rotary;   ///< Elements of a head that are rotated
  maudio_linear   q_proj;     ///< (D, H W)
  maudio_linear   k_proj;     ///< (D, G W)
  maudio_linear   v_proj;     ///< (D, G W)
  maudio_linear   o_proj;     ///< (H W, D)
  const uint64_t* turns;      ///< (n_rotary / 2): of a frame, times 2^64
} attention;

/// Where the parts of the working memory are
typedef struct {
  float* q;        ///< (frames, pad(H W))
  float* k;        ///< (frames, pad(G W))
  float* v;        ///< (frames, pad(G W))
  float* result;   ///< (frames, pad(H W))
  float* scores;   ///< (H / G, padded window)
  float* attended; ///< (H / G, W')
  float* rotation; ///< (n_rotary): cosines, then sines
} workspace;

static maudio_status
bind_turns(attention* m, const maudio_block_config* config, maudio_binding* b)
{
  uint64_t* const turns =
    maudio_arena_new(b->arena, (m->n_rotary / 2 + 1) * sizeof *turns);
  if (!turns) {
    return maudio_binding_no_memory(b, "attention");
  }
  for (size_t i = 0; i < m->n_rotary / 2; ++i) {
    // In float32, as the references have it
    const double exponent = 2.0 * (double)i / (double)m->n_rotary;
    const float  angle =
      (float)(1.0 / (pow(config->rope_theta, exponent) * config->rope_scale));
    const double turn = (double)angle / (2.0 * acos(-1.0));
    turns[i]          = (uint64_t)ldexp(turn - floor(turn), 64);
  }
  m->turns = turns;
  return MAUDIO_SUCCESS;
}

static maudio_status
bind_tensors(attention* m, bool has_bias, maudio_binding* b)
{
  const size_t  d_model = m->d_model;
  const size_t  n_q     = m->n_heads * m->width;
  const size_t  n_k     = m->n_kv_heads * m->width;
  maudio_status status =
    maudio_linear_read(b, "q_proj", has_bias, n_q, d_model, &m->q_proj);
  if (!status) {
    status =
      maudio_linear_read(b, "k_proj", has_bias, n_k, d_model, &m->k_proj);
  }
  if (!status) {
    status =
      maudio_linear_read(b, "v_proj", has_bias, n_k, d_model, &m->v_proj);
  }
  return status ? status
                : maudio_linear_read(b, "o_proj", has_bias, d_model, n_q,
                                     &m->o_proj);
}

static maudio_status bind(const maudio_block_config* config,
                          maudio_binding*            binding,
                          const maudio_mixer**       mixer)
{
  attention* m = maudio_arena_new(binding->arena, sizeof *m);
  if (!m) {
    return maudio_binding_no_memory(binding, "attention");
  }
  *mixer        = &m->head;
  m->n_bands    = binding->n_bands;
  m->d_model    = binding->d_model;
  m->n_heads    = config->n_heads;
  m->n_kv_heads = config->n_kv_heads;
  m->width      = config->headwidth;
  m->width_pad  = maudio_pad(m->width);
  m->n_rotary   = config->n_rotary;

  const size_t n_q     = m->n_heads * m->width;
  const size_t n_k     = m->n_kv_heads * m->width;
  const size_t n_group = m->n_heads / m->n_kv_heads;
  m->head.type         = &maudio_attention;
  m->head.n_state      = m->n_bands * N_DIGITS;
  m->head.n_window_state =
    m->n_bands * m->n_kv_heads * (m->width + m->width_pad);
  m->head.n_frame_scratch =
    m->n_bands * (2 * maudio_pad(n_q) + 2 * maudio_pad(n_k));
  m->head.n_window_scratch = n_group;
  m->head.n_fixed_scratch  = n_group * m->width_pad + m->n_rotary;
  m->head.macs =
    2.0 * (double)m->n_bands * (double)m->d_model * (double)(n_q + n_k);
  m->head.window_macs = 2.0 * (double)m->n_bands * (double)n_q;

  const maudio_status status = bind_turns(m, config, binding);
  return status ? status : bind_tensors(m, config->has_bias, binding);
}

/// Read the position that a state begins with; any floats will do
static uint64_t read_position(const float* digits)
{
  uint64_t position = 0;
  for (unsigned i = 0; i < N_DIGITS; ++i) {
    const float    digit = digits[i];
    const uint64_t value =
      digit >= 0.0f && digit < (float)(1 << DIGIT_BITS) ? (uint64_t)digit : 0;
    position |= value << (DIGIT_BITS * i);
  }
  return position;
}

static void write_position(uint64_t position, float* digits)
{
  for (unsigned i = 0; i < N_DIGITS; ++i) {
    digits[i] = (float)(position >> (DIGIT_BITS * i) & 0xFFFFU);
  }
}

/// Cosines and sines of the angles at a position
static void set_rotation(const attention* m, uint64_t position, float* rotation)
{
  const size_t half = m->n_rotary / 2;
  for (size_t i = 0; i < half; ++i) {
    const int64_t turn  = (int64_t)(position * m->turns[i]); // -1/2 to 1/2
    const double  angle = 0x1p-63 * acos(-1.0) * (double)turn;
    rotation[i]         = (float)cos(angle);
    rotation[half + i]  = (float)sin(angle);
  }
}

/// Rotate the first elements of each head of x (n_heads, W)
static void
rotate(const attention* m, size_t n_heads, const float* rotation, float* x)
{
  const size_t half = m->n_rotary / 2;
  for (size_t h = 0; h < n_heads; ++h) {
    float* const re = x + h * m->width;
    float* const im = re + half;
    for (size_t i = 0; i < half; ++i) {
      const float c = rotation[i];
      const float s = rotation[half + i];
      const float r = re[i];
      re[i]         = r * c - im[i] * s;
      im[i]         = im[i] * c + r * s;
    }
  }
}

/// The keys of a head: panels of slots, (n_slots / LANES, W, LANES)
static void
put_key(const attention* m, size_t slot, const float* key, float* keys)
{
  float* const to =
    keys + slot / MAUDIO_LANES * m->width * MAUDIO_LANES + slot % MAUDIO_LANES;
  for (size_t i = 0; i < m->width; ++i) {
    to[i * MAUDIO_LANES] = key[i];
  }
}

/// The queries `q` of a head of keys to the sums of values they ask for
static void attend(const attention*  m,
                   const maudio_run* run,
                   const workspace*  w,
                   size_t            n_seen,
                   const float*      keys,
                   const float*      values,
                   const float*      q,
                   float*            result)
{
  const size_t n_group = m->n_heads / m->n_kv_heads;
  const size_t n_slots = maudio_pad(run->window);
  const float  scale   = 1.0f / sqrtf((float)m->width);
  run->kernels->gemm(&(maudio_gemm){.w        = {.n_in       = m->width,
                                                 .n_out      = maudio_pad(n_seen),
                                                 .in_step    = MAUDIO_LANES,
                                                 .panel_step = m->width * MAUDIO_LANES,
                                                 .data       = keys},
                                    .x        = q,
                                    .x_stride = m->width,
                                    .n_rows   = n_group,
                                    .y        = w->scores,
                                    .y_stride = n_slots});
  for (size_t h = 0; h < n_group; ++h) {
    run->kernels->softmax(scale, n_seen, w->scores + h * n_slots);
  }
  run->kernels->gemm(&(maudio_gemm){.w        = {.n_in       = n_seen,
                                                 .n_out      = m->width_pad,
                                                 .in_step    = m->width_pad,
                                                 .panel_step = MAUDIO_LANES,
                                                 .data       = values},
                                    .x        = w->scores,
                                    .x_stride = n_slots,
                                    .n_rows   = n_group,
                                    .y        = w->attended,
                                    .y_stride = m->width_pad});
  for (size_t h = 0; h < n_group; ++h) {
    memcpy(result + h * m->width, w->attended + h * m->width_pad,
           m->width * sizeof *result);
  }
}

/// One frame of one band
static void step_row(const attention*  m,
                     const maudio_run* run,
                     const workspace*  w,
                     size_t            row,
                     float*            state)
{
  const size_t   n_slots  = maudio_pad(run->window);
  const uint64_t position = read_position(state);
  const size_t   slot     = (size_t)(position % run->window);
  const size_t   n_seen =
    position < run->window ? (size_t)position + 1 : run->window;
  float* const keys   = state + N_DIGITS;
  float* const values = keys + m->n_kv_heads * m->width * n_slots;
  float* const q      = w->q + row * maudio_pad(m->n_heads * m->width);
  float* const k      = w->k + row * maudio_pad(m->n_kv_heads * m->width);
  const float* v      = w->v + row * maudio_pad(m->n_kv_heads * m->width);
  float* const result = w->result + row * maudio_pad(m->n_heads * m->width);

  set_rotation(m, position, w->rotation);
  rotate(m, m->n_heads, w->rotation, q);
  rotate(m, m->n_kv_heads, w->rotation, k);
  for (size_t g = 0; g < m->n_kv_heads; ++g) {
    const size_t first        = g * (m->n_heads / m->n_kv_heads) * m->width;
    float* const group_keys   = keys + g * m->width * n_slots;
    float* const group_values = values + g * m->width_pad * n_slots;
    put_key(m, slot, k + g * m->width, group_keys);
    memcpy(group_values + slot * m->width_pad, v + g * m->width,
           m->width * sizeof *v);
    attend(m, run, w, n_seen, group_keys, group_values, q + first,
           result + first);
  }
  write_position(position + 1, state);
}

static void step(const maudio_mixer* mixer, const maudio_run* run)
{
  const attention*      m       = (const attention*)mixer;
  const maudio_kernels* kernels = run->kernels;
  const size_t          d_pad   = maudio_pad(m->d_model);
  const size_t          n_rows  = run->n_frames * run->n_bands;
  const size_t          n_q     = m->q_proj.weight.n_out;
  const size_t          n_k     = m->k_proj.weight.n_out;
  const size_t n_own = maudio_mixer_state(mixer, run->window) / m->n_bands;
  workspace    w     = {.q = run->scratch};
  w.k                = w.q + n_rows * n_q;
  w.v                = w.k + n_rows * n_k;
  w.result           = w.v + n_rows * n_k;
  w.scores           = w.result + n_rows * n_q;
  w.attended = w.scores + m->n_heads / m->n_kv_heads * maudio_pad(run->window);
  w.rotation = w.attended + m->n_heads / m->n_kv_heads * m->width_pad;

  maudio_linear_run(&m->q_proj, kernels, n_rows, run->x, d_pad, w.q, false);
  maudio_linear_run(&m->k_proj, kernels, n_rows, run->x, d_pad, w.k, false);
  maudio_linear_run(&m->v_proj, kernels, n_rows, run->x, d_pad, w.v, false);
  for (size_t r = 0; r < n_rows; ++r) {
    step_row(m, run, &w, r, run->state + r % run->n_bands * n_own);
  }
  maudio_linear_run(&m->o_proj, kernels, n_rows, w.result, n_q, run->y, true);
}

const maudio_mixer_class maudio_attention = {"attention", bind, step, NULL};

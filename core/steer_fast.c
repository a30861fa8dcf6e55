#include "steer_fast.h"

#include <string.h>

/// Samples beyond +180 dBFS would overflow the squares of norms
#define MAX_SAMPLE 1e9f

/// Below every level that a hop can have
#define MIN_LEVEL 1e-5f

#define NO_WINDOW 1

/// Samples of a phase that stay when a hop is over
static size_t count_past_x(const maudio_steer* s)
{
  return maudio_pad(s->n_taps > s->n_past ? s->n_taps : s->n_past);
}

static size_t count_past_z(const maudio_steer* s)
{
  return maudio_pad(s->n_past);
}

/// Floats of a line of a phase, with `n_past` of the past
static size_t line_length(const maudio_fast* f, size_t n_past)
{
  return n_past + maudio_pad(f->hop / f->n_phases);
}

void maudio_fast_carve(maudio_fast* f, maudio_carver* carver)
{
  const maudio_steer* s      = f->steer;
  const size_t        n_rows = MAUDIO_FAST_RUN * s->e_pad;
  const size_t        n_scratch =
    maudio_backbone_scratch(&s->backbone, MAUDIO_FAST_RUN, NO_WINDOW);
  f->x       = (float*)maudio_carve(carver, n_rows * sizeof(float));
  f->y       = (float*)maudio_carve(carver, n_rows * sizeof(float));
  f->filters = (float*)maudio_carve(carver, MAUDIO_FAST_RUN * sizeof(float));
  f->scratch = (float*)maudio_carve(carver, n_scratch * sizeof(float));
}

void maudio_fast_carve_channel(const maudio_fast*   f,
                               maudio_fast_channel* c,
                               maudio_carver*       carver)
{
  const maudio_steer* s   = f->steer;
  const size_t        n_x = f->n_phases * line_length(f, count_past_x(s));
  const size_t        n_z = f->n_phases * line_length(f, count_past_z(s));
  c->n_state =
    n_x + n_z + f->n_phases * maudio_backbone_state(&s->backbone, NO_WINDOW);
  c->state = (float*)maudio_carve(carver, c->n_state * sizeof *c->state);
  if (c->state) {
    c->x       = c->state;
    c->z       = c->x + n_x;
    c->network = c->z + n_z;
  }
}

/// Part `part` of the way from a to b, the same wherever runs begin and end
static float between(float a, float b, float part)
{
  return (1.0f - part) * a + part * b;
}

/// How far sample `position` of a hop is from the older to the newer control
static float part_at(const maudio_fast* f, size_t position)
{
  const size_t since =
    position < f->delay ? position + f->hop - f->delay : position - f->delay;
  return since + 1 < f->fade ? (float)(since + 1) / (float)f->fade : 1.0f;
}

/// Put samples to the lines of their phases, and filter them
static void filter(const maudio_fast*         f,
                   const maudio_fast_channel* c,
                   const maudio_controls*     controls,
                   size_t                     position,
                   size_t                     n,
                   const float*               in)
{
  const maudio_steer* s   = f->steer;
  const size_t        n_x = count_past_x(s);
  const size_t        n_z = count_past_z(s);
  for (size_t i = 0; i < n; ++i) {
    const size_t phase = (position + i) % f->n_phases;
    const size_t at    = (position + i) / f->n_phases;
    float* const x     = c->x + phase * line_length(f, n_x) + n_x + at;
    float* const z     = c->z + phase * line_length(f, n_z) + n_z + at;
    const float  part  = part_at(f, position + i);
    const float  least = in[i] > -MAX_SAMPLE ? in[i] : -MAX_SAMPLE;
    *x                 = least < MAX_SAMPLE ? least : MAX_SAMPLE;

    const float* const from = x + 1 - s->n_taps;
    *z                      = s->kernels->dot(s->n_taps, controls->newer, from);
    if (part < 1.0f) {
      *z = between(s->kernels->dot(s->n_taps, controls->older, from), *z, part);
    }
    f->filters[i] = *z;
  }
}

/// The input of the network for whole or part rounds of phases from `first`:
/// rows (n_frames, n_phases)
static void enter(const maudio_fast*         f,
                  const maudio_fast_channel* c,
                  size_t                     position,
                  size_t                     n_frames,
                  size_t                     n_phases)
{
  const maudio_steer* s     = f->steer;
  const size_t        n_x   = count_past_x(s);
  const size_t        n_z   = count_past_z(s);
  const size_t        first = position % f->n_phases;
  const size_t        end   = position / f->n_phases + 1;
  for (size_t p = 0; p < n_phases; ++p) {
    const float* const x = c->x + (first + p) * line_length(f, n_x) + n_x;
    const float* const z = c->z + (first + p) * line_length(f, n_z) + n_z;

    maudio_gemm g = {.w        = s->in_x,
                     .x        = x + end - s->n_past,
                     .x_stride = 1,
                     .n_rows   = n_frames,
                     .y        = f->x + p * s->e_pad,
                     .y_stride = n_phases * s->e_pad};
    s->kernels->gemm(&g);
    g.w   = s->in_z;
    g.x   = z + end - s->n_past;
    g.add = true;
    s->kernels->gemm(&g);
  }
}

/// Level of a sample
static float
level_at(const maudio_fast* f, const maudio_controls* controls, size_t position)
{
  const float level = between(*maudio_steer_level_of(f->steer, controls->older),
                              *maudio_steer_level_of(f->steer, controls->newer),
                              part_at(f, position));
  return level > MIN_LEVEL ? level : MIN_LEVEL;
}

/// x = x / level + context, for samples from `position`
static void add_context(const maudio_fast*     f,
                        const maudio_controls* controls,
                        size_t                 position,
                        size_t                 n)
{
  const size_t       width = f->steer->e_pad;
  const float* const older = maudio_steer_context_of(f->steer, controls->older);
  const float* const newer = maudio_steer_context_of(f->steer, controls->newer);
  for (size_t i = 0; i < n; ++i) {
    const float  part  = part_at(f, position + i);
    const float  scale = 1.0f / level_at(f, controls, position + i);
    float* const x     = f->x + i * width;
    for (size_t e = 0; e < width; ++e) {
      x[e] = x[e] * scale + between(older[e], newer[e], part);
    }
  }
}

/// Run every block over rows (n_frames, n_phases) from phase `first`
static void run_blocks(const maudio_fast*         f,
                       const maudio_fast_channel* c,
                       size_t                     first,
                       size_t                     n_frames,
                       size_t                     n_phases)
{
  const maudio_backbone* b     = &f->steer->backbone;
  float*                 state = c->network;
  for (size_t i = 0; i < b->n_layers; ++i) {
    const size_t n_own = maudio_mixer_state(b->layers[i].mixer, NO_WINDOW);
    maudio_backbone_step(b, i, n_frames, n_phases, NO_WINDOW, f->x, f->y,
                         state + first * n_own, f->scratch);
    state += f->n_phases * n_own;
  }
  maudio_backbone_norm(b, n_frames * n_phases, f->x, f->y);
}

void maudio_fast_run(const maudio_fast*         f,
                     const maudio_fast_channel* c,
                     const maudio_controls*     controls,
                     size_t                     position,
                     size_t                     n,
                     const float*               in,
                     float*                     out)
{
  const maudio_steer* s = f->steer;
  filter(f, c, controls, position, n, in);
  for (size_t done = 0; done < n;) {
    // Whole rounds of phases, or what is left of one
    const size_t at       = position + done;
    const size_t first    = at % f->n_phases;
    const size_t left     = n - done;
    const bool   is_whole = first == 0 && left >= f->n_phases;
    const size_t in_round =
      left < f->n_phases - first ? left : f->n_phases - first;
    const size_t n_frames = is_whole ? left / f->n_phases : 1;
    const size_t n_phases = is_whole ? f->n_phases : in_round;
    const size_t n_rows   = n_frames * n_phases;
    enter(f, c, at, n_frames, n_phases);
    add_context(f, controls, at, n_rows);
    run_blocks(f, c, first, n_frames, n_phases);
    for (size_t i = 0; i < n_rows; ++i) {
      const float added =
        s->kernels->dot(s->d_model, f->y + i * s->e_pad, s->out);
      out[done + i] =
        f->filters[done + i] + level_at(f, controls, at + i) * added;
    }
    done += n_rows;
  }
}

/// Move the newest `n_past` samples of each line to its start
static void
shift(const maudio_fast* f, float* lines, size_t n_past, size_t n_used)
{
  for (size_t p = 0; p < f->n_phases; ++p) {
    float* const line = lines + p * line_length(f, n_past);
    memmove(line, line + n_used, n_past * sizeof *line);
  }
}

void maudio_fast_advance(const maudio_fast* f, const maudio_fast_channel* c)
{
  const size_t n_used = f->hop / f->n_phases;
  shift(f, c->x, count_past_x(f->steer), n_used);
  shift(f, c->z, count_past_z(f->steer), n_used);
}

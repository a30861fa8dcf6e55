#include "trace.h"

#include "bench.h"
#include "counter.h"
#include "deep_filter.h"
#include "float_mode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// A denoiser has no attention
#define NO_WINDOW 1

enum {
  ROW_FORWARD,
  ROW_FEATURES,
  ROW_IN,
  ROW_OUT,
  ROW_NORMS,
  ROW_MASK,
  ROW_INVERSE
};

/// Return the row of a name, a new one where there is none yet
static size_t row_of(trace* t, const char* name, double macs)
{
  size_t i = 0;
  while (i < t->n_rows && strcmp(t->rows[i].name, name) != 0) {
    ++i;
  }
  if (i == t->n_rows) {
    trace_row* const row = &t->rows[t->n_rows++];
    snprintf(row->name, sizeof row->name, "%s", name);
  }
  t->rows[i].macs += macs;
  return i;
}

/// Products are apart from what is between them
static bool is_split(const maudio_mixer* mixer)
{
  return mixer->type == &maudio_mamba || mixer->type == &maudio_mamba2;
}

static void name_layer(trace* t, size_t i, bool by_kind)
{
  const maudio_mixer* const mixer = t->stream->model->backbone.layers[i].mixer;
  const char* const         kind  = mixer->type->name;
  char                      label[24] = "";
  char                      name[64];
  if (!by_kind) {
    snprintf(label, sizeof label, "%zu ", i);
  }
  if (is_split(mixer)) {
    const double scan = mixer->stages[1].macs;
    snprintf(name, sizeof name, "%s%s: products", label, kind);
    t->layers[i][0] = row_of(t, name, mixer->macs - scan);
    snprintf(name, sizeof name, "%s%s: scan", label, kind);
    t->layers[i][1] = row_of(t, name, scan);
  } else {
    snprintf(name, sizeof name, "%s%s", label, kind);
    t->layers[i][0] = t->layers[i][1] = row_of(t, name, mixer->macs);
  }
}

/// Of a transform, by the usual count of its operations, two of them one
static double fft_macs(const maudio_spectral* s)
{
  return 1.25 * (double)s->n_fft * log2((double)s->n_fft);
}

static void name_rows(trace* t, bool by_kind)
{
  const maudio_model* const         model  = t->stream->model;
  const maudio_spectral_config*     config = &model->config.spectral;
  const maudio_filter_config* const filter = &config->filter;

  const double width  = model->config.d_model;
  const double n_taps = (double)filter->n_bins * filter->n_delays;
  const double fft    = fft_macs(&t->stream->spectral);
  row_of(t, "FFT", fft);
  row_of(t, "features", 0.0);
  row_of(t, "band_in", 3.0 * config->n_bins * width);
  row_of(t, "band_out", 2.0 * (config->n_bins + n_taps) * width);
  row_of(t, "norms", 0.0);
  row_of(t, filter->n_bins ? "mask, filter" : "mask", 0.0);
  row_of(t, "inverse FFT", fft);
  for (size_t i = 0; i < model->backbone.n_layers; ++i) {
    name_layer(t, i, by_kind);
  }
}

bool trace_new(maudio_stream* stream,
               const float*   signal,
               size_t         n_passes,
               bool           by_kind,
               trace*         t)
{
  const size_t n_layers = stream->model->backbone.n_layers;
  const size_t n_room   = TRACE_N_ENDS + 2 * n_layers + 1;
  *t                    = (trace){.stream   = stream,
                                  .signal   = signal,
                                  .n_passes = n_passes,
                                  .rows     = calloc(n_room, sizeof *t->rows),
                                  .layers   = calloc(n_layers, sizeof *t->layers),
                                  .n_room   = n_room,
                                  .clock    = bench_clock_cost(CLOCK_MONOTONIC)};
  bool has_memory       = t->rows && t->layers;
  for (size_t i = 0; has_memory && i < n_room; ++i) {
    t->rows[i].times = calloc(n_passes, sizeof(float));
    has_memory       = t->rows[i].times;
  }
  if (has_memory) {
    name_rows(t, by_kind);
    snprintf(t->rows[t->n_rows].name, sizeof t->rows->name, "sum");
  }
  return has_memory;
}

void trace_free(trace* t)
{
  for (size_t i = 0; t->rows && i < t->n_room; ++i) {
    free(t->rows[i].times);
  }
  free(t->rows);
  free(t->layers);
  counter_free();
}

/// What was done since the last lap belongs to a row
static void lap(trace* t, size_t row)
{
  if (t->is_counted) {
    t->rows[row].bytes += counter_take();
    return;
  }
  const double now = bench_seconds(CLOCK_MONOTONIC);
  t->rows[row].times[t->pass] += (float)(now - t->last - t->clock);
  t->last = now;
}

static void run_layer(trace*                 t,
                      const maudio_backbone* b,
                      size_t                 layer,
                      const maudio_run*      run)
{
  const maudio_mixer* const mixer = b->layers[layer].mixer;
  if (!is_split(mixer)) {
    mixer->type->step(mixer, run);
    lap(t, t->layers[layer][0]);
    return;
  }
  for (size_t i = 0; i < mixer->n_stages; ++i) {
    const maudio_piece whole = {.stage = i, .n = mixer->stages[i].n_panels};
    mixer->type->step_piece(mixer, run, whole);
    lap(t, t->layers[layer][i == 1]);
  }
}

/// As maudio_model_run()
static void run_network(trace* t, const maudio_model* model, size_t n_hops)
{
  const maudio_masker*   m      = &t->stream->masker;
  const maudio_backbone* b      = &model->backbone;
  const size_t           n_rows = n_hops * b->n_bands;
  float* const           x      = m->scratch;
  float* const           y      = x + n_rows * b->d_pad;
  float*                 state  = m->network;
  maudio_band_front_in(&model->bands, n_hops, m->features, x);
  lap(t, ROW_IN);
  for (size_t i = 0; i < b->n_layers; ++i) {
    const maudio_layer* const l      = &b->layers[i];
    const size_t              n_own  = n_hops * l->n_bands;
    const bool                is_all = maudio_backbone_is_whole(b, i);
    float* const              rest   = y + n_rows * b->d_pad;
    float* const              rows   = is_all ? x : rest;
    if (!is_all) {
      maudio_backbone_take(b, i, n_hops, x, rows);
    }
    b->kernels->rms_norm(n_own, b->d_pad, rows, l->norm, b->d_model,
                         b->norm_eps, y);
    lap(t, ROW_NORMS);
    run_layer(
      t, b, i,
      &(maudio_run){.kernels  = b->kernels,
                    .n_frames = n_hops,
                    .n_bands  = l->n_bands,
                    .window   = NO_WINDOW,
                    .x        = y,
                    .y        = rows,
                    .state    = state,
                    .scratch  = is_all ? rest : rest + n_own * b->d_pad});
    if (!is_all) {
      maudio_backbone_put(b, i, n_hops, rows, x);
      lap(t, ROW_NORMS);
    }
    state += maudio_mixer_state(b->layers[i].mixer, NO_WINDOW);
  }
  maudio_backbone_norm(b, n_rows, x, y);
  lap(t, ROW_NORMS);
  maudio_band_front_out(&model->bands, n_hops, y, m->mask);
  lap(t, ROW_OUT);
}

/// As a stream does, from `frames` on, where the first of the hops begins
static void run_hops(trace* t, const float* frames, size_t n_hops, float* out)
{
  const maudio_stream*   stream = t->stream;
  const maudio_model*    model  = stream->model;
  maudio_spectral* const s      = &t->stream->spectral;
  const maudio_masker*   m      = &stream->masker;
  for (size_t i = 0; i < n_hops; ++i) {
    kiss_fft_cpx* const spectrum =
      m->spectra[0] + (s->lookahead + i) * s->n_bins;
    maudio_spectral_forward(s, frames + (i + 1) * s->hop - s->window, spectrum);
    maudio_deep_filter_keep(s, spectrum,
                            m->frames[0] + (m->n_kept + i) * m->n_frame);
    lap(t, ROW_FORWARD);
    maudio_spectral_features(s, model->kernels,
                             &(const kiss_fft_cpx*){spectrum},
                             m->features + i * model->bands.n_features);
    lap(t, ROW_FEATURES);
  }
  run_network(t, model, n_hops);
  for (size_t i = 0; i < n_hops; ++i) {
    kiss_fft_cpx* const spectrum = m->spectra[0] + i * s->n_bins;
    maudio_spectral_apply(s, model->kernels, m->mask + i * model->bands.n_mask,
                          0.0f, m->noise,
                          &(const float*){maudio_masker_frame(stream, 0, i)},
                          &(kiss_fft_cpx*){spectrum});
    lap(t, ROW_MASK);
    maudio_spectral_inverse(s, spectrum, m->tail);
    for (size_t j = 0; j < s->hop; ++j) {
      const float sample = m->overlap[0][j] + m->tail[j];
      m->overlap[0][j]   = m->tail[s->hop + j];
      if (out) {
        out[i * s->hop + j] = sample;
      }
    }
    lap(t, ROW_INVERSE);
  }
  memmove(m->frames[0], m->frames[0] + n_hops * m->n_frame,
          m->n_kept * m->n_frame * sizeof(float));
  memmove(m->spectra[0], m->spectra[0] + n_hops * s->n_bins,
          s->lookahead * s->n_bins * sizeof *m->spectra[0]);
}

void trace_count(trace* t)
{
  const maudio_masker* m       = &t->stream->masker;
  const maudio_model*  model   = t->stream->model;
  maudio_model         counted = *model;
  counted.backbone.kernels     = counter_kernels(
        model->kernels, (counter_range){(const char*)t->stream, t->stream->n_bytes},
        (counter_range){(const char*)m->network, model->n_state * sizeof(float)});
  counted.bands.kernels = counted.backbone.kernels;
  t->is_counted         = true;
  maudio_stream_reset(t->stream);
  run_network(t, &counted, 1);
  t->is_counted        = false;
  trace_row* const sum = &t->rows[t->n_rows];
  for (size_t i = 0; i < t->n_rows; ++i) {
    sum->macs += t->rows[i].macs;
    sum->bytes += t->rows[i].bytes;
  }
}

void trace_run(trace* t, size_t n_hops, size_t n_passes, float* out)
{
  const maudio_spectral* s        = &t->stream->spectral;
  const size_t           n_frames = n_hops * s->hop;
  for (size_t i = 0; i < t->n_rows; ++i) {
    memset(t->rows[i].times, 0, t->n_passes * sizeof(float));
  }
  maudio_stream_reset(t->stream);
  const uint64_t mode = maudio_float_mode_enter();
  for (t->pass = 0; t->pass < n_passes; ++t->pass) {
    const float* const frames = t->signal + s->window + t->pass * n_frames;
    t->last                   = bench_seconds(CLOCK_MONOTONIC);
    run_hops(t, frames, n_hops, out ? out + t->pass * n_frames : NULL);
  }
  maudio_float_mode_leave(mode);
}

double trace_median(const trace* t, size_t row, size_t n_hops, size_t n_passes)
{
  float* const times = t->rows[row].times;
  qsort(times, n_passes, sizeof *times, bench_compare);
  // Less than the clock takes it cannot tell
  return fmax(0.0, (double)times[n_passes / 2] / (double)n_hops);
}

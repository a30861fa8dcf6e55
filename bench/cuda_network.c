/* The network of a preset on a GPU: how much faster than realtime, and which
 * kernels take the time.
 *
 * Usage: maudio-bench-cuda-network [MODEL]
 */
#include "engine.h"
#include "error.h"
#include "file.h"
#include "layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_REPEATS 7
#define WARM_UP 3
#define N_TIMED 4 // Layers

static maudio_error error;

static void must(maudio_status status)
{
  if (status) {
    fprintf(stderr, "maudio-bench-cuda-network: %s\n", error.message);
    exit(EXIT_FAILURE);
  }
}

static void* device_memory(size_t size)
{
  void* p = NULL;
  must(gpu_check(cudaMalloc(&p, size), "memory", &error));
  return p;
}

/// Floats on the GPU, from -1 to 1, the same again and again
static float* noise(size_t n)
{
  static float host[1 << 20];
  const size_t n_host = sizeof host / sizeof *host;
  float* const made   = (float*)device_memory(n * sizeof *host);
  uint32_t     seed   = 1;
  for (size_t i = 0; i < n_host; ++i) {
    seed    = seed * 1664525U + 1013904223U;
    host[i] = (float)((double)(seed >> 8) / 8388608.0 - 1.0);
  }
  for (size_t done = 0; done < n; done += n_host) {
    const size_t left = n - done;
    cudaMemcpy(made + done, host,
               (left < n_host ? left : n_host) * sizeof *host,
               cudaMemcpyHostToDevice);
  }
  must(gpu_check(cudaGetLastError(), "copying", &error));
  return made;
}

/// What is timed
typedef void (*work)(void* data);

static int compare(const void* a, const void* b)
{
  const float x = *(const float*)a;
  const float y = *(const float*)b;
  return (x > y) - (x < y);
}

/// Median milliseconds of some work on the stream of nobody else
static double time_of(work run, void* data)
{
  cudaEvent_t begin;
  cudaEvent_t end;
  float       ms[N_REPEATS];
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  for (int i = 0; i < WARM_UP + N_REPEATS; ++i) {
    cudaEventRecord(begin, NULL);
    run(data);
    cudaEventRecord(end, NULL);
    must(gpu_check(cudaEventSynchronize(end), "computing", &error));
    if (i >= WARM_UP) {
      cudaEventElapsedTime(&ms[i - WARM_UP], begin, end);
    }
  }
  must(gpu_check(cudaGetLastError(), "computing", &error));
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  qsort(ms, N_REPEATS, sizeof *ms, compare);
  return (double)ms[N_REPEATS / 2];
}

/// A batch of signals of equal length
typedef struct {
  gpu_batch    batch;
  gpu_network* network;
  float*       features;
  float*       mask;
  double       seconds;
} network_run;

static void run_network(void* data)
{
  network_run* const r = (network_run*)data;
  must(
    gpu_network_run(r->network, &r->batch, r->features, r->mask, NULL, &error));
}

/// Lay out `n` signals of `n_frames` frames, each cut in `n_parts`
static gpu_batch
make_batch(size_t n, int64_t n_frames, int n_parts, size_t n_state)
{
  gpu_sequence* const sequences = (gpu_sequence*)calloc(n, sizeof *sequences);
  gpu_segment* const  segments =
    (gpu_segment*)calloc(n * (size_t)n_parts, sizeof *segments);
  gpu_cut* const cuts  = (gpu_cut*)calloc(n, sizeof *cuts);
  float* const   state = (float*)device_memory(n * n_state * sizeof(float));
  cudaMemset(state, 0, n * n_state * sizeof(float));
  for (size_t i = 0; i < n; ++i) {
    sequences[i] = (gpu_sequence){.first    = (int64_t)i * n_frames,
                                  .n_frames = n_frames,
                                  .state    = state + i * n_state};
    cuts[i]      = (gpu_cut){.sequence      = (int32_t)i,
                             .first_segment = (int32_t)i * n_parts,
                             .n_segments    = n_parts};
    for (int k = 0; k < n_parts; ++k) {
      const int64_t first = n_frames * k / n_parts;
      segments[(int)i * n_parts + k] =
        (gpu_segment){.first    = first,
                      .n_frames = n_frames * (k + 1) / n_parts - first,
                      .sequence = (int32_t)i,
                      .is_cut   = n_parts > 1,
                      .is_last  = k == n_parts - 1};
    }
  }
  void* const on_gpu[] = {device_memory(n * sizeof *sequences),
                          device_memory(n * (size_t)n_parts * sizeof *segments),
                          device_memory(n * sizeof *cuts)};
  cudaMemcpy(on_gpu[0], sequences, n * sizeof *sequences,
             cudaMemcpyHostToDevice);
  cudaMemcpy(on_gpu[1], segments, n * (size_t)n_parts * sizeof *segments,
             cudaMemcpyHostToDevice);
  cudaMemcpy(on_gpu[2], cuts, n * sizeof *cuts, cudaMemcpyHostToDevice);
  free(sequences);
  free(segments);
  free(cuts);
  return (gpu_batch){.n_frames       = (int64_t)n * n_frames,
                     .n_sequences    = (int)n,
                     .n_segments     = (int)n * n_parts,
                     .n_cuts         = n_parts > 1 ? (int)n : 0,
                     .n_cut_segments = n_parts > 1 ? (int)n * n_parts : 0,
                     .sequences      = (const gpu_sequence*)on_gpu[0],
                     .segments       = (const gpu_segment*)on_gpu[1],
                     .cuts           = (const gpu_cut*)on_gpu[2]};
}

/// A layer and what it works on
typedef struct {
  gpu_layer     layer;
  gpu_layer_run run;
} layer_run;

static void run_layer(void* data)
{
  const layer_run* r = (const layer_run*)data;
  gpu_layer_queue(&r->layer, &r->run);
}

static void run_in_proj(void* data)
{
  const layer_run*       r    = (const layer_run*)data;
  const gpu_layer*       l    = &r->layer;
  const gpu_product_rows rows = {.a        = r->run.x,
                                 .a_stride = l->d_model,
                                 .c        = r->run.work,
                                 .c_stride = l->proj_width,
                                 .n_rows = r->run.batch->n_frames * l->n_bands,
                                 .n_norm = l->d_model,
                                 .norm_eps = l->norm_eps};
  gpu_product_run(&l->in_proj, &rows, r->run.precision, NULL);
}

static void run_out_proj(void* data)
{
  const layer_run*       r    = (const layer_run*)data;
  const gpu_layer*       l    = &r->layer;
  const gpu_product_rows rows = {.a        = r->run.work,
                                 .a_stride = l->proj_width,
                                 .c        = r->run.y,
                                 .c_stride = l->d_model,
                                 .n_rows = r->run.batch->n_frames * l->n_bands,
                                 .x      = r->run.x,
                                 .n_norm = l->n_norm,
                                 .norm_eps = l->norm_eps};
  gpu_product_run(&l->out_proj, &rows, r->run.precision, NULL);
}

/// Layers of a model
typedef struct {
  const char*                name;
  const maudio_block_config* blocks;
  size_t                     n_blocks;
  uint32_t                   n_bands;
  uint32_t                   d_model;
  float                      norm_eps;
} layer_group;

/// Time the first layers, and the parts of those that are Mamba-2
static void time_layers(const layer_group*    group,
                        const void*           file,
                        size_t                size,
                        maudio_cuda_precision precision,
                        const gpu_batch*      batch,
                        double                seconds)
{
  maudio_weights* weights = NULL;
  gpu_arena       arena   = {NULL, 0};
  must(maudio_weights_open(file, size, "model", &weights, &error));
  const size_t n_rows = (size_t)batch->n_frames * group->n_bands;
  layer_run    r      = {.run = {.batch     = batch,
                                 .x         = noise(n_rows * group->d_model),
                                 .y         = noise(n_rows * group->d_model),
                                 .precision = precision}};
  for (size_t i = 0; i < group->n_blocks && i < N_TIMED; ++i) {
    gpu_binding binding = {.weights  = weights,
                           .arena    = &arena,
                           .n_bands  = (int)group->n_bands,
                           .d_model  = (int)group->d_model,
                           .norm_eps = group->norm_eps,
                           .error    = &error};
    size_t      state   = 0;
    must(gpu_layer_bind(&group->blocks[i], &binding, &state, &r.layer));
    const bool has_scan = r.layer.type != MAUDIO_MIXER_BAND_MLP;
    float*     scan     = NULL;
    float*     rows     = NULL;
    if (has_scan) {
      rows = noise(n_rows * r.layer.n_work);
      scan = (float*)device_memory(
        4 + sizeof(float) *
              gpu_scan_work(&r.layer.scan, (size_t)batch->n_cut_segments));
    }
    r.run.work      = rows;
    r.run.scan      = scan;
    const double ms = time_of(run_layer, &r);
    printf("  %s %zu  %8.3f ms  %9.0fx", group->name, i, ms,
           seconds / ms * 1e3);
    if (r.layer.type == MAUDIO_MIXER_MAMBA2) {
      const double in  = time_of(run_in_proj, &r);
      const double out = time_of(run_out_proj, &r);
      printf("  in_proj %.3f, out_proj %.3f, scan and the rest %.3f", in, out,
             ms - in - out);
    }
    printf("\n");
    cudaFree(rows);
    cudaFree(scan);
  }
  cudaFree((void*)r.run.x);
  cudaFree(r.run.y);
  gpu_arena_clear(&arena);
  maudio_weights_free(weights);
}

/// Layers of a fast network in one round, of signals at 16 kHz
static void time_fast_layers(const maudio_config*  config,
                             const void*           file,
                             size_t                size,
                             maudio_cuda_precision precision,
                             size_t                n_signals,
                             int                   n_parts,
                             size_t                n_state)
{
  const layer_group group  = {.name     = "fast layer",
                              .blocks   = config->steer.blocks,
                              .n_blocks = config->steer.n_blocks,
                              .n_bands  = 1,
                              .d_model  = config->steer.d_model,
                              .norm_eps = config->norm_eps};
  const int64_t     n_rows = (int64_t)GPU_FAST_ROWS;
  const gpu_batch   batch =
    make_batch(n_signals, n_rows / (int64_t)n_signals, n_parts, n_state);
  time_layers(&group, file, size, precision, &batch, (double)n_rows / 16000.0);
}

static void time_network(const maudio_config*  config,
                         const void*           file,
                         size_t                size,
                         maudio_cuda_precision precision,
                         size_t                n_signals,
                         int                   n_parts)
{
  static const char* const names[] = {"float32", "tf32", "bf16"};

  const int64_t   n_frames = 65536 / (int64_t)n_signals;
  maudio_weights* weights  = NULL;
  gpu_steer*      steer    = NULL;
  network_run     r        = {.seconds = (double)n_frames * (double)n_signals *
                                         config->spectral.hop_ms / 1e3};
  must(maudio_weights_open(file, size, "model", &weights, &error));
  if (config->steer.n_gains) {
    must(gpu_steer_new(config, weights, precision, &steer, &error));
  }
  must(gpu_network_new(config, weights, precision, steer, &r.network, &error));
  maudio_weights_free(weights);
  r.batch =
    make_batch(n_signals, n_frames, n_parts, gpu_network_state(r.network));
  r.features =
    noise((size_t)r.batch.n_frames * gpu_network_features(r.network));
  r.mask = noise((size_t)r.batch.n_frames * gpu_network_out(r.network));
  const double ms = time_of(run_network, &r);
  printf("%-7s  %3zu signals in %4d parts  %8.3f ms for %.0f s  %9.0fx\n",
         names[precision], n_signals, n_parts, ms, r.seconds,
         r.seconds / ms * 1e3);
  cudaFree(r.features);
  cudaFree(r.mask);
  gpu_network_free(r.network);
  const layer_group group = {.name     = "layer",
                             .blocks   = config->blocks,
                             .n_blocks = config->n_blocks,
                             .n_bands  = config->spectral.n_bands,
                             .d_model  = config->d_model,
                             .norm_eps = config->norm_eps};
  time_layers(&group, file, size, precision, &r.batch, r.seconds);
  if (steer) {
    time_fast_layers(config, file, size, precision, n_signals, n_parts,
                     gpu_steer_state(steer, 1));
  }
  gpu_steer_free(steer);
  fflush(stdout);
}

/// Samples in, samples out, with the transfers
static void time_engine(const char* path, double rate_hz, size_t n_signals)
{
  maudio_cuda_engine* engine = NULL;
  maudio_cuda_info    info;
  must(maudio_cuda_open(path, 0, MAUDIO_CUDA_FLOAT32, &engine, &error));
  maudio_cuda_get_info(engine, &info);
  maudio_cuda_slice slices[64];
  size_t            n_frames = 0;
  for (size_t i = 0; i < n_signals; ++i) {
    must(maudio_cuda_signal_new(engine, rate_hz, 1, 1.0f, 100.0f,
                                &slices[i].signal, &error));
    const size_t hop = maudio_cuda_signal_hop(slices[i].signal);
    float*       x   = NULL;
    n_frames         = info.batch_hops / n_signals * hop;
    must(maudio_cuda_buffer(engine, n_frames, &x, &error));
    for (size_t k = 0; k < n_frames; ++k) {
      x[k] = (float)(k % 251) / 251.0f - 0.5f;
    }
    slices[i].n_frames = n_frames;
    slices[i].in[0]    = x;
    slices[i].out[0]   = x;
  }
  const int   n_batches = 20;
  uint64_t    ticket    = 0;
  double      best      = 0.0;
  cudaEvent_t begin;
  cudaEvent_t end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  for (int round = 0; round < 2; ++round) { // The first one warms up
    cudaEventRecord(begin, engine->to_gpu);
    for (int i = 0; i < n_batches; ++i) {
      must(maudio_cuda_submit(engine, n_signals, slices, &ticket, &error));
    }
    cudaEventRecord(end, engine->from_gpu);
    must(maudio_cuda_wait(engine, ticket, &error));
    must(gpu_check(cudaEventSynchronize(end), "computing", &error));
    float ms = 0.0f;
    cudaEventElapsedTime(&ms, begin, end);
    best = (double)n_frames * (double)n_signals / rate_hz * n_batches /
           (double)ms * 1e3;
  }
  printf(
    "engine, float32, %6.0f Hz, %2zu signals, transfers included  %9.0fx\n",
    rate_hz, n_signals, best);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  for (size_t i = 0; i < n_signals; ++i) {
    maudio_cuda_buffer_free(engine, slices[i].out[0]);
    maudio_cuda_signal_free(slices[i].signal);
  }
  maudio_cuda_close(engine);
}

int main(int argc, char** argv)
{
  char preset[1024];
  must(maudio_preset_find("voice", preset, sizeof preset, &error));
  const char* const path    = argc > 1 ? argv[1] : preset;
  void*             file    = NULL;
  size_t            size    = 0;
  maudio_weights*   weights = NULL;
  maudio_config     config;
  int               n_devices = 0;
  must(maudio_cuda_count(&n_devices, &error));
  must(maudio_file_read(path, &file, &size, &error));
  must(maudio_weights_open(file, size, path, &weights, &error));
  const char* const json = maudio_weights_metadata(weights, "maudio");
  must(maudio_config_parse(json ? json : "", path, &config, &error));
  maudio_weights_free(weights);

  for (int p = MAUDIO_CUDA_FLOAT32; p <= MAUDIO_CUDA_BF16; ++p) {
    const maudio_cuda_precision precision = (maudio_cuda_precision)p;
    time_network(&config, file, size, precision, 64, 1);
    time_network(&config, file, size, precision, 1, 64);
  }
  time_engine(path, 16000, 64);
  time_engine(path, 48000, 64);
  time_engine(path, 48000, 1);
  maudio_config_clear(&config);
  free(file);
  return EXIT_SUCCESS;
}

#include "segments.h"

/// Blocks of threads that keep a processor busy
#define BLOCKS_PER_PROCESSOR 16

/// What lies behind the arrays may begin here
#define ALIGNMENT 16

int64_t gpu_segment_length(int n_processors, int n_blocks, int64_t n_frames)
{
  const int64_t n_wanted = (int64_t)n_processors * BLOCKS_PER_PROCESSOR;
  const int64_t n        = n_frames * n_blocks / n_wanted + 1;
  return n > GPU_MIN_SEGMENT ? n : GPU_MIN_SEGMENT;
}

/// Number of segments of a sequence
static int segments_of(int64_t n_frames, int64_t length)
{
  return n_frames <= length + length / 2
           ? 1
           : (int)((n_frames + length - 1) / length);
}

void gpu_batch_count(gpu_batch* b, int64_t n_frames, int64_t length)
{
  const int n = segments_of(n_frames, length);
  ++b->n_sequences;
  b->n_segments += n;
  if (n > 1) {
    ++b->n_cuts;
    b->n_cut_segments += n;
  }
}

size_t gpu_batch_size(const gpu_batch* b)
{
  const size_t size = (size_t)b->n_sequences * sizeof *b->sequences +
                      (size_t)b->n_segments * sizeof *b->segments +
                      (size_t)b->n_cuts * sizeof *b->cuts;
  return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void gpu_batch_place(gpu_batch*  b,
                     int64_t     length,
                     char*       host,
                     const char* device,
                     gpu_filler* f)
{
  *f        = (gpu_filler){.length = length, .next_whole = b->n_cut_segments};
  size_t at = 0;
  f->sequences = (gpu_sequence*)(void*)host;
  b->sequences = (const gpu_sequence*)(const void*)device;
  at += (size_t)b->n_sequences * sizeof *f->sequences;
  f->segments = (gpu_segment*)(void*)(host + at);
  b->segments = (const gpu_segment*)(const void*)(device + at);
  at += (size_t)b->n_segments * sizeof *f->segments;
  f->cuts = (gpu_cut*)(void*)(host + at);
  b->cuts = (const gpu_cut*)(const void*)(device + at);
}

/// Segments of sequence `number`, equal but for a frame, from `to` on
static void cut(int64_t n_frames, int number, int n, gpu_segment* to)
{
  for (int i = 0; i < n; ++i) {
    const int64_t first = n_frames * i / n;
    to[i]               = (gpu_segment){.first    = first,
                                        .n_frames = n_frames * (i + 1) / n - first,
                                        .sequence = number,
                                        .is_cut   = n > 1,
                                        .is_last  = i == n - 1};
  }
}

void gpu_batch_add(gpu_filler* f, gpu_sequence sequence)
{
  const int  n                 = segments_of(sequence.n_frames, f->length);
  int* const next              = n > 1 ? &f->next_cut : &f->next_whole;
  f->sequences[f->n_sequences] = sequence;
  cut(sequence.n_frames, f->n_sequences, n, f->segments + *next);
  if (n > 1) {
    f->cuts[f->n_cuts++] = (gpu_cut){
      .sequence = f->n_sequences, .first_segment = *next, .n_segments = n};
  }
  *next += n;
  ++f->n_sequences;
}

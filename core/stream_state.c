/* Saving and loading the state of a stream */
#include "stream.h"

#include <string.h>

static const char magic[8] = {'m', 'a', 'u', 'd', 's', 't', 'a', '1'};

/// What a state has to agree with before it is believed
typedef struct {
  char     magic[8];
  uint64_t fingerprint; ///< Of the model
  double   rate_hz;
  uint64_t n_channels;
  uint64_t size; ///< Bytes of everything
} state_header;

static state_header make_header(const maudio_stream* stream)
{
  state_header header = {.fingerprint = stream->model->fingerprint,
                         .rate_hz     = stream->rate_hz,
                         .n_channels  = stream->n_channels,
                         .size        = maudio_stream_state_size(stream)};
  memcpy(header.magic, magic, sizeof magic);
  return header;
}

size_t maudio_stream_state_size(const maudio_stream* stream)
{
  maudio_segment segments[MAUDIO_MAX_SEGMENTS];
  const size_t   n    = maudio_stream_segments(stream, segments);
  size_t         size = sizeof(state_header) + sizeof(maudio_stream_scalars);
  for (size_t i = 0; i < n; ++i) {
    size += segments[i].n * sizeof(float);
  }
  return size;
}

void maudio_stream_save_state(const maudio_stream* stream, void* data)
{
  maudio_segment     segments[MAUDIO_MAX_SEGMENTS];
  const size_t       n      = maudio_stream_segments(stream, segments);
  const state_header header = make_header(stream);

  char* to = data;
  memcpy(to, &header, sizeof header);
  to += sizeof header;
  memcpy(to, &stream->scalars, sizeof stream->scalars);
  to += sizeof stream->scalars;
  for (size_t i = 0; i < n; ++i) {
    memcpy(to, segments[i].data, segments[i].n * sizeof(float));
    to += segments[i].n * sizeof(float);
  }
}

static bool is_same_header(const state_header* a, const state_header* b)
{
  return !memcmp(a->magic, b->magic, sizeof a->magic) &&
         a->fingerprint == b->fingerprint && a->rate_hz == b->rate_hz &&
         a->n_channels == b->n_channels && a->size == b->size;
}

static bool is_gain(float x)
{
  return x >= 0.0f && x <= 1.0f;
}

static bool are_scalars_valid(const maudio_stream*         stream,
                              const maudio_stream_scalars* scalars)
{
  for (unsigned i = 0; i < MAUDIO_N_PARAMS; ++i) {
    const maudio_ramp* ramp = &scalars->ramps[i];
    if (!is_gain(ramp->from) || !is_gain(ramp->to) ||
        ramp->elapsed > stream->ramp_length) {
      return false;
    }
  }
  return scalars->position < stream->spectral.hop && scalars->is_started <= 1;
}

/// Is every float of `size` bytes, at any alignment, a number?
static bool are_numbers(const char* data, size_t size)
{
  for (size_t i = 0; i < size; i += sizeof(uint32_t)) {
    uint32_t bits = 0;
    memcpy(&bits, data + i, sizeof bits);
    if ((bits & 0x7F800000U) == 0x7F800000U) {
      return false;
    }
  }
  return true;
}

maudio_status
maudio_stream_load_state(maudio_stream* stream, const void* data, size_t size)
{
  const state_header    expected = make_header(stream);
  const size_t          n_fixed  = sizeof expected + sizeof stream->scalars;
  const char*           from     = data;
  maudio_stream_scalars scalars;
  state_header          header;
  if (size != expected.size) {
    return MAUDIO_ERR_BAD_STATE;
  }
  memcpy(&header, from, sizeof header);
  if (!is_same_header(&header, &expected)) {
    return MAUDIO_ERR_BAD_STATE;
  }
  memcpy(&scalars, from + sizeof expected, sizeof scalars);
  if (!are_scalars_valid(stream, &scalars) ||
      !are_numbers(from + n_fixed, size - n_fixed)) {
    return MAUDIO_ERR_BAD_STATE;
  }

  maudio_segment segments[MAUDIO_MAX_SEGMENTS];
  const size_t   n = maudio_stream_segments(stream, segments);
  stream->scalars  = scalars;
  from += n_fixed;
  for (size_t i = 0; i < n; ++i) {
    memcpy(segments[i].data, from, segments[i].n * sizeof(float));
    from += segments[i].n * sizeof(float);
  }
  return MAUDIO_SUCCESS;
}

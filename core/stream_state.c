/* Saving and loading the state of a stream */
#include "saved_state.h"
#include "stream.h"

#include <string.h>

/// The parts of a stream's state
static maudio_state describe(const maudio_stream* stream,
                             maudio_segment*      segments)
{
  maudio_state state = {
    .header     = {.magic       = {'m', 'a', 'u', 'd', 's', 't', 'a', '1'},
                   .fingerprint = stream->model->fingerprint,
                   .shape       = {0, stream->n_channels}},
    .scalars    = &stream->scalars,
    .n_scalars  = sizeof stream->scalars,
    .segments   = segments,
    .n_segments = maudio_stream_type(stream)->segments(stream, segments)};
  memcpy(&state.header.shape[0], &stream->rate_hz, sizeof stream->rate_hz);
  state.header.size = maudio_state_size(&state);
  return state;
}

size_t maudio_stream_state_size(const maudio_stream* stream)
{
  maudio_segment segments[MAUDIO_MAX_SEGMENTS];
  return describe(stream, segments).header.size;
}

void maudio_stream_save_state(const maudio_stream* stream, void* data)
{
  maudio_segment     segments[MAUDIO_MAX_SEGMENTS];
  const maudio_state state = describe(stream, segments);
  maudio_state_save(&state, data);
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
  return scalars->position < stream->spectral.hop && scalars->is_started <= 1 &&
         scalars->has_hop <= 1;
}

maudio_status
maudio_stream_load_state(maudio_stream* stream, const void* data, size_t size)
{
  maudio_segment        segments[MAUDIO_MAX_SEGMENTS];
  maudio_stream_scalars scalars;
  const maudio_state    state = describe(stream, segments);
  const void* const     saved = maudio_state_check(&state, data, size);
  if (!saved) {
    return MAUDIO_ERR_BAD_STATE;
  }
  memcpy(&scalars, saved, sizeof scalars);
  if (!are_scalars_valid(stream, &scalars)) {
    return MAUDIO_ERR_BAD_STATE;
  }
  stream->scalars = scalars;
  maudio_state_load(&state, data);
  return MAUDIO_SUCCESS;
}

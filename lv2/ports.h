/** @file
 * The ports after those of the audio, in the order of CMakeLists.txt.
 */
#ifndef MAUDIO_LV2_PORTS_H
#define MAUDIO_LV2_PORTS_H

#include "maudio.h"

/// Indices count from the number of audio ports: 2 mono, 4 stereo, 1 of the
/// generator. New ones go to the end, so that sessions stay valid
typedef enum {
  PORT_CONTROL,         ///< patch and MIDI messages in
  PORT_NOTIFY,          ///< patch messages out
  PORT_ENABLED,         ///< 0 bypasses
  PORT_STRENGTH,        ///< 0 to 1
  PORT_MAX_ATTENUATION, ///< dB, 100 is no limit
  PORT_MIX,             ///< 0 to 1
  PORT_OUTPUT_GAIN,     ///< dB
  PORT_PRESET,          ///< Number of a factory preset
  PORT_LATENCY,         ///< Out: frames
  PORT_REDUCTION,       ///< Out: dB
  PORT_LOAD,            ///< Out: percent of real time
  N_PORTS,

  // The generator has these in place of those it lacks, and after the others
  PORT_SEED        = PORT_STRENGTH,
  PORT_TEMPERATURE = PORT_MAX_ATTENUATION, ///< 0 to 2
  PORT_TOP_P       = PORT_MIX,             ///< 0 to 1
  PORT_RETRIGGER   = PORT_REDUCTION,       ///< In: begins anew as it rises
  PORT_GATE        = N_PORTS,              ///< 1: heard while a note is held
  PORT_RELEASE,                            ///< ms
  N_GENERATOR_PORTS
} port_index;

/// What the host connected; every port but the two of messages must be
typedef struct {
  unsigned     n_in;
  unsigned     n_out;
  const float* in[MAUDIO_MAX_CHANNELS];
  float*       out[MAUDIO_MAX_CHANNELS];
  void*        other[N_GENERATOR_PORTS]; ///< By port_index
} port_buffers;

/// Connect port `index` as the ttl counts them: in, out, then port_index
static inline void port_connect(port_buffers* ports, uint32_t index, void* data)
{
  const uint32_t n_audio = ports->n_in + ports->n_out;
  if (index < ports->n_in) {
    ports->in[index] = (const float*)data;
  } else if (index < n_audio) {
    ports->out[index - ports->n_in] = (float*)data;
  } else if (index - n_audio < N_GENERATOR_PORTS) {
    ports->other[index - n_audio] = data;
  }
}

static inline float port_value(const port_buffers* ports, port_index port)
{
  return *(const float*)ports->other[port];
}

static inline bool port_is_on(const port_buffers* ports, port_index port)
{
  return port_value(ports, port) > 0.5f;
}

static inline void
port_report(const port_buffers* ports, port_index port, float value)
{
  *(float*)ports->other[port] = value;
}

#endif /* MAUDIO_LV2_PORTS_H */

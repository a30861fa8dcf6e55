/** @file
 * The ports after those of the audio, in the order of CMakeLists.txt.
 */
#ifndef MAUDIO_LV2_PORTS_H
#define MAUDIO_LV2_PORTS_H

#include "maudio.h"

/// Indices count from the number of audio ports: 2 mono, 4 stereo. New ones go
/// to the end, so that sessions stay valid
typedef enum {
  PORT_CONTROL,         ///< patch messages in
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
  N_PORTS
} port_index;

/// What the host connected; every port but the two of messages must be
typedef struct {
  const float* in[MAUDIO_MAX_CHANNELS];
  float*       out[MAUDIO_MAX_CHANNELS];
  void*        other[N_PORTS]; ///< By port_index
} port_buffers;

/// Connect port `index` as the ttl counts them: in, out, then port_index
static inline void port_connect(port_buffers* ports,
                                unsigned      n_channels,
                                uint32_t      index,
                                void*         data)
{
  if (index < n_channels) {
    ports->in[index] = (const float*)data;
  } else if (index < 2 * n_channels) {
    ports->out[index - n_channels] = (float*)data;
  } else if (index - 2 * n_channels < N_PORTS) {
    ports->other[index - 2 * n_channels] = data;
  }
}

static inline float port_value(const port_buffers* ports, port_index port)
{
  return *(const float*)ports->other[port];
}

static inline void
port_report(const port_buffers* ports, port_index port, float value)
{
  *(float*)ports->other[port] = value;
}

#endif /* MAUDIO_LV2_PORTS_H */

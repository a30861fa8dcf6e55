/** @file
 * The mutable half: everything that the audio thread touches, in one
 * allocation.
 */
#ifndef MAUDIO_STREAM_H
#define MAUDIO_STREAM_H

#include "model.h"
#include "saved_state.h"
#include "spectral.h"
#include "steer_fast.h"
#include "steer_slow.h"

/// Number of parameters
#define MAUDIO_N_PARAMS 3

/// A parameter on its way to a new value, in gains from 0 to 1
typedef struct {
  float    from;
  float    to;
  uint64_t elapsed; ///< Frames since it was set, at most the ramp's length
} maudio_ramp;

/// State besides the signals
typedef struct {
  maudio_ramp            ramps[MAUDIO_N_PARAMS]; ///< By maudio_param
  maudio_spectral_energy energy;                 ///< Of the last frame
  maudio_spectral_energy rising;   ///< Without latency: of this hop so far
  uint64_t               position; ///< Frames since the last full hop
  uint64_t               is_started;
  uint64_t               has_hop; ///< Without latency: one is complete
  uint64_t n_silent; ///< With a mask: hops of zeros up to now, all channels
} maudio_stream_scalars;

/// What a stream has whose model makes a mask
typedef struct {
  size_t n_past;  ///< Frames kept before the present hop
  size_t n_kept;  ///< Spectra before the present one that are still needed
  size_t n_frame; ///< Floats of one of them that are kept for the filter
  size_t n_heard; ///< Hops that what is played of a frame is made of

  // State
  float* line[MAUDIO_MAX_CHANNELS];    ///< (n_past + chunk * hop) of the input
  float* wet[MAUDIO_MAX_CHANNELS];     ///< (hop + chunk * hop) yet to be played
  float* overlap[MAUDIO_MAX_CHANNELS]; ///< (hop)
  float* network;                      ///< (model->n_state)
  maudio_high_noise* noise;            ///< (MAUDIO_MAX_HIGH_BANDS)
  float* frames[MAUDIO_MAX_CHANNELS];  ///< (n_kept + chunk) of n_frame floats
  kiss_fft_cpx* spectra[MAUDIO_MAX_CHANNELS]; ///< (lookahead + chunk, J)

  // Working memory
  float* features;  ///< (chunk, 3K)
  float* mask;      ///< (chunk, n_mask)
  float* tail;      ///< (2 * hop)
  bool*  is_silent; ///< (chunk)
  float* scratch;   ///< (model->n_scratch)
} maudio_masker;

/// What a stream has whose model steers a fast path
typedef struct {
  maudio_slow         slow;
  maudio_fast         fast;
  maudio_fast_channel channels[MAUDIO_MAX_CHANNELS];
  float* line[MAUDIO_MAX_CHANNELS]; ///< (window + hop) of the input
  float* wet[MAUDIO_MAX_CHANNELS];  ///< (MAUDIO_FAST_RUN), working memory
} maudio_steerer;

struct maudio_stream {
  const maudio_model*   model;
  double                rate_hz;
  unsigned              n_channels;
  size_t                n_bytes;     ///< Of this allocation
  size_t                ramp_length; ///< Frames
  uint64_t              n_bad;
  maudio_spectral       spectral;
  maudio_stream_scalars scalars;
  maudio_masker         masker;  ///< Without steerer
  maudio_steerer        steerer; ///< If the model has no latency
};

/// Most pieces of a stream's state
#define MAUDIO_MAX_SEGMENTS (5 * MAUDIO_MAX_CHANNELS + 2)

/// The two kinds of streams
typedef struct {
  /// Choose sizes; model, rate and channels have been set
  void (*plan)(maudio_stream* stream);

  /// Take memory for what was planned
  void (*carve)(maudio_stream* stream, maudio_carver* carver);

  /// List the signals that are state; return how many pieces they are
  size_t (*segments)(const maudio_stream* stream, maudio_segment* segments);

  /// Forget the past; everything that `segments` lists is 0
  void (*reset)(maudio_stream* stream);

  /// As maudio_stream_process()
  void (*process)(maudio_stream*      stream,
                  const float* const* in,
                  float* const*       out,
                  size_t              n_frames);

  /// Return the latency in frames
  size_t (*latency)(const maudio_stream* stream);
} maudio_stream_class;

extern const maudio_stream_class maudio_stream_mask;
extern const maudio_stream_class maudio_stream_steer;

/// Return where the frame that is masked with hop `i` is kept for the filter
const float*
maudio_masker_frame(const maudio_stream* stream, unsigned channel, size_t i);

/// Return the kind of a stream
const maudio_stream_class* maudio_stream_type(const maudio_stream* stream);

/// Return the value of a ramp `n` frames from now
float maudio_stream_ramp(const maudio_stream* stream,
                         maudio_param         param,
                         size_t               n);

/// Move the ramps on by `n_frames` frames
void maudio_stream_advance_ramps(maudio_stream* stream, size_t n_frames);

/// Copy input to `line`; what is not a number becomes 0
void maudio_stream_take(maudio_stream* stream,
                        const float*   in,
                        float*         line,
                        size_t         n_frames);

/// Write frames: `dry` where strength is 0, `wet` where it is 1, both to the
/// last bit
void maudio_stream_mix(const maudio_stream* stream,
                       const float*         dry,
                       const float*         wet,
                       float*               out,
                       size_t               n_frames);

#endif /* MAUDIO_STREAM_H */

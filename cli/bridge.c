#include "bridge.h"

#include "drift.h"
#include "ring.h"

#include <math.h>
#include <samplerate.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/// Frames that are resampled at once
#define MAX_BLOCK 1024

/// The ring's length, and the longest delay
#define RING_S 1.0
#define MAX_DELAY_S 0.4

/// Devices that start up are not listened to yet; then for how long
#define SKIPPED_S 0.5
#define LISTENING_S 1.0

/// As these, after an interruption
#define RECOVERY_SKIPPED_S 0.05
#define RECOVERY_S 0.1

/// Least that stays in the ring beyond what the resampler looks ahead
#define MARGIN_S 0.010
#define LOOK_AHEAD 64

/// A delay that is off by more is set at once
#define JUMP_S 0.1

/// A second underrun within this time: the delay is too short
#define UNDERRUN_AGAIN_S 60.0
#define LONGER_S 0.005

#define FADE_S 0.01

/// What the reader learns before it plays
typedef struct {
  double elapsed_s;
  double skipped_s;  ///< Time not to listen yet
  double duration_s; ///< Time to listen after that
  double position;   ///< Where one would be who had begun to read, in frames
  double least_room; ///< Least that was left to him
  double delay_sum;  ///< Of what he would have read, in frames
  size_t n_blocks;
} listening;

struct bridge {
  double   in_hz;
  double   out_hz;
  unsigned n_channels;
  ring*    between;

  // The writer's, seen by the reader
  _Atomic(double)      origin_s; ///< When frame 0 came, by the latest block
  atomic_uint_fast64_t n_written;
  atomic_size_t        most_written; ///< Frames of the largest block
  atomic_uint_fast64_t n_overflows;

  // The reader's
  SRC_STATE* resampler;
  bool       is_playing;
  bool       has_target;
  listening  listened;
  drift      control;
  double     speed;
  uint64_t   n_taken; ///< Frames taken from the ring
  double     ahead;   ///< Of them in the resampler, not yet played
  double     gain;
  float      last[MAUDIO_MAX_CHANNELS]; ///< The frame played last
  double     since_underrun_s;
  float      interleaved[MAX_BLOCK * MAUDIO_MAX_CHANNELS];

  // The reader's, seen by any thread
  atomic_bool          shown_playing;
  _Atomic(double)      shown_delay_s;
  _Atomic(double)      shown_target_s;
  _Atomic(double)      shown_speed;
  atomic_uint_fast64_t n_underruns;
  atomic_uint_fast64_t n_jumps;
};

static void listen(bridge* b, double skipped_s, double duration_s)
{
  memset(&b->listened, 0, sizeof(b->listened));
  b->listened.skipped_s  = skipped_s;
  b->listened.duration_s = duration_s;
  b->is_playing          = false;
  b->gain                = 0.0;
}

bridge* bridge_new(double in_hz, double out_hz, unsigned n_channels)
{
  bridge* const b = (bridge*)calloc(1, sizeof(bridge));
  if (!b) {
    return NULL;
  }
  int error     = 0;
  b->in_hz      = in_hz;
  b->out_hz     = out_hz;
  b->n_channels = n_channels;
  b->speed      = 1.0;
  b->between    = ring_new(n_channels, (size_t)(RING_S * in_hz));
  b->resampler  = src_new(SRC_SINC_MEDIUM_QUALITY, (int)n_channels, &error);
  b->since_underrun_s = UNDERRUN_AGAIN_S;
  listen(b, SKIPPED_S, LISTENING_S);
  if (!b->between || !b->resampler) {
    bridge_free(b);
    return NULL;
  }
  return b;
}

void bridge_free(bridge* b)
{
  if (b) {
    ring_free(b->between);
    src_delete(b->resampler);
    free(b);
  }
}

void bridge_write(bridge*             b,
                  const float* const* channels,
                  size_t              n_frames,
                  double              now_s)
{
  if (!ring_write(b->between, channels, n_frames)) {
    atomic_fetch_add(&b->n_overflows, 1);
    return;
  }
  const uint64_t n = atomic_load(&b->n_written) + n_frames;
  atomic_store(&b->origin_s, now_s - (double)n / b->in_hz);
  atomic_store(&b->n_written, n);
  if (n_frames > atomic_load(&b->most_written)) {
    atomic_store(&b->most_written, n_frames);
  }
}

/// Frames that have come since `position`, as if they came one by one
static double frames_since(const bridge* b, double position, double now_s)
{
  return (now_s - atomic_load(&b->origin_s)) * b->in_hz - position;
}

static void take(bridge* b, size_t n_frames)
{
  ring_skip(b->between, n_frames);
  b->n_taken += n_frames;
}

/// Begin to play where the delay is right, `delay` frames having been heard
static void start(bridge* b, double delay)
{
  const listening* const heard = &b->listened;
  if (!b->has_target) {
    const double missing = MARGIN_S * b->in_hz + LOOK_AHEAD - heard->least_room;
    const double target_s = (delay + missing) / b->in_hz;
    drift_start(&b->control, fmax(0.0, fmin(target_s, MAX_DELAY_S)));
    b->has_target = true;
  }
  const double at   = heard->position + delay - b->control.target_s * b->in_hz;
  const double skip = floor(at) - (double)b->n_taken;
  if (skip < 0.0 || skip > (double)ring_fill(b->between)) {
    listen(b, RECOVERY_SKIPPED_S, RECOVERY_S); // A device stands still
    return;
  }
  take(b, (size_t)skip);
  src_reset(b->resampler);
  drift_start(&b->control, b->control.target_s);
  b->ahead      = 0.0;
  b->is_playing = true;
}

/// Stay silent for a block, and see what the delay has to be
static void listen_on(bridge* b, size_t n_frames, double now_s)
{
  listening* const heard   = &b->listened;
  const double     written = (double)atomic_load(&b->n_written);
  const double     wanted  = (double)n_frames * b->in_hz / b->out_hz;
  if (written > 0.0) {
    heard->elapsed_s += (double)n_frames / b->out_hz;
  }

  if (heard->elapsed_s > heard->skipped_s) {
    if (!heard->n_blocks) {
      heard->position   = written;
      heard->least_room = b->in_hz;
    }
    // What is there, and what would be there just before the next block
    const double since = frames_since(b, heard->position, now_s);
    const double room  = fmin(written - heard->position,
                              since - (double)atomic_load(&b->most_written));
    heard->least_room  = fmin(heard->least_room, room - wanted);
    heard->delay_sum += since;
    ++heard->n_blocks;
    if (heard->elapsed_s >= heard->skipped_s + heard->duration_s) {
      start(b, heard->delay_sum / (double)heard->n_blocks);
      return;
    }
    heard->position += wanted;
  }

  // Room for the writer
  const size_t fill = ring_fill(b->between);
  const size_t kept = (size_t)(MAX_DELAY_S * b->in_hz);
  if (fill > kept) {
    take(b, fill - kept);
  }
}

/// Resample up to `n_frames` into `interleaved`; false if that is not all there
static bool resample(bridge* b, size_t n_frames, size_t* n_done)
{
  *n_done = 0;
  while (*n_done < n_frames) {
    SRC_DATA data      = {0};
    data.input_frames  = (long)ring_peek(b->between, &data.data_in);
    data.data_out      = b->interleaved + *n_done * b->n_channels;
    data.output_frames = (long)(n_frames - *n_done);
    data.src_ratio     = b->out_hz / (b->in_hz * b->speed);
    if (src_process(b->resampler, &data) ||
        (!data.input_frames_used && !data.output_frames_gen)) {
      return false;
    }
    take(b, (size_t)data.input_frames_used);
    *n_done += (size_t)data.output_frames_gen;
    b->ahead += (double)data.input_frames_used -
                (double)data.output_frames_gen / data.src_ratio;
  }
  return true;
}

/// Spread `n_done` frames of `interleaved` to channels, fading in; or, when
/// nothing will follow, them and the last one held, fading out
static void deliver(bridge*       b,
                    float* const* channels,
                    size_t        at,
                    size_t        n_done,
                    size_t        n_frames,
                    bool          is_last)
{
  const double step =
    is_last ? -b->gain / (double)n_frames : 1.0 / (FADE_S * b->out_hz);
  for (size_t i = 0; i < n_frames; ++i) {
    b->gain = fmax(0.0, fmin(1.0, b->gain + step));
    for (unsigned c = 0; c < b->n_channels; ++c) {
      if (i < n_done) {
        b->last[c] = b->interleaved[i * b->n_channels + c];
      }
      channels[c][at + i] = (float)b->gain * b->last[c];
    }
  }
}

static void count_underrun(bridge* b)
{
  atomic_fetch_add(&b->n_underruns, 1);
  if (b->since_underrun_s < UNDERRUN_AGAIN_S) {
    b->control.target_s = fmin(b->control.target_s + LONGER_S, MAX_DELAY_S);
  }
  b->since_underrun_s = 0.0;
}

/// Play a block, the last one if it `stops`; false if that was not all there
static bool play(bridge* b, float* const* channels, size_t n_frames, bool stops)
{
  for (size_t at = 0; at < n_frames;) {
    const size_t rest   = n_frames - at;
    const size_t n      = rest < MAX_BLOCK ? rest : MAX_BLOCK;
    size_t       n_done = 0;
    if (!resample(b, n, &n_done)) {
      deliver(b, channels, at, n_done, rest, true);
      return false;
    }
    deliver(b, channels, at, n, n, stops && n == rest);
    at += n;
  }
  return true;
}

static void show(bridge* b)
{
  atomic_store(&b->shown_playing, b->is_playing);
  atomic_store(&b->shown_delay_s, b->control.smoothed_s);
  atomic_store(&b->shown_target_s, b->control.target_s);
  atomic_store(&b->shown_speed, b->speed - 1.0);
}

void bridge_read(bridge*       b,
                 float* const* channels,
                 size_t        n_frames,
                 double        now_s)
{
  const double elapsed_s = (double)n_frames / b->out_hz;
  b->since_underrun_s += elapsed_s;
  if (!b->is_playing) {
    listen_on(b, n_frames, now_s);
  }
  if (!b->is_playing) {
    for (unsigned c = 0; c < b->n_channels; ++c) {
      memset(channels[c], 0, n_frames * sizeof(float));
    }
    show(b);
    return;
  }

  const double delay_s =
    frames_since(b, (double)b->n_taken - b->ahead, now_s) / b->in_hz;
  const bool jumps = fabs(delay_s - b->control.target_s) > JUMP_S;
  if (!jumps) {
    b->speed = drift_update(&b->control, delay_s, elapsed_s);
  }
  if (!play(b, channels, n_frames, jumps)) {
    count_underrun(b);
    listen(b, RECOVERY_SKIPPED_S, RECOVERY_S);
  } else if (jumps) {
    atomic_fetch_add(&b->n_jumps, 1);
    listen(b, RECOVERY_SKIPPED_S, RECOVERY_S);
  }
  show(b);
}

void bridge_read_state(const bridge* b, bridge_reading* reading)
{
  reading->playing     = atomic_load(&b->shown_playing);
  reading->delay_s     = atomic_load(&b->shown_delay_s);
  reading->target_s    = atomic_load(&b->shown_target_s);
  reading->speed_ppm   = atomic_load(&b->shown_speed) * 1e6;
  reading->n_underruns = atomic_load(&b->n_underruns);
  reading->n_overflows = atomic_load(&b->n_overflows);
  reading->n_jumps     = atomic_load(&b->n_jumps);
}

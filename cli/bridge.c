#include "bridge.h"

#include "drift.h"
#include "resampler.h"
#include "ring.h"
#include "timeline.h"

#include <math.h>
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

/// The delay to keep is the mean of so long, of looks that are off by less:
/// one by itself is off by what its callbacks were late
#define LEARNING_S 2.0
#define LEARNING_MOST_S 0.0005

/// As these, after an interruption
#define RECOVERY_SKIPPED_S 0.05
#define RECOVERY_S 0.1

/// Least that is in the ring, beyond what the resampler looks ahead, where what
/// was missing has come
#define RESUMING_S 0.005

/// A writer that brings nothing for so long stands still
#define HELD_S 0.5

/// A delay that is off by more, for so long, is set at once
#define JUMP_S 0.02
#define JUMP_AFTER_S 0.2

/// So many underruns, with less than this time between them: the delay is too
/// short for now. It is as usual again when there was none for the other time
#define MAX_UNDERRUNS 3
#define UNDERRUN_AGAIN_S 10.0
#define CALM_S 30.0
#define LONGER_S 0.005

#define FADE_S 0.01

/// What the reader learns before it plays
typedef struct {
  double elapsed_s;
  double skipped_s;  ///< Time not to listen yet
  double duration_s; ///< Time to listen after that
  double position;   ///< Where one would be who had begun to read, in frames
  double least_room; ///< Least that was left to him
  bool   begun;
} listening;

struct bridge {
  double   in_hz;
  double   out_hz;
  unsigned n_channels;
  double   margin_s; ///< Least that stays in the ring, beyond RESAMPLER_AHEAD
  ring*    between;

  // The writer's, seen by the reader
  timeline             came;
  _Atomic(double)      origin_s; ///< When frame 0 came, by `came`
  atomic_uint_fast64_t n_written;
  atomic_size_t        most_written; ///< Frames of the largest block
  atomic_bool          forgets;      ///< What both of these are, with the next
  atomic_uint_fast64_t n_overflows;

  // The reader's
  resampler* resampler;
  timeline   asked;
  double     asked_s;  ///< When this block was due, by `asked`
  uint64_t   n_played; ///< Frames of the blocks before
  bool       is_playing;
  bool       is_held; ///< Silent until what is missing comes
  double     held_at; ///< Where that goes on, in frames
  double     held_s;
  listening  listened;
  drift      control;
  double     off_s;     ///< Time that the delay was off by more than JUMP_S
  double     usual_s;   ///< The delay to keep, 0: not chosen yet
  double     learned_s; ///< Time that it was made a mean of
  double     speed;
  uint64_t   n_taken; ///< Frames taken from the ring
  double     gain;
  float      last[MAUDIO_MAX_CHANNELS]; ///< The frame played last
  double     since_underrun_s;
  unsigned   n_recent_underruns;
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
  b->is_held             = false;
  b->gain                = 0.0;
}

bridge*
bridge_new(double in_hz, double out_hz, unsigned n_channels, double margin_s)
{
  bridge* const b = (bridge*)calloc(1, sizeof(bridge));
  if (!b) {
    return NULL;
  }
  b->in_hz      = in_hz;
  b->out_hz     = out_hz;
  b->n_channels = n_channels;
  b->margin_s   = margin_s;
  b->speed      = 1.0;
  b->between    = ring_new(n_channels, (size_t)(RING_S * in_hz));
  b->resampler  = resampler_new(in_hz, out_hz, n_channels);
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
    resampler_free(b->resampler);
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
  if (atomic_exchange(&b->forgets, false)) {
    b->came = (timeline){0};
    atomic_store(&b->most_written, 0);
  }
  timeline_update(&b->came, now_s - (double)n / b->in_hz,
                  (double)n_frames / b->in_hz);
  atomic_store(&b->origin_s, b->came.origin_s);
  atomic_store(&b->n_written, n);
  if (n_frames > atomic_load(&b->most_written)) {
    atomic_store(&b->most_written, n_frames);
  }
}

/// Frames that have come since `position`, as if they came one by one
static double frames_since(const bridge* b, double position)
{
  return (b->asked_s - atomic_load(&b->origin_s)) * b->in_hz - position;
}

static void take(bridge* b, size_t n_frames)
{
  ring_skip(b->between, n_frames);
  b->n_taken += n_frames;
}

/// Play from a frame on; false if it is not there
static bool play_from(bridge* b, double frame)
{
  const double skip = frame - (double)b->n_taken;
  if (skip < 0.0 || skip > (double)ring_fill(b->between)) {
    return false;
  }
  take(b, (size_t)skip);
  resampler_reset(b->resampler);
  b->is_playing = true;
  b->is_held    = false;
  b->gain       = 0.0;
  return true;
}

/// Begin to play where the delay is right
static void start(bridge* b)
{
  const listening* const heard = &b->listened;
  const double           delay = frames_since(b, heard->position);
  double                 kept  = b->control.target_s * b->in_hz;
  if (b->usual_s == 0.0) {
    const double missing =
      b->margin_s * b->in_hz + RESAMPLER_AHEAD - heard->least_room;
    kept = fmin(delay + missing, MAX_DELAY_S * b->in_hz);
  }
  const double at = floor(heard->position + delay - kept);
  if (!play_from(b, at)) {
    listen(b, RECOVERY_SKIPPED_S, RECOVERY_S); // A device stands still
    return;
  }
  if (b->usual_s == 0.0) {
    b->usual_s          = frames_since(b, at) / b->in_hz;
    b->control.target_s = b->usual_s;
  }
  drift_start(&b->control, b->control.target_s);
}

/// Be silent for a block, and see what the delay has to be
static void listen_on(bridge* b, size_t n_frames)
{
  listening* const heard   = &b->listened;
  const double     written = (double)atomic_load(&b->n_written);
  const double     wanted  = (double)n_frames * b->in_hz / b->out_hz;
  if (written > 0.0) {
    heard->elapsed_s += (double)n_frames / b->out_hz;
  }

  if (heard->elapsed_s > heard->skipped_s) {
    if (!heard->begun) {
      heard->begun      = true;
      heard->position   = written;
      heard->least_room = b->in_hz;
      b->asked          = (timeline){0};
      atomic_store(&b->forgets, true);
    }
    // What would be left, now and just before the next block of the writer
    const double since = frames_since(b, heard->position);
    const double room  = fmin(written - heard->position - wanted,
                              since - (double)atomic_load(&b->most_written));
    heard->least_room  = fmin(heard->least_room, room);
    if (heard->elapsed_s >= heard->skipped_s + heard->duration_s) {
      start(b);
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

/// Be silent until there is enough, and play that from where one would be by
/// then who was at `next` now
static void hold(bridge* b, double next)
{
  b->is_held = true;
  b->held_at = next;
  b->held_s  = 0.0;
  b->off_s   = 0.0;
}

/// Return how many frames the delay has to be longer after an underrun
static double count_underrun(bridge* b)
{
  atomic_fetch_add(&b->n_underruns, 1);
  const bool is_again   = b->since_underrun_s < UNDERRUN_AGAIN_S;
  b->n_recent_underruns = is_again ? b->n_recent_underruns + 1 : 1;
  b->since_underrun_s   = 0.0;
  if (b->n_recent_underruns < MAX_UNDERRUNS) {
    return 0.0;
  }
  const double before_s = b->control.target_s;
  b->control.target_s   = fmin(before_s + LONGER_S, MAX_DELAY_S);
  return (b->control.target_s - before_s) * b->in_hz;
}

static void hold_on(bridge* b, size_t n_frames)
{
  const double wanted  = (double)n_frames * b->in_hz / b->out_hz;
  const double written = (double)atomic_load(&b->n_written);
  const double needed  = wanted + RESAMPLER_AHEAD + RESUMING_S * b->in_hz;
  if (b->held_at + needed <= written && play_from(b, ceil(b->held_at))) {
    return;
  }
  b->held_at += wanted;
  b->held_s += (double)n_frames / b->out_hz;
  if (b->held_s > HELD_S) {
    listen(b, RECOVERY_SKIPPED_S, RECOVERY_S);
  }
}

/// Resample up to `n_frames` into `interleaved`; false if that is not all there
static bool resample(bridge* b, size_t n_frames, size_t* n_done)
{
  *n_done = 0;
  while (*n_done < n_frames) {
    const float* in     = NULL;
    const size_t n_in   = ring_peek(b->between, &in);
    size_t       n_used = 0;
    const size_t n_new  = resampler_read(
       b->resampler, in, n_in, b->interleaved + *n_done * b->n_channels,
       n_frames - *n_done, b->speed, &n_used);
    if (!n_used && !n_new) {
      return false;
    }
    take(b, n_used);
    *n_done += n_new;
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
  atomic_store(&b->shown_playing, b->is_playing && !b->is_held);
  atomic_store(&b->shown_delay_s, b->control.smoothed_s);
  atomic_store(&b->shown_target_s, b->control.target_s);
  atomic_store(&b->shown_speed, b->speed - 1.0);
}

/// A block is due: see when that was, but for the lateness of callbacks
static void tell_time(bridge* b, double elapsed_s, double now_s)
{
  const double played_s = (double)b->n_played / b->out_hz;
  timeline_update(&b->asked, now_s - played_s - elapsed_s, elapsed_s);
  b->asked_s = b->asked.origin_s + played_s;
  b->since_underrun_s += elapsed_s;
  if (b->since_underrun_s > CALM_S) {
    b->control.target_s = b->usual_s;
  }
}

/// The first seconds: nothing has to be steered yet, so what is seen is kept
static void learn(bridge* b, double delay_s, double elapsed_s)
{
  const double off_s = delay_s - b->usual_s;
  if (b->learned_s < LEARNING_S && fabs(off_s) < LEARNING_MOST_S) {
    b->learned_s += elapsed_s;
    const double change_s = off_s * elapsed_s / b->learned_s;
    b->usual_s += change_s;
    b->control.target_s += change_s;
  }
}

/// Play a block; if it was not all there, or the delay is far off, hold then
static void
play_on(bridge* b, float* const* channels, size_t n_frames, double elapsed_s)
{
  const double at      = (double)b->n_taken - resampler_ahead(b->resampler);
  const double next    = at + (double)n_frames * b->in_hz / b->out_hz;
  const double delay_s = frames_since(b, at) / b->in_hz;
  learn(b, delay_s, elapsed_s);
  const double error_s = delay_s - b->control.target_s;
  b->off_s             = fabs(error_s) > JUMP_S ? b->off_s + elapsed_s : 0.0;
  const bool jumps     = b->off_s > JUMP_AFTER_S;
  b->speed             = drift_update(&b->control, delay_s, elapsed_s);
  if (!play(b, channels, n_frames, jumps)) {
    hold(b, next - count_underrun(b));
  } else if (jumps) {
    atomic_fetch_add(&b->n_jumps, 1);
    hold(b, next + error_s * b->in_hz);
    drift_start(&b->control, b->control.target_s);
  }
}

void bridge_read(bridge*       b,
                 float* const* channels,
                 size_t        n_frames,
                 double        now_s)
{
  const double elapsed_s = (double)n_frames / b->out_hz;
  tell_time(b, elapsed_s, now_s);
  if (!b->is_playing) {
    listen_on(b, n_frames);
  } else if (b->is_held) {
    hold_on(b, n_frames);
  }
  if (b->is_playing && !b->is_held) {
    play_on(b, channels, n_frames, elapsed_s);
  } else {
    for (unsigned c = 0; c < b->n_channels; ++c) {
      memset(channels[c], 0, n_frames * sizeof(float));
    }
  }
  b->n_played += n_frames;
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

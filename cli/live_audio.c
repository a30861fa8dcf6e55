#include "live_audio.h"

#include "audio_device.h"
#include "patience.h"
#include "report.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/// Frames that one stream passes to the bridge at once
#define MAX_BLOCK 1024

/// Time constant of the measured delay, in seconds
#define SMOOTHING_S 2.0

/// How late a callback may be, at least, and as a part of the buffer asked for
#define MARGIN_S 0.008
#define MARGIN_OF_BUFFER (2.0 / 3.0)

/// A device that does nothing for so long has stopped, except while it starts
#define STOPPED_S 2.0
#define STARTING_S 6.0

/// A device that gives up so soon, as PortAudio does now and then while a sound
/// server still connects, is started again, a few times
#define FALTERING_S 1.0
#define MAX_FALTERS 3

/// A reader that was away for so long (the machine slept) cannot tell
#define AWAY_S 0.5

/// How long a sound system may take to restart a device
#define RESTART_PATIENCE_S 5

/// One side's part, or both with one clock; written by its audio thread
typedef struct {
  atomic_uint_fast64_t n_calls;
  atomic_uint_fast64_t n_xruns;
  uint64_t             seen;   ///< Calls at the last reading
  double               seen_s; ///< Time of the last reading with new ones
} side;

struct live_audio {
  live_setup     setup;
  maudio_effect* effect;
  bridge*        between; ///< NULL with one clock
  PaStream*      streams[2];
  unsigned       n_streams;
  unsigned       n_outputs; ///< Channels of the output
  double         start_s;
  double         reported_s; ///< Delay of the devices as PortAudio reports it
  double         read_s;     ///< Time of the last reading
  unsigned       n_falters;  ///< Starts that had to be repeated

  side                 sides[2]; ///< As `streams`
  _Atomic(double)      delay_s;  ///< Of one stream, smoothed; 0 if not told
  atomic_uint_fast64_t n_frames;
  _Atomic(float)       peak_in;
  _Atomic(float)       peak_out;
  float                wet[MAUDIO_MAX_CHANNELS][MAX_BLOCK];
};

static double now_s(void)
{
  // Does not enter the kernel
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/// Raise a peak that the reader may take at any time
MAUDIO_RT static void raise_peak(_Atomic(float)*     peak,
                                 const float* const* channels,
                                 unsigned            n_channels,
                                 size_t              n_frames)
{
  float most = 0.0F;
  for (unsigned c = 0; c < n_channels; ++c) {
    for (size_t i = 0; i < n_frames; ++i) {
      most = fmaxf(most, fabsf(channels[c][i]));
    }
  }
  float before = atomic_load(peak);
  if (most > before && !atomic_compare_exchange_strong(peak, &before, most)) {
    atomic_store(peak, most); // The reader has just taken it
  }
}

MAUDIO_RT static void count_call(side* s, PaStreamCallbackFlags flags)
{
  const PaStreamCallbackFlags xruns =
    paInputUnderflow | paInputOverflow | paOutputUnderflow | paOutputOverflow;
  // What is missing while a device starts is no interruption yet
  if ((flags & xruns) && !(flags & paPrimingOutput)) {
    atomic_fetch_add(&s->n_xruns, 1);
  }
  atomic_fetch_add(&s->n_calls, 1);
}

MAUDIO_RT static void
measure_delay(live_audio* audio, double delay_s, double block_s)
{
  const double before = atomic_load(&audio->delay_s);
  const double share  = fmin(1.0, block_s / SMOOTHING_S);
  atomic_store(&audio->delay_s,
               before > 0.0 ? before + share * (delay_s - before) : delay_s);
}

/// One channel is heard on both sides
MAUDIO_RT static void
spread(const live_audio* audio, float* const* out, size_t n_frames)
{
  if (audio->n_outputs > audio->setup.n_channels) {
    memcpy(out[1], out[0], n_frames * sizeof(float));
  }
}

MAUDIO_RT static int on_duplex(const void*                     input,
                               void*                           output,
                               unsigned long                   n_frames,
                               const PaStreamCallbackTimeInfo* time,
                               PaStreamCallbackFlags           flags,
                               void*                           user)
{
  live_audio* const         audio = (live_audio*)user;
  const unsigned            n     = audio->setup.n_channels;
  const float* const* const in    = (const float* const*)input;
  float* const* const       out   = (float* const*)output;
  raise_peak(&audio->peak_in, in, n, n_frames);
  maudio_effect_process(audio->effect, in, out, n_frames);
  raise_peak(&audio->peak_out, (const float* const*)out, n, n_frames);
  spread(audio, out, n_frames);

  atomic_fetch_add(&audio->n_frames, n_frames);
  if (time->inputBufferAdcTime > 0.0) {
    measure_delay(audio, time->outputBufferDacTime - time->inputBufferAdcTime,
                  (double)n_frames / audio->setup.in_hz);
  }
  count_call(&audio->sides[0], flags);
  return paContinue;
}

MAUDIO_RT static int on_input(const void*                     input,
                              void*                           output,
                              unsigned long                   n_frames,
                              const PaStreamCallbackTimeInfo* time,
                              PaStreamCallbackFlags           flags,
                              void*                           user)
{
  (void)output;
  (void)time;
  live_audio* const         audio = (live_audio*)user;
  const unsigned            n     = audio->setup.n_channels;
  const float* const* const in    = (const float* const*)input;
  const double              now   = now_s();
  raise_peak(&audio->peak_in, in, n, n_frames);

  for (size_t at = 0; at < n_frames; at += MAX_BLOCK) {
    const size_t rest = n_frames - at;
    const size_t m    = rest < MAX_BLOCK ? rest : MAX_BLOCK;
    const float* block[MAUDIO_MAX_CHANNELS];
    float*       wet[MAUDIO_MAX_CHANNELS];
    for (unsigned c = 0; c < n; ++c) {
      block[c] = in[c] + at;
      wet[c]   = audio->wet[c];
    }
    maudio_effect_process(audio->effect, block, wet, m);
    const double age_s = (double)(rest - m) / audio->setup.in_hz;
    bridge_write(audio->between, (const float* const*)wet, m, now - age_s);
  }

  atomic_fetch_add(&audio->n_frames, n_frames);
  count_call(&audio->sides[0], flags);
  return paContinue;
}

MAUDIO_RT static int on_output(const void*                     input,
                               void*                           output,
                               unsigned long                   n_frames,
                               const PaStreamCallbackTimeInfo* time,
                               PaStreamCallbackFlags           flags,
                               void*                           user)
{
  (void)input;
  (void)time;
  live_audio* const   audio = (live_audio*)user;
  float* const* const out   = (float* const*)output;
  bridge_read(audio->between, out, n_frames, now_s());
  raise_peak(&audio->peak_out, (const float* const*)out,
             audio->setup.n_channels, n_frames);
  spread(audio, out, n_frames);
  count_call(&audio->sides[1], flags);
  return paContinue;
}

static bool open_streams(live_audio* audio)
{
  const live_setup* const  setup = &audio->setup;
  const PaStreamParameters in    = live_setup_parameters(setup, DEVICE_INPUT);
  const PaStreamParameters out   = live_setup_parameters(setup, DEVICE_OUTPUT);
  audio->n_outputs               = (unsigned)out.channelCount;

  // Samples that the effect left alone stay as they are
  const PaStreamFlags flags = paDitherOff;
  const bool          two   = setup->two_clocks;
  const char* const   first = device_name(setup->input);
  PaError             error =
    Pa_OpenStream(&audio->streams[0], &in, two ? NULL : &out, setup->in_hz,
                  setup->n_block, flags, two ? on_input : on_duplex, audio);
  if (error) {
    return complain(first, "cannot be opened: %s", device_reason(error));
  }
  ++audio->n_streams;
  if (two) {
    error = Pa_OpenStream(&audio->streams[1], NULL, &out, setup->out_hz,
                          setup->n_block, flags, on_output, audio);
    if (error) {
      return complain(device_name(setup->output), "cannot be opened: %s",
                      device_reason(error));
    }
    ++audio->n_streams;
  }
  for (unsigned i = 0; i < audio->n_streams; ++i) {
    error = Pa_StartStream(audio->streams[i]);
    if (error) {
      return complain(i ? device_name(setup->output) : first,
                      "cannot be started: %s", device_reason(error));
    }
    const PaStreamInfo* const info = Pa_GetStreamInfo(audio->streams[i]);
    audio->reported_s += info->inputLatency + info->outputLatency;
  }
  return true;
}

live_audio* live_audio_start(const live_setup* setup, maudio_effect* effect)
{
  live_audio* const audio = (live_audio*)calloc(1, sizeof(live_audio));
  if (!audio) {
    complain_plain("No memory for audio");
    return NULL;
  }
  audio->setup  = *setup;
  audio->effect = effect;
  if (setup->two_clocks) {
    const double margin_s = fmax(MARGIN_S, setup->buffer_s * MARGIN_OF_BUFFER);
    audio->between =
      bridge_new(setup->in_hz, setup->out_hz, setup->n_channels, margin_s);
    if (!audio->between) {
      complain_plain("No memory for audio");
      live_audio_stop(audio);
      return NULL;
    }
  }
  audio->start_s         = now_s();
  audio->read_s          = audio->start_s;
  audio->sides[0].seen_s = audio->start_s;
  audio->sides[1].seen_s = audio->start_s;
  if (!open_streams(audio)) {
    live_audio_stop(audio);
    return NULL;
  }
  return audio;
}

/// Stop a stream and start it again; false if that fails
static bool start_again(PaStream* stream)
{
  patience_begin(RESTART_PATIENCE_S, false);
  Pa_AbortStream(stream);
  const PaError error = Pa_StartStream(stream);
  patience_end();
  return error == paNoError;
}

/// Return whether a stream is at work, or is again
static bool is_at_work(live_audio* audio, unsigned i, double seconds)
{
  if (Pa_IsStreamActive(audio->streams[i]) == 1) {
    return true;
  }
  return seconds < FALTERING_S && audio->n_falters++ < MAX_FALTERS &&
         start_again(audio->streams[i]);
}

/// See how one side does
static void read_side(live_audio* audio, unsigned i, live_reading* reading)
{
  side* const    s       = &audio->sides[i];
  const double   now     = audio->read_s;
  const uint64_t n_calls = atomic_load(&s->n_calls);
  if (n_calls != s->seen) {
    s->seen   = n_calls;
    s->seen_s = now;
  }
  if ((reading->seconds > STARTING_S && now - s->seen_s > STOPPED_S) ||
      !is_at_work(audio, i, reading->seconds)) {
    reading->stopped = i ? audio->setup.output : audio->setup.input;
  }
  reading->load = fmax(reading->load, Pa_GetStreamCpuLoad(audio->streams[i]));
  reading->n_xruns += atomic_load(&s->n_xruns);
}

void live_audio_read(live_audio* audio, live_reading* reading)
{
  memset(reading, 0, sizeof(*reading));
  const double now = now_s();
  if (now - audio->read_s > AWAY_S) {
    audio->sides[0].seen_s = now;
    audio->sides[1].seen_s = now;
  }
  audio->read_s     = now;
  reading->seconds  = now - audio->start_s;
  reading->n_frames = atomic_load(&audio->n_frames);
  reading->peak_in  = atomic_exchange(&audio->peak_in, 0.0F);
  reading->peak_out = atomic_exchange(&audio->peak_out, 0.0F);
  reading->stopped  = paNoDevice;

  for (unsigned i = 0; i < audio->n_streams; ++i) {
    read_side(audio, i, reading);
  }
  // What a sound server tells while it runs wanders; its buffers stay
  const double delay_s = atomic_load(&audio->delay_s);
  reading->device_s    = delay_s > 0.0 ? delay_s : audio->reported_s;
  if (audio->between) {
    bridge_read_state(audio->between, &reading->bridge);
  }
}

uint64_t live_interruptions(const live_reading* reading)
{
  const bridge_reading* const b = &reading->bridge;
  return reading->n_xruns + b->n_underruns + b->n_overflows + b->n_jumps;
}

void live_audio_stop(live_audio* audio)
{
  if (!audio) {
    return;
  }
  for (unsigned i = 0; i < audio->n_streams; ++i) {
    Pa_AbortStream(audio->streams[i]);
    Pa_CloseStream(audio->streams[i]);
  }
  bridge_free(audio->between);
  free(audio);
}

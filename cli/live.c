#include "audio_device.h"
#include "command.h"
#include "interrupt.h"
#include "live_audio.h"
#include "live_options.h"
#include "live_screen.h"
#include "patience.h"
#include "report.h"
#include "terminal.h"
#include "voices.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/// Priority to ask for, that of sound servers: all threads that PortAudio and
/// its libraries start have it. A higher one for the audio thread alone makes
/// it wait for those threads
#define NICENESS (-11)

/// Time between looks at keys and meters
#define TICK_MS 50

/// One press of a key changes the strength by this
#define STRENGTH_STEP 0.05F

/// How long a sound system may take to start a device, and to stop it
#define START_PATIENCE_S 15
#define STOP_PATIENCE_S 3

/// What the latency is compared with at the end is that after this time
#define SETTLED_S 15.0

/// A session while audio passes
typedef struct {
  const live_options* options;
  voice_list          voices;
  live_audio*         audio;
  live_setup          setup;
  live_state          state;
  live_reading        reading;
  float               strength;
  double              worst_load;
  double              first_latency_s; ///< After SETTLED_S
  uint64_t            n_interruptions; ///< So far
  double              interrupted_s;   ///< When the last one was, or 0
} session;

static void set_strength(session* s, float strength)
{
  s->strength       = fminf(1.0F, fmaxf(0.0F, strength));
  s->state.strength = (double)s->strength;
  maudio_effect_set(s->voices.effect, MAUDIO_PARAM_STRENGTH, s->strength);
}

static void change_voice(session* s, size_t index)
{
  if (index < s->voices.n_voices) {
    voices_play(&s->voices, index);
    s->state.voice = s->voices.voices[s->voices.current].name;
  }
}

static void show_keys(const session* s)
{
  const char* names[VOICES_MAX];
  for (size_t i = 0; i < s->voices.n_voices; ++i) {
    names[i] = s->voices.voices[i].name;
  }
  live_screen_help(names, s->voices.n_voices);
}

/// Act on a key; return false to quit
static bool act(session* s, int key)
{
  const size_t n  = s->voices.n_voices;
  const size_t at = s->voices.current;
  switch (key) {
  case 'q':
    return false;
  case '?':
  case 'h':
    show_keys(s);
    return true;
  case 'b':
    s->state.bypassed = !s->state.bypassed;
    maudio_effect_set(s->voices.effect, MAUDIO_PARAM_ENABLED,
                      s->state.bypassed ? 0.0F : 1.0F);
    return true;
  case '+':
  case '=':
  case KEY_UP:
    set_strength(s, s->strength + STRENGTH_STEP);
    return true;
  case '-':
  case KEY_DOWN:
    set_strength(s, s->strength - STRENGTH_STEP);
    return true;
  case 'n':
    change_voice(s, (at + 1) % n);
    return true;
  case 'p':
    change_voice(s, (at + n - 1) % n);
    return true;
  default:
    if (key >= '1' && key <= '9') {
      change_voice(s, (size_t)(key - '1'));
    }
    return true;
  }
}

static void measure(session* s)
{
  live_audio_read(s->audio, &s->reading);
  const maudio_effect* const effect = s->voices.effect;
  s->state.reduction_db = (double)maudio_effect_reduction_db(effect);
  s->state.latency_s = (double)maudio_effect_latency(effect) / s->setup.in_hz +
                       s->reading.device_s + s->reading.bridge.delay_s;
  s->worst_load                  = fmax(s->worst_load, s->reading.load);
  const uint64_t n_interruptions = live_interruptions(&s->reading);
  if (n_interruptions != s->n_interruptions) {
    s->n_interruptions = n_interruptions;
    s->interrupted_s   = s->reading.seconds;
  }
  if (s->reading.seconds < SETTLED_S || s->first_latency_s <= 0.0) {
    s->first_latency_s = s->state.latency_s;
  }
}

/// Until a key, a signal or the time ends it; false if a device did
static bool pass_audio(session* s)
{
  const double most =
    s->options->seconds > 0.0F ? (double)s->options->seconds : (double)INFINITY;
  bool goes_on = true;
  while (goes_on && !interrupted() && s->reading.seconds < most) {
    const double left_ms = 1e3 * (most - s->reading.seconds);
    goes_on = act(s, terminal_key((int)fmin(TICK_MS, left_ms + 1.0)));
    voices_collect(&s->voices);
    measure(s);
    live_screen_update(&s->state, &s->reading);
    if (s->reading.stopped != paNoDevice) {
      return complain(device_name(s->reading.stopped),
                      "the device stopped after %.1f s; is it still there?",
                      s->reading.seconds);
    }
  }
  return true;
}

static bool print_json(const session* s)
{
  const live_reading* const   r    = &s->reading;
  const bridge_reading* const b    = &r->bridge;
  json_t* const               root = json_pack(
                  "{s:f, s:I, s:f, s:i, s:i, s:s, s:f, s:I, s:I, s:I, s:I, s:f, "
                                "s:f, s:f, s:f, s:f, s:f}",
                  "seconds", r->seconds, "frames", (json_int_t)r->n_frames, "rate_hz",
                  s->setup.in_hz, "channels", (int)s->setup.n_channels, "clocks",
    s->setup.two_clocks ? 2 : 1, "preset", s->state.voice, "strength",
                  s->state.strength, "xruns", (json_int_t)r->n_xruns, "underruns",
                  (json_int_t)b->n_underruns, "overflows", (json_int_t)b->n_overflows,
                  "jumps", (json_int_t)b->n_jumps, "worst_load", s->worst_load,
                  "latency_start_ms", 1e3 * s->first_latency_s, "latency_end_ms",
                  1e3 * s->state.latency_s, "latency_model_ms",
                  1e3 * (double)maudio_effect_latency(s->voices.effect) / s->setup.in_hz,
                  "drift_ppm", b->speed_ppm, "last_interruption_s", s->interrupted_s);
  const bool ok = root && !json_dumpf(root, stdout, JSON_REAL_PRECISION(9));
  json_decref(root);
  putchar('\n');
  // A signal may be about to end us
  return (!fflush(stdout) && ok) ||
         complain_plain("The JSON cannot be written");
}

static void print_summary(const session* s)
{
  const live_reading* const r = &s->reading;
  const uint64_t            n = live_interruptions(r);
  char                      line[256];
  snprintf(line, sizeof(line),
           "%.1f s of audio at %g Hz, latency %.0f ms, %llu interruption%s, "
           "load at most %.0f %%",
           r->seconds, s->setup.in_hz, 1e3 * s->state.latency_s,
           (unsigned long long)n, n == 1 ? "" : "s", 1e2 * s->worst_load);
  report_line(line);
}

static void announce(const session* s)
{
  if (s->options->quiet || !report_is_seen()) {
    return;
  }
  char line[512];
  snprintf(line, sizeof(line), "%s to %s, %g Hz%s%s",
           device_name(s->setup.input), device_name(s->setup.output),
           s->setup.in_hz, s->setup.n_channels == 2 ? ", stereo" : "",
           s->setup.two_clocks ? ", two clocks" : "");
  report_line(line);
}

static int run_session(session* s)
{
  if (!live_setup_choose(&s->setup, s->options) ||
      !voices_start(&s->voices, s->setup.in_hz, s->setup.n_channels)) {
    return COMMAND_FAILED;
  }
  maudio_effect* const effect = s->voices.effect;
  set_strength(s, s->options->denoise.strength);
  maudio_effect_set(effect, MAUDIO_PARAM_MAX_ATTENUATION_DB,
                    s->options->denoise.max_attenuation_db);
  s->state.voice = s->voices.voices[s->voices.current].name;
  s->state.quiet = s->options->quiet;

  s->audio = live_audio_start(&s->setup, effect);
  if (!s->audio) {
    return COMMAND_FAILED;
  }
  announce(s);
  if (terminal_open() && !s->state.quiet && report_is_seen()) {
    report_line("Press ? for the keys, q to quit");
  }
  patience_end();
  bool ok = pass_audio(s);
  terminal_close();
  status_clear();
  if (!s->options->quiet && !s->options->json) {
    print_summary(s);
  }
  if (s->options->json) {
    ok = print_json(s) && ok;
  }
  patience_begin(STOP_PATIENCE_S, !ok);
  live_audio_stop(s->audio);
  return ok ? COMMAND_OK : COMMAND_FAILED;
}

static int run_live(const live_options* options)
{
  static session s;
  s.options = options;
  int code  = COMMAND_FAILED;
  if (voices_find(&s.voices, options->denoise.preset, options->denoise.model)) {
    setpriority(PRIO_PROCESS, 0, NICENESS); // Where that is allowed
    patience_begin(START_PATIENCE_S, false);
    if (devices_open()) {
      code = run_session(&s);
      devices_close();
    }
    patience_end();
  }
  voices_clear(&s.voices);
  return code;
}

int command_live(int argc, char** argv)
{
  live_options options;
  const int    code = live_options_read(&options, argc, argv);
  return code == COMMAND_OK && !options.help ? run_live(&options) : code;
}

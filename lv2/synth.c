#include "synth.h"

#include "messages.h"
#include "worker.h"

#include <lv2/atom/util.h>
#include <lv2/midi/midi.h>
#include <math.h>
#include <string.h>

/// A change of level takes this time
#define RAMP_SECONDS 0.02

/// A step that was avoided dies away with this time constant
#define REST_SECONDS 0.002

/// What is left of it then is dropped
#define REST_FLOOR 1e-6f

/// Range of the port of the release: less would click
#define MIN_RELEASE_MS 5.0f
#define MAX_RELEASE_MS 5000.0f

/// Greatest seed of the port: all integers up to there are floats
#define MAX_SEED 16777216.0f

/// No note, and the button as a note
enum { HELD_NOTHING = -1, HELD_BUTTON = 128 };

instance* synth_new(const char*               plugin_uri,
                    double                    rate_hz,
                    const LV2_Feature* const* features)
{
  const sound_spec spec = {MAUDIO_TASK_GENERATE, rate_hz, 1};
  instance* const in = instance_new(sizeof(synth), plugin_uri, &spec, features);
  if (in) {
    synth* const s = (synth*)in;
    s->gain        = 1.0f;
    s->rest_decay  = (float)exp(-1.0 / (REST_SECONDS * rate_hz));
  }
  return in;
}

void synth_activate(synth* s)
{
  voice_stop(s->base.play.asked->voice);
  s->base.load    = 0.0f;
  s->is_started   = false;
  s->is_triggered = false;
  s->is_joining   = false;
  s->is_pressed   = false;
  s->held         = HELD_NOTHING;
  s->last         = 0.0f;
  s->rest         = 0.0f;
}

static void ramp_jump(ramp* r, float value)
{
  r->value  = value;
  r->target = value;
  r->n      = 0;
}

static void ramp_aim(ramp* r, float target, size_t n)
{
  if (target != r->target) {
    r->target = target;
    r->n      = n ? n : 1;
    r->step   = (target - r->value) / (float)r->n;
  }
}

static float ramp_next(ramp* r)
{
  if (r->n) {
    r->value = --r->n ? r->value + r->step : r->target;
  }
  return r->value;
}

static bool ramp_is_zero(const ramp* r)
{
  return !r->n && r->value == 0.0f;
}

static size_t frames_of(const synth* s, double seconds)
{
  return (size_t)(seconds * s->base.play.spec.rate_hz);
}

static uint64_t seed_of_port(const synth* s)
{
  const float value = port_value(&s->base.ports, PORT_SEED);
  return value > 0.0f ? (uint64_t)fminf(value + 0.5f, MAX_SEED) : 0;
}

/// Begin anew with the next frame, and sound
static void trigger(synth* s, int note)
{
  s->held         = note;
  s->is_triggered = true;
  ramp_jump(&s->envelope, 1.0f);
}

/// What was held is no more
static void release(synth* s)
{
  s->held = HELD_NOTHING;
  if (s->is_gated) {
    const float ms      = port_value(&s->base.ports, PORT_RELEASE);
    const float bounded = fminf(fmaxf(ms, MIN_RELEASE_MS), MAX_RELEASE_MS);
    ramp_aim(&s->envelope, 0.0f, frames_of(s, 1e-3 * (double)bounded));
  }
}

static void take_midi(synth* s, const LV2_Atom* atom)
{
  const uint8_t* const bytes = (const uint8_t*)LV2_ATOM_BODY_CONST(atom);
  if (atom->size < 3) {
    return;
  }
  const LV2_Midi_Message_Type type = lv2_midi_message_type(bytes);
  if (type == LV2_MIDI_MSG_NOTE_ON && bytes[2]) {
    trigger(s, bytes[1]);
  } else if (type == LV2_MIDI_MSG_NOTE_ON || type == LV2_MIDI_MSG_NOTE_OFF) {
    if (bytes[1] == s->held) {
      release(s);
    }
  } else if (type == LV2_MIDI_MSG_CONTROLLER &&
             (bytes[1] == LV2_MIDI_CTL_ALL_SOUNDS_OFF ||
              bytes[1] == LV2_MIDI_CTL_ALL_NOTES_OFF)) {
    release(s);
  }
}

/// Look at the button and the gate
static void update_gate(synth* s)
{
  const port_buffers* const ports      = &s->base.ports;
  const bool                is_gated   = port_is_on(ports, PORT_GATE);
  const bool                is_pressed = port_is_on(ports, PORT_RETRIGGER);
  if (!s->is_started) {
    ramp_jump(&s->envelope, is_gated ? 0.0f : 1.0f);
  } else if (is_gated && !s->is_gated && s->held == HELD_NOTHING) {
    s->is_gated = true;
    release(s);
  } else if (!is_gated && s->is_gated && ramp_is_zero(&s->envelope)) {
    trigger(s, HELD_NOTHING);
  } else if (!is_gated) {
    ramp_aim(&s->envelope, 1.0f, frames_of(s, RAMP_SECONDS));
  }
  s->is_gated = is_gated;
  if (is_pressed && !s->is_pressed) {
    trigger(s, HELD_BUTTON);
  } else if (!is_pressed && s->held == HELD_BUTTON) {
    release(s);
  }
  s->is_pressed = is_pressed;
}

static void update_level(synth* s)
{
  const port_buffers* const ports   = &s->base.ports;
  const float               gain_db = port_value(ports, PORT_OUTPUT_GAIN);
  if (gain_db != s->gain_db && !isnan(gain_db)) {
    s->gain_db = gain_db;
    s->gain    = powf(10.0f, 0.05f * fminf(fmaxf(gain_db, -60.0f), 24.0f));
  }
  const float target = port_is_on(ports, PORT_ENABLED) ? s->gain : 0.0f;
  if (s->is_started) {
    ramp_aim(&s->level, target, frames_of(s, RAMP_SECONDS));
  } else {
    ramp_jump(&s->level, target);
  }
}

/// Return the voice that plays, begun anew if it has to be
static voice* find_voice(synth* s)
{
  const port_buffers* const ports = &s->base.ports;
  voice* const              v     = s->base.play.asked->voice;
  voice_set(v, MAUDIO_PARAM_TEMPERATURE, port_value(ports, PORT_TEMPERATURE));
  voice_set(v, MAUDIO_PARAM_TOP_P, port_value(ports, PORT_TOP_P));
  if (s->is_triggered || !voice_is_started(v)) {
    voice_start(v, seed_of_port(s));
    s->is_triggered = false;
    s->is_joining   = s->last != 0.0f; // After silence it keeps its attack
  }
  return v;
}

/// Fill a part of the block
static void render(synth* s, float* out, size_t n)
{
  if (!n) {
    return;
  }
  // What nobody hears is not computed, and goes on from there
  if (ramp_is_zero(&s->level) || ramp_is_zero(&s->envelope)) {
    memset(out, 0, n * sizeof *out);
  } else {
    voice_run(find_voice(s), out, n);
  }
  for (size_t i = 0; i < n; ++i) {
    const float frame = out[i] * ramp_next(&s->level) * ramp_next(&s->envelope);
    if (s->is_joining) {
      s->rest       = s->last - frame;
      s->is_joining = false;
    }
    out[i] = frame + s->rest;
    s->rest *= s->rest_decay;
    s->rest = fabsf(s->rest) < REST_FLOOR ? 0.0f : s->rest;
  }
  s->last = out[n - 1];
}

void synth_run(synth* s, uint32_t n_frames)
{
  instance* const in    = &s->base;
  float* const    out   = in->ports.out[0];
  const double    start = instance_clock();
  instance_choose(in, n_frames);
  update_level(s);
  update_gate(s);
  s->is_started = true;

  uint32_t                       at      = 0;
  const LV2_Atom_Sequence* const control = messages_control(in);
  if (control) {
    LV2_ATOM_SEQUENCE_FOREACH(control, event)
    {
      const int64_t frame = event->time.frames;
      if (frame > at) {
        const uint32_t end = frame < n_frames ? (uint32_t)frame : n_frames;
        render(s, out + at, end - at);
        at = end;
      }
      if (event->body.type == in->uri.midi_event) {
        take_midi(s, &event->body);
      } else {
        messages_take(in, &event->body);
      }
    }
  }
  worker_schedule(in);
  render(s, out + at, n_frames - at);

  messages_write(in);
  port_report(&in->ports, PORT_LATENCY,
              (float)voice_latency(in->play.asked->voice));
  instance_report_load(in, start, n_frames);
}

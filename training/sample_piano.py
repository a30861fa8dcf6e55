"""Piano pieces for sample_data.py: notes that fluidsynth has rendered from a soundfont, and simple music for them."""
import os
import struct
import subprocess
import tempfile

import numpy as np

RATE_HZ = 16000
PITCHES = range(33, 94)
VELOCITIES = (40, 70, 100)
SECONDS = 4.5                                           # of a note that is held; it has mostly died away by then
RELEASE_SECONDS = 0.12                                  # time constant of a note's end

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = {                                        # degrees of the scale that chords stand on
    MAJOR: ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 0), (0, 5, 1, 4), (5, 3, 0, 4), (0, 2, 3, 4), (0, 3, 0, 4),
            (0, 4, 5, 2, 3, 0, 3, 4)),
    MINOR: ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 5, 3, 4), (0, 3, 6, 2), (0, 2, 6, 5)),
}
FIGURES = (                                             # notes of the chord that an accompaniment's eighths take
    (0, 1, 2, 1), (0, 2, 1, 2), (0, 1, 2, 3, 4, 3, 2, 1), (0, 2, 3, 4), (0, 1, 2, 3), (0, 2, 4, 2, 3, 2, 4, 2),
)


def variable_length(n):
    out = [n & 0x7F]
    while n := n >> 7:
        out.insert(0, 0x80 | (n & 0x7F))
    return bytes(out)


def midi_file(notes):
    """Standard MIDI file of [(seconds, seconds held, pitch, velocity)], 1000 ticks a second."""
    events = [(round(1000 * at), bytes((0x90, pitch, velocity))) for at, _, pitch, velocity in notes]
    events += [(round(1000 * (at + held)), bytes((0x80, pitch, 0))) for at, held, pitch, _ in notes]
    track, before = b"\x00\xff\x51\x03\x07\xa1\x20\x00\xc0\x00", 0     # 500 ms a quarter; program 0, grand piano
    for tick, event in sorted(events):
        track += variable_length(tick - before) + event
        before = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 500) + b"MTrk" + struct.pack(">I", len(track)) + track


def read_bank(read, soundfont):
    """Every note as (index, audio): index rows are [pitch, velocity, start, end]."""
    notes = [(p, v) for p in PITCHES for v in VELOCITIES]
    spacing = SECONDS + 2
    score = midi_file([(i * spacing, SECONDS, p, v) for i, (p, v) in enumerate(notes)])
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = os.path.join(folder, "notes.mid"), os.path.join(folder, "notes.wav")
        with open(midi, "wb") as f:
            f.write(score)
        subprocess.run(["fluidsynth", "-ni", "-R", "0", "-C", "0", "-g", "0.8", "-r", "44100", "-F", wav, soundfont, midi],
                       check=True, stdout=subprocess.DEVNULL)
        audio = read(wav)
    index, kept, at, length = [], [], 0, round(SECONDS * RATE_HZ)
    for i, (pitch, velocity) in enumerate(notes):
        start = round(i * spacing * RATE_HZ)
        note = audio[start:start + length]
        if len(note) < length or not np.abs(note).max() > 1e-3:
            raise SystemExit(f"{soundfont}: no sound for pitch {pitch}")
        loud = np.flatnonzero(np.abs(note) > 0.002 * np.abs(note).max())
        note = note[max(0, loud[0] - 16):loud[-1] + 1].copy()
        note[-800:] *= np.linspace(1, 0, 800)
        kept.append(np.round(np.clip(note, -1, 1) * 32767).astype(np.int16))
        index.append([pitch, velocity, at, at + len(note)])
        at += len(note)
    return index, np.concatenate(kept)


def load_notes(index, audio):
    return {(pitch, velocity): audio[start:end] for pitch, velocity, start, end in index}


class Score:
    """Notes on a time line."""

    def __init__(self, notes):
        self.notes, self.events = notes, []

    def add(self, at, held, pitch, velocity):
        while pitch < PITCHES[0]:
            pitch += 12
        while pitch > PITCHES[-1]:
            pitch -= 12
        self.events.append((max(0.0, at), held, pitch, min(110.0, max(25.0, velocity))))

    def render(self, tail):
        out = np.zeros(round((max(at + held for at, held, _, _ in self.events) + tail) * RATE_HZ))
        for at, held, pitch, velocity in self.events:
            nearest = min(VELOCITIES, key=lambda v: abs(v - velocity))
            samples = self.notes[pitch, nearest].astype(np.float64) * (velocity / nearest) ** 1.5 / 32768
            n = round(held * RATE_HZ)
            if n < len(samples):
                samples = samples[:n + round(6 * RELEASE_SECONDS * RATE_HZ)]
                samples[n:] *= np.exp(-np.arange(len(samples) - n) / (RELEASE_SECONDS * RATE_HZ))
            start = round(at * RATE_HZ)
            samples = samples[:len(out) - start]
            out[start:start + len(samples)] += samples
        return out


def chord(key, scale, degree, low, size):
    """`size` pitches of the triad on `degree`, upwards from about `low`."""
    tones = sorted({(key + scale[(degree + k) % 7]) % 12 for k in (0, 2, 4)})
    root = (key + scale[degree % 7]) % 12
    pitches = [p for p in range(low - 6, low + 48) if p % 12 in tones]
    first = min((i for i, p in enumerate(pitches) if p % 12 == root), key=lambda i: abs(pitches[i] - low))
    return pitches[first:first + size]


def make_motif(rng, beats):
    """Rhythm and steps of one bar of melody: [(beat, beats held, step of the scale)]."""
    out, at = [], 0.0
    while at < beats - 0.01:
        length = min(float(rng.choice((0.5, 0.5, 1, 1, 1.5, 2))), beats - at)
        if rng.random() < 0.9:
            out.append((at, length, int(rng.choice((-2, -1, -1, 0, 1, 1, 2, 3)))))
        at += length
    return out


def compose(rng, notes, part):
    """A piece of about 10 to 40 s; `part` plays no role: pieces differ by their seed."""
    score, key = Score(notes), int(rng.integers(12))
    scale = MAJOR if rng.random() < 0.6 else MINOR
    beats = int(rng.choice((3, 4, 4, 4)))
    beat = 60 / rng.uniform(60, 116)
    progressions = PROGRESSIONS[scale]
    degrees = progressions[rng.integers(len(progressions))]
    bars = len(degrees) * int(rng.choice((1, 2, 2))) * (2 if len(degrees) == 4 and rng.random() < 0.5 else 1)
    texture = str(rng.choice(("figure", "figure", "figure", "block", "stride")))
    figure, low = FIGURES[rng.integers(len(FIGURES))], int(rng.integers(38, 50))
    pace = float(rng.choice((0.5, 0.5, 0.25))) if beat > 0.7 else 0.5
    motifs = [make_motif(rng, beats) for _ in range(2)] if rng.random() < 0.75 else []
    form = [int(c) for c in rng.choice(("0010", "0101", "0011", "0001"))]
    loud, pedal, loose = rng.uniform(50, 90), rng.random() < 0.7, rng.choice((0, 0.004, 0.008))
    place = int(rng.integers(66, 76))

    def play(at, held, pitch, velocity):
        score.add(at + rng.normal(0, 1) * loose, held, pitch, velocity + rng.normal(0, 3))

    for bar in range(bars):
        begin, degree = bar * beats * beat, degrees[bar % len(degrees)]
        swell = loud + 10 * np.sin(2 * np.pi * bar / 8)
        tones = chord(key, scale, degree, low, 6)
        end = begin + beats * beat
        if texture == "figure":
            for i in range(round(beats / pace)):
                at = begin + i * pace * beat
                held = end - at if pedal else pace * beat
                play(at, held, tones[figure[i % len(figure)]], swell - (0 if i == 0 else 12))
        elif texture == "stride":
            play(begin, beat * (beats if pedal else 1), tones[0] - 12 if tones[0] > 44 else tones[0], swell)
            for i in range(1, beats):
                for pitch in tones[1:4]:
                    play(begin + i * beat, beat * 0.8, pitch, swell - 15)
        else:
            for pitch in tones[:4]:
                play(begin, beats * beat * 0.98, pitch, swell - 5)
        if motifs:
            tonic = [p for p in range(48, 96) if (p - key) % 12 in scale]
            near = min(range(len(tonic)), key=lambda i: abs(tonic[i] - place))
            for at, length, move in motifs[form[bar % 4]]:
                near = min(max(near + move, 4), len(tonic) - 2)
                pitch = tonic[near]
                if at == 0 and (pitch - key) % 12 not in {scale[(degree + k) % 7] for k in (0, 2, 4)}:
                    near += 1
                    pitch = tonic[near]
                play(begin + at * beat, length * beat * (1.0 if pedal else 0.9), pitch, swell + 12)
    for pitch in chord(key, scale, degrees[0], low, 4):
        play(bars * beats * beat, 2.0, pitch, loud - 8)
    return score.render(rng.uniform(0.2, 0.6))

"""Drum loops for sample_data.py: kits of one-shots, and patterns that play them.

A kit is a dict: role -> list of instruments -> list of layers (lowest velocity, int16 samples), soft to loud.
"""
import glob
import os
import re
import xml.etree.ElementTree

import numpy as np

RATE_HZ = 16000
SECONDS = 2.5                                           # longest part of a one-shot that is kept

# Licences: Debian's copyright files of hydrogen-drumkits and hydrogen-data, drumkit.xml, sonic-pi-samples (all CC0)
KITS = {
    "Audiophob": "CC0",
    "BJA_Pacific": "CC-BY-SA-3.0",
    "ColomboAcousticDrumkit": "GPL-2+",
    "ElectricEmpireKit": "GPL-2+",
    "ForzeeStereo": "GPL-2",
    "GMRockKit": "GPL-2+",
    "HardElectro1": "GPL-2+",
    "Millo_MultiLayered2": "GPL-2",
    "TR808EmulationKit": "GPL-2+",
    "The Black Pearl 1.0": "GPL-2",
    "VariBreaks": "GPL-2+",
    "circAfrique v4": "CC-BY-SA-3.0",
    "Gimme A Hand 1.0": "GPL-2",
    "sonic-pi": "CC0",
    "sonic-pi-electro": "CC0",
    "sonic-pi-tabla": "CC0",
}
HELD_OUT = ("ColomboAcousticDrumkit", "VariBreaks")
HANDS = ("circAfrique v4", "Gimme A Hand 1.0", "sonic-pi-tabla")        # no drum kits: every sound has the role hand
SONIC_PI = {"sonic-pi": "drum_", "sonic-pi-electro": "bd_|elec_|sn_", "sonic-pi-tabla": "tabla_"}
ROLES = (                                               # the first that fits an instrument's name
    ("", r"roll|swish|free|whistle|zap|fx|chime|twang|blip|beep|ping|plip|twip|bong|flip|tick|blup|pop|triangle|bell$"),
    ("open", r"hat.*op|op.*hat|open|hat.*ring|side ohh"),
    ("pedal", r"pedal|pd$"),
    ("closed", r"hat|closed| hh|hh "),
    ("clap", r"clap|snap"),
    ("rim", r"stick|rim|click|clave|wood"),
    ("snare", r"snare|sn_"),
    ("kick", r"kick|bass|bd_"),
    ("tom", r"tom|conga|drum "),
    ("crash", r"crash|splash|china|cymbal"),
    ("ride", r"ride"),
    ("perc", r"cowbell|shaker|tambourine|agogo|maraca"),
)

# Chance of a hit on each of the 16 steps of a bar, in tenths; "." is none, "X" is sure
STYLES = {
    "rock": {"kick": "X..1..2.X.4.1..1", "snare": "....X..1.1..X..1", "hat": "X.X.X.X.X.X.X.X."},
    "funk": {"kick": "X..4..3...X3.2..", "snare": "....X..5.5..X..4", "hat": "X4X4X4X4X4X4X4X4"},
    "house": {"kick": "X...X...X...X..1", "snare": "....X..1....X.2.", "hat": "1.X11.X11.X11.X2"},
    "hiphop": {"kick": "X..2..4.3.7....2", "snare": "....X.......X..2", "hat": "X.X.X.X3X.X.X.X6"},
    "break": {"kick": "X.X......3X4....", "snare": "....X..X.X..X..4", "hat": "X.X.X.X.X.X.X.X."},
    "latin": {"kick": "X..X..X.X..X..X.", "snare": "...X..X....X.X..", "hat": "X2X2X2X2X2X2X2X2"},
    "half": {"kick": "X..3...2.2....4.", "snare": "........X......2", "hat": "X.X.X.X.X.X.X.X."},
    "train": {"kick": "X...X...X...X...", "snare": "XX.XXX.XXX.XXX.X", "hat": "..X...X...X...X."},
}


def role_of(name):
    name = re.sub(r"\(.*?\)", "", name.lower()).strip()
    return next((role for role, words in ROLES if re.search(words, name)), "")


def kit_files(folder):
    """drumkit.xml of Hydrogen -> [(name, [(lowest velocity, path)])]."""
    root = xml.etree.ElementTree.parse(os.path.join(folder, "drumkit.xml")).getroot()
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
    out = []
    for instrument in root.iter("instrument"):
        layers = [(float(layer.findtext("min") or 0), os.path.join(folder, layer.findtext("filename")))
                  for layer in instrument.iter("layer")]
        if not layers and instrument.findtext("filename"):
            layers = [(0.0, os.path.join(folder, instrument.findtext("filename")))]
        if layers:
            out.append((instrument.findtext("name") or "", sorted(layers)))
    return out


def kit_paths(kit, hydrogen, sonic_pi):
    if kit in SONIC_PI:
        paths = sorted(p for p in glob.glob(os.path.join(sonic_pi, "*.flac"))
                       if re.match(SONIC_PI[kit], os.path.basename(p)))
        return [(os.path.basename(p)[:-5], [(0.0, p)]) for p in paths]
    return kit_files(os.path.join(hydrogen, kit))


def read_bank(read, hydrogen, sonic_pi):
    """All one-shots as (index, audio): index rows are [kit, role, instrument, lowest velocity, start, end]."""
    index, audio, at = [], [], 0
    for kit in KITS:
        found = kit_paths(kit, hydrogen, sonic_pi)
        if not found:
            raise SystemExit(f"{hydrogen}, {sonic_pi}: no kit {kit}")
        for number, (name, layers) in enumerate(found):
            role = "hand" if kit in HANDS else role_of(name)
            if not role or (kit == "sonic-pi-electro" and role == "tom"):
                continue
            for low, path in layers:
                samples = trimmed(read(path))
                if len(samples) < 200:
                    continue
                index.append([kit, role, number, low, at, at + len(samples)])
                audio.append(samples)
                at += len(samples)
    return index, np.concatenate(audio)


def trimmed(x):
    """Cut the silence before a one-shot and its inaudible tail; fade the end."""
    loud = np.flatnonzero(np.abs(x) > 0.002 * np.abs(x).max())
    x = x[max(0, loud[0] - 16):min(loud[-1] + 1, loud[0] + round(SECONDS * RATE_HZ))].copy()
    n = min(len(x) // 4, 800)
    x[len(x) - n:] *= np.linspace(1, 0, n) ** 2
    return np.round(32767 * x).astype(np.int16)


def load_kits(index, audio):
    kits = {}
    for kit, role, number, low, start, end in index:
        instruments = kits.setdefault(kit, {}).setdefault(role, {})
        instruments.setdefault(number, []).append((low, audio[start:end]))
    return {kit: {role: list(found.values()) for role, found in roles.items()} for kit, roles in kits.items()}


def tuned(layers, ratio):
    """The layers of one instrument played `ratio` times as fast, as float."""
    out = []
    for low, samples in layers:
        n = max(2, round(len(samples) / ratio))
        at = np.fft.rfft(samples.astype(np.float64), n=len(samples) + 512)
        m = round((len(samples) + 512) * n / len(samples))
        wide = np.zeros(m // 2 + 1, complex)
        common = min(len(wide), len(at))
        wide[:common] = at[:common]
        out.append((low, np.fft.irfft(wide, m)[:n] * (n / len(samples)) / 32768))
    return out


class Piece:
    """Hits on a time line."""

    def __init__(self, rng, seconds):
        self.rng, self.out = rng, np.zeros(round((seconds + SECONDS + 0.5) * RATE_HZ))
        self.ringing = None                             # start and end of an open hat that still sounds

    def hit(self, instrument, seconds, velocity, chokes=False):
        fitting = [samples for low, samples in instrument if low <= velocity + 1e-6] or [instrument[0][1]]
        samples = fitting[-1]
        gain = velocity if len(instrument) == 1 else 0.35 + 0.65 * velocity
        start = max(0, round(seconds * RATE_HZ))
        if chokes:
            self.choke(start)
        samples = samples[:len(self.out) - start] * gain
        if chokes:
            self.ringing = (start, samples)
        self.out[start:start + len(samples)] += samples

    def choke(self, at):
        """End the last sound of the hi-hat over 10 ms."""
        if self.ringing:
            start, samples = self.ringing
            rest = samples[at - start:] if at > start else samples[:0]
            fade = np.minimum(np.arange(len(rest)) / (0.01 * RATE_HZ), 1.0)
            self.out[max(at, start):max(at, start) + len(rest)] -= rest * fade
            self.ringing = None


def bar_pattern(rng, text):
    return [c == "X" or (c != "." and rng.random() < int(c) / 10) for c in text]


def compose_kit(rng, kit):
    """One loop-based piece of 4 to 12 bars, (samples,)."""
    def choose(*roles):
        found = [i for role in roles for i in kit.get(role, ())]
        return tuned(found[rng.integers(len(found))], 2 ** rng.uniform(-0.12, 0.12)) if found else None

    tempo = rng.uniform(80, 150)
    step, bars = 15 / tempo, int(rng.choice((4, 6, 8, 12)))
    swing, loose = rng.choice((0, 0, 0.12, 0.2, 0.3)) * step, rng.choice((0, 0.002, 0.005))
    style = STYLES[str(rng.choice(list(STYLES)))]
    kick, snare = choose("kick") or choose("tom"), choose("snare") or choose("clap")
    rim, extra = choose("rim", "clap") or snare, choose("perc", "rim", "clap")
    time_keeper = choose("ride") if rng.random() < 0.2 else None
    closed = time_keeper or choose("closed") or choose("pedal", "perc") or rim
    opened, crash = choose("open"), choose("crash")
    toms = [tuned(t, 2 ** rng.uniform(-0.05, 0.05)) for t in kit.get("tom", ())][:4] or [snare]
    if rng.random() < 0.15:
        snare = rim
    pattern = {role: [bar_pattern(rng, style[role]) for _ in range(2)] for role in style}
    if rng.random() < 0.2:                              # sixteenths on the hi-hat, or quarters
        pattern["hat"] = [[rng.random() < 0.95 for _ in range(16)]] * 2
    opens = {int(rng.choice((2, 6, 10, 14)))} if opened and not time_keeper and rng.random() < 0.5 else set()
    extras = [bar_pattern(rng, "3.2.3.213.2.3.21") if extra and rng.random() < 0.3 else [False] * 16] * 2
    accent = rng.uniform(0.45, 0.8)
    level = {"kick": rng.uniform(0.75, 1), "snare": rng.uniform(0.65, 0.95), "hat": rng.uniform(0.25, 0.55)}
    every = int(rng.choice((2, 4, 4, 8)))
    piece = Piece(rng, bars * 16 * step)

    for bar in range(bars):
        fill = bars > 2 and (bar % every == every - 1) and rng.random() < 0.8
        fill_from = int(rng.choice((8, 12, 12, 14))) if fill else 16
        if bar % every == 0 and crash and (bar or rng.random() < 0.3):
            piece.hit(crash, bar * 16 * step, rng.uniform(0.4, 0.7))
        for i in range(16):
            at = (bar * 16 + i) * step + (swing if i % 2 else 0) + rng.normal(0, 1) * loose
            strong = 1.0 if i % 4 == 0 else accent
            if i >= fill_from:
                if rng.random() < 0.8:
                    tom = toms[min((i - fill_from) * len(toms) // max(1, 16 - fill_from), len(toms) - 1)]
                    piece.hit(tom if rng.random() < 0.7 else snare, at, rng.uniform(0.5, 0.9))
                continue
            which = bar % 2
            if pattern["kick"][which][i]:
                piece.hit(kick, at, level["kick"] * (0.8 + 0.2 * strong))
            if pattern["snare"][which][i]:
                ghost = style["snare"][i] != "X"
                piece.hit(snare, at, level["snare"] * (rng.uniform(0.2, 0.4) if ghost else rng.uniform(0.9, 1)))
            if i in opens and bar % 2:
                piece.hit(opened, at, level["hat"], chokes=True)
            elif pattern["hat"][which][i]:
                piece.hit(closed, at, level["hat"] * strong * rng.uniform(0.85, 1), chokes=not time_keeper)
            if extras[which][i]:
                piece.hit(extra, at, rng.uniform(0.2, 0.5))
    return piece.out[:round((bars * 16 * step + rng.uniform(0, 1.5)) * RATE_HZ)]


def compose_hands(rng, sounds):
    """Hand drums: three to six sounds, each with a rhythm of its own, spread evenly over 12 or 16 steps."""
    tempo, steps = rng.uniform(80, 140), int(rng.choice((12, 16)))
    step, bars = 15 / tempo, int(rng.choice((4, 6, 8)))
    parts = []
    for number in rng.choice(len(sounds), min(len(sounds), int(rng.integers(3, 7))), replace=False):
        hits, shift = int(rng.integers(2, 8)), int(rng.integers(steps))
        rhythm = [((i + shift) * hits) % steps < hits for i in range(steps)]
        parts.append((tuned(sounds[number], 2 ** rng.uniform(-0.15, 0.15)), rhythm, rng.uniform(0.3, 0.9)))
    loose = rng.choice((0.002, 0.006))
    piece = Piece(rng, bars * steps * step)
    for i in range(bars * steps):
        for sound, rhythm, level in parts:
            if rhythm[i % steps] and rng.random() < 0.95:
                piece.hit(sound, i * step + rng.normal(0, 1) * loose, level * rng.uniform(0.7, 1))
    return piece.out[:round((bars * steps * step + rng.uniform(0, 1)) * RATE_HZ)]


def compose_single(rng, kit):
    """One-shots alone, one after the other."""
    sounds = [i for instruments in kit.values() for i in instruments]
    piece, at = Piece(rng, 12.0), 0.0
    while at < 8:
        sound = tuned(sounds[rng.integers(len(sounds))], 2 ** rng.uniform(-0.15, 0.15))
        velocity = rng.uniform(0.5, 1)
        piece.hit(sound, at, velocity)
        at += min(rng.uniform(0.5, 1.5), len(sound[-1][1]) / RATE_HZ + 0.1)
    return piece.out[:round(at * RATE_HZ)]


def compose(rng, kits, part):
    """A piece by one of the kits of `part`: "eval" has its own."""
    names = [k for k in kits if (k in HELD_OUT) == (part == "eval")]
    kit = kits[str(rng.choice(names))]
    if rng.random() < 0.08:
        return compose_single(rng, kit)
    return compose_hands(rng, kit["hand"]) if "hand" in kit else compose_kit(rng, kit)

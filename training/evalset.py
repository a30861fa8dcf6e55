#!/usr/bin/env python3
"""Make the fixed evaluation set: 16 kHz mixtures of held-out speech and held-out noise.

    python training/evalset.py ROOT OUT_DIR [--seed N] [--room MEASURED.sofa]

ROOT holds eval/speech, eval/noise and eval/music, each with audio files that
are many recordings in a row (training/prepare.py makes such a folder). The
same files and seed give the same samples. OUT_DIR receives noisy/NAME.wav,
clean/NAME.wav and list.csv with sources, offsets and levels.

Every item has tags. One of: "mix" (speech and noise), "clean" (speech alone,
which should come out as it went in), "noise" (the target is silence). A mix
may also be "music" (the noise is music), "reverb" (the target is the direct
sound and its first 50 ms) and "low" (speech at -40 dBFS). With --room every mix
is spoken in that room, from each of the places that were measured in turn, and
there is nothing else.
"""
import argparse
import csv
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.ndimage import maximum_filter1d
from scipy.signal import fftconvolve, lfilter, resample_poly

RATE = 16000            # Hz
SECONDS = (6.0, 8.0)    # of an item, least and most
SNR_DB = (-2.5, 17.5)   # of the first and last mixture, evenly in between
N_MIX, N_MUSIC, N_REVERB, N_LOW = 48, 8, 12, 6
N_CLEAN, N_NOISE = 6, 6
EARLY_S = 0.05          # reflections that belong to the target of a reverberant item


@dataclass
class Item:
    """One test: `noisy` and `clean` (samples,) float32 at RATE, exact in 16 bits."""

    name: str
    noisy: np.ndarray
    clean: np.ndarray
    tags: frozenset
    about: dict = field(default_factory=dict)   # sources, offsets in s, levels in dB


def rms_db(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-20)


def active_level_db(x, rate=RATE):
    """Active speech level in dBFS, by method B of ITU-T P.56 (30 ms envelope, 200 ms hangover, 15.9 dB margin)."""
    pole = np.exp(-1 / (0.03 * rate))
    envelope = lfilter([(1 - pole) ** 2], [1, -2 * pole, pole ** 2], np.abs(x))
    hangover = round(0.2 * rate)
    held = np.sort(maximum_filter1d(envelope, hangover, origin=hangover // 2 - 1))
    total = np.sum(np.square(x, dtype=np.float64))
    thresholds_db = np.arange(-90.0, 0.0, 0.5)
    n_active = len(held) - np.searchsorted(held, 10 ** (thresholds_db / 20))
    with np.errstate(divide="ignore"):
        level_db = 10 * np.log10(total / n_active)
    above = level_db - thresholds_db
    found = np.flatnonzero((n_active > 0) & (above <= 15.9))
    if not len(found) or total == 0:
        raise ValueError("no speech: the active level of silence is undefined")
    j = found[0]
    if j == 0:
        return level_db[0]
    t = (above[j - 1] - 15.9) / (above[j - 1] - above[j])
    return level_db[j - 1] + t * (level_db[j] - level_db[j - 1])


def utterances(x):
    """Bounds of the utterances of x (samples,): list of (begin, end), cut in the middle of each silence.

    Silence is 90 ms or more below -60 dBFS: the files are joined with 100 ms or more of it.
    """
    hop = RATE // 100
    frames = x[:len(x) // hop * hop].reshape(-1, hop)
    quiet = np.sqrt(np.mean(np.square(frames), 1)) < 1e-3
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    runs = [(a, b) for a, b in zip(edges[::2], edges[1::2]) if b - a >= 9]
    cuts = [0] + [(a + b) // 2 * hop for a, b in runs] + [len(x)]
    spans = zip(cuts, cuts[1:])
    return [(a, b) for a, b in spans if np.abs(x[a:b]).max(initial=0) > 0.01]


def phrases(x):
    """Runs of neighbouring utterances that fit the length of an item, without overlap: list of (begin, end)."""
    least, most = (s * RATE for s in SECONDS)
    found, start, end = [], None, None
    for a, b in utterances(x):
        if start is None or a != end or b - start > most:
            start = a
        end = b
        if b - start > most:
            start = None
        elif b - start >= least:
            found.append((start, b))
            start = None
    return found


class Sources:
    """The files of one folder, and where in them nothing has been taken yet."""

    def __init__(self, folder):
        self.names, self.audio = [], []
        for path in sorted(Path(folder).iterdir()):
            if path.suffix.lower() not in (".opus", ".ogg", ".flac", ".wav"):
                continue
            x, rate = sf.read(path, dtype="float32", always_2d=True)
            x = x.mean(1)
            if rate != RATE:
                g = np.gcd(rate, RATE)
                x = resample_poly(x, RATE // g, rate // g).astype(np.float32)
            self.names.append(path.stem)
            self.audio.append(x)
        if not self.names:
            sys.exit(f"{folder}: no audio files")
        self.used = [[] for _ in self.names]
        self.phrases = [None] * len(self.names)

    def shares(self, total):
        """How many of `total` items each file gets: in proportion to the square root of its length."""
        weight = np.sqrt([len(x) for x in self.audio])
        exact = total * weight / weight.sum()
        n = np.floor(exact).astype(int)
        n[np.argsort(n - exact, kind="stable")[:total - n.sum()]] += 1
        return n

    def phrase(self, i, rng):
        """A phrase of file i that was not given out before: (offset, samples)."""
        if self.phrases[i] is None:
            found = phrases(self.audio[i])
            self.phrases[i] = [found[k] for k in rng.permutation(len(found))]
        if not self.phrases[i]:
            sys.exit(f"{self.names[i]}: too few utterances that join to {SECONDS[0]:g} to {SECONDS[1]:g} s")
        a, b = self.phrases[i].pop()
        return a, self.audio[i][a:b].astype(np.float64)

    def stretch(self, i, n, rng):
        """n samples of file i that are not quiet, from where least was taken: (offset, samples)."""
        x, block = self.audio[i], RATE // 2
        if len(x) < n:
            sys.exit(f"{self.names[i]}: shorter than one item ({n / RATE:.1f} s)")
        level, best = rms_db(x), None
        for _ in range(400):
            a = int(rng.integers(0, len(x) - n + 1))
            part = x[a:a + n].astype(np.float64)
            blocks = [rms_db(part[k:k + block]) for k in range(0, n - block + 1, block)]
            if rms_db(part) < level - 10 or np.percentile(blocks, 10) < level - 15:
                continue
            taken = sum(max(0, min(a + n, b) - max(a, c)) for c, b in self.used[i])
            if best is None or taken < best[0]:
                best = taken, a, part
            if taken == 0:
                break
        if best is None:
            sys.exit(f"{self.names[i]}: no stretch of {n / RATE:.1f} s is loud throughout")
        self.used[i].append((best[1], best[1] + n))
        return best[1:]


def room(rng):
    """A mild synthetic room: (impulse response, the part of it that belongs to the target, RT60 in s)."""
    rt60, direct_db = rng.uniform(0.2, 0.5), rng.uniform(0, 8)
    t = np.arange(round(1.2 * rt60 * RATE)) / RATE
    h = rng.standard_normal(len(t)) * 10 ** (-3 * t / rt60)
    h[:round(0.003 * RATE)] = 0
    h *= np.sqrt(10 ** (-direct_db / 10) / np.sum(h ** 2))
    h[0] = 1
    return h, h * early(t), rt60


def early(t):
    """Weights of a response at times t (samples,), in s after the direct sound, for the part that belongs to the target."""
    return np.clip((EARLY_S + 0.005 - t) / 0.005, 0, 1)


def decay_s(h):
    """RT60 of a response, from its decay between -5 and -25 dB (Schroeder 1965)."""
    left = np.cumsum(h[::-1] ** 2)[::-1]
    a, b = (np.argmax(left < left[0] * 10 ** (-db / 10)) for db in (5, 25))
    return 3 * (b - a) / RATE


def measured(path):
    """The places of a room as room() gives one, from the first ear of a SOFA file (AES69) at RATE."""
    import h5py
    with h5py.File(path) as f:
        if f["Data.SamplingRate"][0] != RATE:
            sys.exit(f"{path}: is not at {RATE} Hz")
        responses = f["Data.IR"][:, 0].astype(np.float64)               # (places, ears, samples)
    places = []
    for h in responses:
        direct, before = np.abs(h).argmax(), RATE // 2000
        h = h[max(0, direct - before):] / np.abs(h).max()
        places.append((h, h * early((np.arange(len(h)) - before) / RATE), decay_s(h)))
    return places


def spread(counts):
    """Indices 0, 1, ... each counts[i] times, evenly interleaved."""
    keys = [((k + 0.5) / n, i) for i, n in enumerate(counts) for k in range(n)]
    return [i for _, i in sorted(keys)]


def every(n, total, phase):
    """`n` of `total` places, evenly apart, beginning `phase` (0..1) of a step in."""
    return {int((k + phase) * total / n) for k in range(n)}


def finish(name, noisy, clean, tags, about):
    """Prevent clipping, then round to 16 bits."""
    peak = max(np.abs(noisy).max(), np.abs(clean).max())
    gain = min(1.0, 0.98 / peak)
    noisy, clean = (np.round(x * gain * 32768).astype(np.float32) / 32768 for x in (noisy, clean))
    about = {k: round(v, 3) if isinstance(v, float) else v for k, v in about.items()}
    return Item(name, noisy, clean, frozenset(tags), about)


def evalset(root, seed=1, places=()):
    """The evaluation set of the folder `root`: a list of Item, the same for the same files and seed, in `places` if any."""
    rng = np.random.default_rng(seed)
    speech, noise, music = (Sources(Path(root) / "eval" / kind) for kind in ("speech", "noise", "music"))
    items = []

    def speak(i, level_db):
        a, x = speech.phrase(i, rng)
        about = {"speech": speech.names[i], "speech_s": a / RATE, "level_db": level_db}
        return x * 10 ** ((level_db - active_level_db(x)) / 20), about

    n_speech = len(speech.names)
    rounds = -(-max(N_MIX, N_CLEAN) // n_speech)
    voices = np.concatenate([rng.permutation(n_speech) for _ in range(rounds)])     # balanced, unrelated to the tags
    noises = spread(list(noise.shares(N_MIX - N_MUSIC)))
    musical = every(N_MUSIC, N_MIX, 0.5)
    reverberant, low = every(N_MIX if places else N_REVERB, N_MIX, 0.2), every(N_LOW, N_MIX, 0.95)
    tunes = spread(list(music.shares(N_MUSIC)))
    for k, snr_db in enumerate(np.linspace(*SNR_DB, N_MIX)):
        tags = {"mix"}
        x, about = speak(voices[k], -40.0 if k in low else float(rng.uniform(-32, -20)))
        if k in low:
            tags.add("low")
        clean = x
        if k in reverberant:
            tags.add("reverb")
            h, target, about["rt60_s"] = places[k % len(places)] if places else room(rng)
            x, clean = (fftconvolve(x, r)[:len(x)] for r in (h, target))
        if k in musical:
            tags.add("music")
            source, i = music, tunes.pop(0)
        else:
            source, i = noise, noises.pop(0)
        a, y = source.stretch(i, len(x), rng)
        y *= 10 ** ((active_level_db(x) - snr_db - rms_db(y)) / 20)
        about |= {"noise": source.names[i], "noise_s": a / RATE, "snr_db": float(snr_db)}
        items.append(finish(f"mix{k + 1:02}", x + y, clean, tags, about))
    for k in range(N_CLEAN):
        x, about = speak(voices[k], float(rng.uniform(-32, -20)))
        items.append(finish(f"clean{k + 1:02}", x, x, {"clean"}, about))
    for k, i in enumerate(spread(list(noise.shares(N_NOISE)))):
        a, y = noise.stretch(i, round(SECONDS[0] * RATE), rng)
        level_db = float(rng.uniform(-45, -25))
        y *= 10 ** ((level_db - rms_db(y)) / 20)
        about = {"noise": noise.names[i], "noise_s": a / RATE, "level_db": level_db}
        items.append(finish(f"noise{k + 1:02}", y, np.zeros_like(y), {"noise"}, about))
    return items


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("root", help="folder with eval/speech, eval/noise, eval/music")
    parser.add_argument("out", help="folder to write to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--room", help="SOFA file of a measured room, in which every mix is then spoken")
    args = parser.parse_args()
    items, out = evalset(args.root, args.seed, measured(args.room) if args.room else ()), Path(args.out)
    items = [item for item in items if not args.room or "mix" in item.tags]
    for kind in ("noisy", "clean"):
        (out / kind).mkdir(parents=True, exist_ok=True)
        for item in items:
            sf.write(out / kind / f"{item.name}.wav", getattr(item, kind), RATE, subtype="PCM_16")
    keys = ["name", "tags", "seconds", "speech", "speech_s", "level_db", "rt60_s", "noise", "noise_s", "snr_db"]
    with open(out / "list.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, keys)
        writer.writeheader()
        for item in items:
            writer.writerow({"name": item.name, "tags": " ".join(sorted(item.tags)),
                             "seconds": len(item.noisy) / RATE, **item.about})
    print(f"{len(items)} items, {sum(len(i.noisy) for i in items) / RATE:.0f} s, in {out}")


if __name__ == "__main__":
    main()

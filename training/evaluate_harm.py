#!/usr/bin/env python3
"""Measure what a denoiser must not do: cut word starts and "s", pump, sound in silence, destroy music, dull speech.

    python training/evaluate_harm.py --audio DATA --maudio build/cli/maudio --presets voice voice-live --peers PEERS \\
        [--singing FILE...] [--wide-speech FILE... --wide-noise FILE...]

DATA is the folder of training/prepare.py; of its evaluation set, the dry mixtures of 7.5 dB and more and the clean
speech are used. The wide files are recordings at 44.1 kHz or more: each noise is mixed with some of the speech at
48 kHz. Printed are Markdown tables, whose columns docs/quality.md explains.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
from scipy.signal import butter, sosfiltfilt, stft

from evalset import RATE, Item, Sources, active_level_db, evalset, rms_db
from systems import PEER_LATENCY_MS, Failure, maudio_systems, output_of, peer_systems, resample

FRAME_S = 0.01
START_S = 0.04                  # of a word: what is measured
PAUSE_S = 0.1                   # before a word
ACTIVE_DB = 30                  # below the 95th percentile of the level: where speech ends
LEAST_SNR_DB = 7.5
S_HZ, WIDE_HZ, WIDE_TOP_HZ = 4000, 8000, 20000
WIDE_RATE, WIDE_SECONDS, WIDE_SNR_DB = 48000, 8.0, 5.0
GAP_S = 1.5                     # between utterances, where the noise is heard
STEADY_SNR_DB = 10.0


def levels(x, rate, low_hz=0, high_hz=1e9):
    """Power in dB of each frame of FRAME_S, in a band."""
    n = round(2 * FRAME_S * rate)
    f, _, z = stft(x, rate, nperseg=n, noverlap=n // 2)
    return 10 * np.log10((np.abs(z[(f >= low_hz) & (f < high_hz)]) ** 2).sum(0) + 1e-12)


def active(clean, rate):
    level = levels(clean, rate)
    return level > np.percentile(level, 95) - ACTIVE_DB


def kept_db(estimate, clean, starts, length):
    """How much of the clean waveform is in the output, in dB, for each stretch; noise in it does not count."""
    kept = []
    for a in starts:
        x, y = np.float64(clean[a:a + length]), np.float64(estimate[a:a + length])
        kept.append(max(x @ y / (x @ x + 1e-12), 1e-3))
    return 20 * np.log10(kept)


def word_starts(clean, rate):
    """First samples of words after a pause."""
    spoken = active(clean, rate)
    n = round(PAUSE_S / FRAME_S)
    return [round(i * FRAME_S * rate) for i in range(n, len(spoken) - 5) if spoken[i] and not spoken[i - n:i].any()]


def hissing(clean, rate, from_hz, to_hz):
    """First samples of frames in which more of the power of speech is above `from_hz` than below."""
    above, below = levels(clean, rate, from_hz, to_hz), levels(clean, rate, 100, from_hz)
    spoken = active(clean, rate)
    return [round(i * FRAME_S * rate) for i in range(1, len(spoken) - 3) if spoken[i] and above[i] > below[i]]


def highpass(x, rate, hz):
    return sosfiltfilt(butter(6, hz, "highpass", fs=rate, output="sos"), x)


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


class Runner:
    def __init__(self, cache):
        self.cache = cache
        self.folder = tempfile.TemporaryDirectory()

    def __call__(self, system, x, rate=RATE):
        x = np.round(np.clip(x, -1, 1 - 2 ** -15) * 32768) / 32768
        return output_of(system, Item("a signal", np.float32(x), None, frozenset()), rate, self.cache, self.folder.name)


def speech_row(system, run, items, phrases, pink):
    """Word starts, "s", pumping, silence: the cells of a system."""
    starts, hisses = [], []
    for item in items:
        y = run(system, item.noisy)
        n = round(START_S * RATE)
        audible = [a for a in word_starts(item.clean, RATE)
                   if rms_db(item.clean[a:a + n]) > rms_db((item.noisy - item.clean)[a:a + n])]
        starts.append(kept_db(y, item.clean, audible, n))
        pair = (highpass(x, RATE, S_HZ) for x in (y, item.clean))
        hisses.append(kept_db(*pair, hissing(item.clean, RATE, S_HZ, RATE), round(2 * FRAME_S * RATE)))
    starts, hisses = np.concatenate(starts), np.concatenate(hisses)

    speech = np.concatenate([part for x in phrases for part in (x, np.zeros(round(GAP_S * RATE)))])
    ends = np.cumsum([len(x) + round(GAP_S * RATE) for x in phrases]) - round(GAP_S * RATE)
    noise = pink[:len(speech)]
    noise = noise * 10 ** ((active_level_db(speech) - STEADY_SNR_DB - rms_db(noise)) / 20)
    residue = run(system, speech + noise)

    def after(begin_s, end_s):
        """Level in dB of 50 ms stretches of what is left of the noise, counted from the end of each phrase."""
        n = RATE // 20
        return np.array([rms_db(residue[a:a + n]) for end in ends
                         for a in range(end + round(begin_s * RATE), end + round(end_s * RATE) - n + 1, n)])

    silence = run(system, speech)
    peak = max(np.abs(silence[end + RATE // 5:end + round((GAP_S - 0.1) * RATE)]).max() for end in ends)
    peak = max(peak, np.abs(run(system, np.zeros(2 * RATE))).max())
    return [f"{np.median(starts):.1f}", f"{100 * np.mean(starts < -6):.0f} of {len(starts)}", f"{np.median(hisses):.1f}",
            f"{after(0.1, 0.3).mean() - after(0.9, 1.4).mean():+.1f}", f"{after(0.3, 1.4).std():.1f}",
            "silent" if peak < 1 / 32768 else f"{20 * np.log10(peak):.0f} dBFS"]


def music_row(system, run, pieces):
    """Level change and signal-to-change ratio in dB, for each piece's kind."""
    cells = []
    for clips in pieces.values():
        outs = [run(system, x) for x in clips]
        change = np.mean([rms_db(y) - rms_db(x) for x, y in zip(clips, outs)])
        ratio = np.mean([rms_db(x) - rms_db(y - x) for x, y in zip(clips, outs)])
        cells += [f"{change:.1f}", f"{ratio:.1f}"]
    return cells


def wide_mixtures(speech, noises):
    """[(noisy, clean)] at WIDE_RATE, one for each noise."""
    def load(path):
        x, rate = sf.read(path, always_2d=True)
        return resample(x.mean(1), rate, WIDE_RATE)

    n = round(WIDE_SECONDS * WIDE_RATE)
    words, mixtures = iter(speech), []
    for path in noises:
        parts = []
        while sum(map(len, parts)) < n:
            word = next(words, None)
            if word is None:
                raise Failure("--wide-speech: too few recordings for so many noises")
            parts += [np.zeros(round(0.6 * WIDE_RATE)), load(word)]
        clean = np.concatenate(parts)[:n]
        noise = load(path)
        if len(noise) < n:
            raise Failure(f"{path}: shorter than {WIDE_SECONDS:g} s")
        begin = (len(noise) - n) // 2
        noise = noise[begin:begin + n]
        noise *= 10 ** ((active_level_db(clean, WIDE_RATE) - WIDE_SNR_DB - rms_db(noise)) / 20)
        gain = min(1.0, 0.98 / np.abs(clean + noise).max())
        mixtures.append((gain * (clean + noise), gain * clean))
    return mixtures


def wide_row(system, run, mixtures):
    """Noise reduction in pauses below and above WIDE_HZ, and speech kept above it, in dB."""
    below, above, kept = [], [], []
    for noisy, clean in mixtures:
        y = run(system, noisy, WIDE_RATE)
        pause = np.convolve(active(clean, WIDE_RATE), np.ones(21), "same") == 0
        for found, band in ((below, (0, WIDE_HZ)), (above, (WIDE_HZ, WIDE_TOP_HZ))):
            before, after = (levels(x, WIDE_RATE, *band)[pause] for x in (noisy, y))
            found.append(np.median(after - before))
        high = levels(clean, WIDE_RATE, WIDE_HZ, WIDE_TOP_HZ)
        noise = levels(noisy - clean, WIDE_RATE, WIDE_HZ, WIDE_TOP_HZ)
        spots = [round(i * FRAME_S * WIDE_RATE) for i in np.flatnonzero(active(clean, WIDE_RATE) & (high > noise + 3))
                 if 0 < i < len(high) - 3]
        pair = (highpass(x, WIDE_RATE, WIDE_HZ) for x in (y, clean))
        kept.append(kept_db(*pair, spots, round(2 * FRAME_S * WIDE_RATE)))
    return [f"{np.mean(below):.1f}", f"{np.mean(above):.1f}", f"{np.median(np.concatenate(kept)):.1f}"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--audio", required=True, metavar="DATA", help="folder with eval/speech, eval/noise, eval/music")
    p.add_argument("--maudio", default="build/cli/maudio", help="path of the maudio command")
    p.add_argument("--presets", nargs="*", default=[])
    p.add_argument("--peers", metavar="DIR", help="folder with denoise.py")
    p.add_argument("--systems", nargs="*", default=list(PEER_LATENCY_MS), choices=list(PEER_LATENCY_MS))
    p.add_argument("--singing", nargs="*", default=[], metavar="FILE")
    p.add_argument("--wide-speech", nargs="*", default=[], metavar="FILE")
    p.add_argument("--wide-noise", nargs="*", default=[], metavar="FILE")
    p.add_argument("--cache", metavar="DIR", help="peers' outputs, as of evaluate.py")
    args = p.parse_args()
    run = Runner(args.cache)
    presets = maudio_systems(args.maudio, args.presets, [])
    half = maudio_systems(args.maudio, args.presets, [], ["--strength", "0.5"])
    peers = peer_systems(args.peers, args.systems) if args.peers else []

    items = evalset(args.audio)
    dry = [i for i in items if i.tags == {"mix"} and i.about["snr_db"] >= LEAST_SNR_DB]
    phrases = [i.clean for i in items if "clean" in i.tags]
    white = np.random.default_rng(1).standard_normal(2 ** 20)
    pink = np.fft.irfft(np.fft.rfft(white) / np.sqrt(np.arange(1, len(white) // 2 + 2)))
    rows = [[s.name, *speech_row(s, run, dry, phrases, pink)] for s in [*presets, *peers]]
    print(table(["", "word starts kept, dB", "lowered by more than 6 dB, % of", '"s" kept, dB',
                 "noise after speech, dB", "residue varies by, dB", "silence"], rows), "\n", flush=True)

    music = Sources(Path(args.audio) / "eval" / "music")
    rng = np.random.default_rng(2)
    pieces = {"music": [music.stretch(i % len(music.names), 8 * RATE, rng)[1] for i in range(6)]}
    if args.singing:
        pieces["singing"] = [resample(x.mean(1), rate, RATE)[:20 * RATE]
                             for x, rate in (sf.read(f, always_2d=True) for f in args.singing)]
    header = [""] + [f"{kind}: {what}" for kind in pieces for what in ("level, dB", "kept over changed, dB")]
    rows = [[f"{s.name}, strength 0.5", *music_row(s, run, pieces)] for s in half]
    rows += [[s.name, *music_row(s, run, pieces)] for s in [*presets, *peers]]
    print(table(header, rows), "\n", flush=True)

    if args.wide_noise:
        mixtures = wide_mixtures(args.wide_speech, args.wide_noise)
        rows = [[s.name, *wide_row(s, run, mixtures)] for s in [*presets, *peers]]
        header = ["48 kHz", "noise in pauses, below 8 kHz, dB", "8 to 20 kHz, dB", "speech kept above 8 kHz, dB"]
        print(table(header, rows))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"evaluate_harm.py: {failure}")

#!/usr/bin/env python3
"""Tell where DNSMOS hears what one denoiser lacks: its outputs, with parts of the clean speech or of a peer's output.

    python training/gap.py --audio DATA --maudio build/cli/maudio --preset voice --peers PEERS --peer dfn3

DATA is the folder of training/prepare.py; of its evaluation set, every third mixture is used. Printed is a Markdown
table of means of DNSMOS P.835: of both systems and of the clean speech, then of the preset's output where its spectrum
of 32 ms windows is changed. No row but the first three can be had by a denoiser: they say what would be worth knowing.
"""
import argparse
import multiprocessing
import sys
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import istft, stft

from dnsmos import Dnsmos
from evalset import RATE, evalset
from systems import Failure, maudio_systems, output_of, peer_systems

WINDOW, HOP = 512, 128
N_BANDS = 32                    # equal on the ERB scale, but for whole bins
SILENT_DB, PAUSE_DB = 30, 40    # below the 95th percentile of a band's and of all bands' level
HELD_FRAMES = 11                # 88 ms
FLOOR = 1e-9


def spectrum(x):
    return stft(x, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[2]


def signal(z, n):
    return np.float32(istft(z, RATE, nperseg=WINDOW, noverlap=WINDOW - HOP)[1][:n])


def bands():
    """(bins, bands) of 0 and 1."""
    hz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    erb = np.log10(1 + 0.00437 * hz)
    at = np.minimum(erb / erb[-1] * N_BANDS, N_BANDS - 1).astype(int)
    return np.float64(at[:, None] == np.unique(at))


def below_top(power, db):
    """Where power (rows, frames) is more than `db` below the 95th percentile of its row."""
    return power < np.quantile(power, 0.95, axis=-1, keepdims=True) * 10 ** (-db / 10)


def gains(wanted, has, groups):
    """Of each bin and frame, at most 1: what gives groups of bins the power of `wanted`."""
    power = [groups.T @ np.abs(z) ** 2 + FLOOR for z in (wanted, has)]
    return groups @ np.sqrt(power[0] / power[1]).clip(0, 1)


def variants(ours, theirs, clean):
    """Signals (samples,) of the same length -> {description: (samples,)}."""
    o, t, c = (spectrum(x) for x in (ours, theirs, clean))
    one, some = np.ones((len(o), 1)), bands()
    quieter = np.where(np.abs(t) < np.abs(o), t, o)
    silent = some @ below_top(some.T @ np.abs(c) ** 2, SILENT_DB) > 0
    pause = below_top((np.abs(c) ** 2).sum(0, keepdims=True), PAUSE_DB)
    gate = gains(c, o, one)
    low = np.arange(len(o))[:, None] < 1000 * WINDOW / RATE
    made = {
        "the peer's bins where they are quieter": quieter,
        "... below 1 kHz alone": np.where(low, quieter, o),
        "... where the band holds no speech": np.where(silent, quieter, o),
        "... where it does": np.where(silent, o, quieter),
        f"the clean level in {some.shape[1]} bands, if lower": gains(c, o, some) * o,
        "the clean level of the frame, if lower": gate * o,
        f"... in pauses alone, {PAUSE_DB} dB below loud speech": np.where(pause, gate, 1) * o,
        "... by at most 10 dB": np.maximum(gate, 10 ** -0.5) * o,
        f"... held open for {HELD_FRAMES * HOP * 1000 // RATE} ms": maximum_filter1d(gate, HELD_FRAMES, axis=1) * o,
        "the peer's phase": np.abs(o) * np.exp(1j * np.angle(t)),
        "the clean phase": np.abs(o) * np.exp(1j * np.angle(c)),
    }
    return {name: signal(z, len(ours)) for name, z in made.items()}


class Scorer:
    """A process's own network, made at its first signal."""

    def __init__(self, path):
        self.path, self.net = path, None

    def __call__(self, x):
        self.net = self.net or Dnsmos(self.path)
        return [self.net(x)[name] for name in ("sig", "bak", "ovrl")]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--audio", required=True)
    p.add_argument("--maudio", required=True)
    p.add_argument("--preset", default="voice")
    p.add_argument("--peers", required=True)
    p.add_argument("--peer", default="dfn3", choices=("gtcrn", "dtln", "dfn3", "rnnoise"))
    p.add_argument("--every", type=int, default=3, help="use each n-th mixture, the second first (default: %(default)s)")
    p.add_argument("--cache", help="folder that keeps the peer's outputs")
    p.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    args = p.parse_args()
    items = [item for item in evalset(args.audio) if "mix" in item.tags][1::args.every]
    systems = maudio_systems(args.maudio, [args.preset], []) + peer_systems(args.peers, [args.peer])
    sounds = {}
    with tempfile.TemporaryDirectory() as folder:
        for item in items:
            ours, theirs = (output_of(system, item, RATE, args.cache, folder) for system in systems)
            own = {args.preset: ours, args.peer: theirs, "clean": np.float32(item.clean), **variants(ours, theirs, item.clean)}
            for name, x in own.items():
                sounds.setdefault(name, []).append(x)
    with multiprocessing.Pool(args.jobs) as pool:
        scores = pool.map(Scorer(Path(args.peers) / "dnsmos_p835.onnx"), sum(sounds.values(), []), chunksize=len(items))
    print(f"| {len(items)} mixtures | SIG | BAK | OVRL |\n|---|---|---|---|")
    for i, name in enumerate(sounds):
        means = np.mean(scores[i * len(items):(i + 1) * len(items)], 0)
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in means) + " |")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"gap.py: {failure}")

#!/usr/bin/env python3
"""Draw spectrograms of recordings before and after denoisers, and print what became of their noise and speech.

    python training/spectrograms.py --maudio build/cli/maudio --presets voice --peers PEERS --systems dfn3 \\
        --out recordings.png RECORDING...

A recording is any file that libsndfile reads; its channels are averaged, and --seconds of it are used. Printed, as
Markdown, for each recording and denoiser: by how many dB the pauses (the quietest fifth of the input's 20 ms frames)
and the speech (the loudest fifth) changed, below and above 4 kHz, in the median; and DNSMOS P.835 if PEERS is given.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
import soundfile as sf
from PIL import Image
from scipy.signal import stft

from dnsmos import Dnsmos
from evalset import RATE, Item
from systems import PEER_LATENCY_MS, Failure, maudio_systems, output_of, peer_systems, resample

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

WINDOW_S, HOP_S = 0.032, 0.008  # of the pictures
FRAME_S = 0.02                  # of the figures
SPLIT_HZ = 4000
RANGE_DB = 65                   # below the loudest hundredth of the recording
N_COLOURS = 24                  # keep the PNG small


def load(path, seconds):
    """The recording as an item without target: (Item, rate)."""
    try:
        x, rate = sf.read(path, dtype="float32", always_2d=True)
    except (sf.LibsndfileError, OSError) as error:
        raise Failure(f"{path}: {error}") from error
    x = x.mean(1)[:round(seconds * rate)]
    return Item(Path(path).stem, np.round(x * 32768) / 32768, x, frozenset()), rate


def spectrum(x, rate, window_s, hop_s):
    """Power in dB: (bins, frames), and the frequency of each bin."""
    n = round(window_s * rate)
    f, _, z = stft(x, rate, nperseg=n, noverlap=n - round(hop_s * rate), padded=True)
    return 10 * np.log10(np.abs(z) ** 2 + 1e-14), f


def changes(before, after, rate):
    """Median change in dB: {"pauses below", "pauses above", "speech below", "speech above"}, of SPLIT_HZ."""
    (a, f), (b, _) = (spectrum(x, rate, FRAME_S, FRAME_S) for x in (before, after))
    level = (10 ** (a / 10)).sum(0)
    sounding = level > 1e-11                                        # digital silence is no pause
    low, high = np.percentile(level[sounding], [20, 80])
    frames = {"pauses": sounding & (level <= low), "speech": level >= high}
    bins = {"below": f < SPLIT_HZ, "above": f >= SPLIT_HZ}

    def levels(power_db, what, where):
        return 10 * np.log10((10 ** (power_db[np.ix_(bins[where], frames[what])] / 10)).sum(0))

    return {f"{what} {where}": np.median(levels(b, what, where) - levels(a, what, where))
            for what in frames for where in bins}


def draw(path, recordings, outputs):
    """recordings: [(Item, rate)]; outputs: {title: [(samples,) for each recording]}; writes a PNG."""
    figure, axes = plt.subplots(len(recordings), len(outputs), figsize=(4 * len(outputs), 1.75 * len(recordings)),
                                squeeze=False, layout="constrained")
    for row, (item, rate) in zip(range(len(recordings)), recordings):
        top = np.percentile(spectrum(item.noisy, rate, WINDOW_S, HOP_S)[0], 99)
        for column, (title, sounds) in enumerate(outputs.items()):
            axis = axes[row, column]
            power, _ = spectrum(sounds[row], rate, WINDOW_S, HOP_S)
            axis.imshow(power, origin="lower", aspect="auto", cmap="magma", vmin=top - RANGE_DB, vmax=top,
                        extent=(0, len(item.noisy) / rate, 0, rate / 2000), interpolation="bilinear")
            if row == 0:
                axis.set_title(title, fontsize=9)
            if column == 0:
                axis.set_ylabel(f"{item.name[:22]}\nkHz", fontsize=7)
            axis.tick_params(labelsize=6)
    axes[-1, 0].set_xlabel("s", fontsize=7)
    figure.savefig(path, dpi=90)
    with Image.open(path) as image:
        few_colours = image.convert("RGB").quantize(N_COLOURS, dither=Image.Dither.NONE)
    few_colours.save(path, optimize=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("recordings", nargs="+")
    p.add_argument("--out", required=True, metavar="PNG")
    p.add_argument("--maudio", default="build/cli/maudio", help="path of the maudio command")
    p.add_argument("--presets", nargs="*", default=[])
    p.add_argument("--peers", metavar="DIR", help="folder with denoise.py and dnsmos_p835.onnx")
    p.add_argument("--systems", nargs="*", default=["dfn3"], choices=list(PEER_LATENCY_MS), help="peers to run")
    p.add_argument("--seconds", type=float, default=12.0, help="length to use of each recording (default 12)")
    args = p.parse_args()
    recordings = [load(path, args.seconds) for path in args.recordings]
    systems = maudio_systems(args.maudio, args.presets, [])
    systems += peer_systems(args.peers, args.systems) if args.peers else []
    outputs = {"before": [item.noisy for item, _ in recordings]}
    with tempfile.TemporaryDirectory() as folder:
        for system in systems:
            outputs[system.name] = [output_of(system, item, rate, None, folder) for item, rate in recordings]
    dnsmos = Dnsmos(Path(args.peers) / "dnsmos_p835.onnx") if args.peers else None
    for row, (item, rate) in enumerate(recordings):
        for name, sounds in outputs.items():
            cells = {k: f"{v:.1f}" for k, v in changes(item.noisy, sounds[row], rate).items()}
            if dnsmos:
                opinions = dnsmos(np.float32(resample(sounds[row], rate, RATE)))
                cells |= {k.upper(): f"{v:.2f}" for k, v in opinions.items()}
            if row == 0 and name == "before":
                print("| recording | |", " | ".join(cells), "|\n" + "| --- " * (len(cells) + 2) + "|")
            print(f"| {item.name} | {name} |", " | ".join(cells.values()), "|", flush=True)
    draw(args.out, recordings, outputs)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"spectrograms.py: {failure}")

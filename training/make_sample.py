#!/usr/bin/env python3
"""Mixes the sample recording of tests/audio: a voice in a restaurant.

    python training/make_sample.py tests/audio --root FOLDER

FOLDER/debian holds the unpacked packages that tests/audio/README.md names.
Writes noisy.wav and clean.wav, 48 kHz 16-bit mono; noisy minus clean is the noise.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from prepare import decode

RATE = 48000  # Hz
SNR = 5.0  # dB, active speech to noise RMS
LEVEL = -23.0  # dBFS, active speech
VOICE = "debian/usr/share/asterisk/sounds/it_IT_m_Carlo"
PROMPTS = ["vm-intro.g722", "vm-goodbye.g722"]
NOISE = "debian/usr/share/games/supertuxkart/data/sfx/lenautile_restaurant.ogg"
NOISE_START = 15.0  # s
LEAD, PAUSE, TAIL = 1.0, 0.6, 0.6  # s of noise alone before, between and after the prompts


def load(path):
    """Mono float32 at RATE."""
    x, rate = decode(path)
    return soxr.resample(x.mean(axis=1), rate, RATE)


def active_rms(x):
    """RMS of the 20 ms frames within 30 dB of the loudest."""
    frame = RATE // 50
    power = np.square(x[: len(x) // frame * frame].reshape(-1, frame)).mean(axis=1)
    return np.sqrt(power[power > power.max() * 1e-3].mean())


def main():
    parser = argparse.ArgumentParser(description="Mixes the sample recording.")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds debian/")
    args = parser.parse_args()

    pieces = [np.zeros(int(LEAD * RATE), np.float32)]
    for prompt, gap in zip(PROMPTS, (PAUSE, TAIL)):
        pieces += [load(args.root / VOICE / prompt), np.zeros(int(gap * RATE), np.float32)]
    clean = np.concatenate(pieces)
    clean *= 10 ** (LEVEL / 20) / active_rms(clean)

    start = int(NOISE_START * RATE)
    noise = load(args.root / NOISE)[start : start + len(clean)]
    noise *= active_rms(clean) / 10 ** (SNR / 20) / np.sqrt(np.square(noise).mean())

    for name, x in (("clean", clean), ("noisy", clean + noise)):
        sf.write(args.out_dir / f"{name}.wav", x, RATE, "PCM_16")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes the audio of tests/audio: a voice in a restaurant, and two voices and two noises to be mixed by a test.

    python training/make_sample.py tests/audio --root FOLDER

FOLDER holds what tests/audio/README.md names: unpacked packages in debian, blanket, and vbd with the clean test set of
VoiceBank+DEMAND. Writes noisy.wav and clean.wav, 48 kHz 16-bit mono, of which noisy minus clean is the noise; and
voices.flac and noises.flac, 16 kHz.
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

CLIP_RATE = 16000  # Hz
CLIPS = {
    "voices": [("vbd/p232_012.wav", 0.0, 4.0), ("vbd/p257_007.wav", 0.0, 3.4)],  # file, begin in s, length in s
    "noises": [("blanket/data/resources/sounds/coffee-shop.ogg", 4.0, 4.0),
               ("blanket/data/resources/sounds/train.ogg", 1.0, 3.4)],
}


def load(path, rate=RATE):
    """Mono float32 at `rate`."""
    x, rate_in = decode(path)
    return soxr.resample(x.mean(axis=1), rate_in, rate)


def active_rms(x, rate=RATE):
    """RMS of the 20 ms frames within 30 dB of the loudest."""
    frame = rate // 50
    power = np.square(x[: len(x) // frame * frame].reshape(-1, frame)).mean(axis=1)
    return np.sqrt(power[power > power.max() * 1e-3].mean())


def sample(root):
    """(clean, noisy) at RATE."""
    pieces = [np.zeros(int(LEAD * RATE), np.float32)]
    for prompt, gap in zip(PROMPTS, (PAUSE, TAIL)):
        pieces += [load(root / VOICE / prompt), np.zeros(int(gap * RATE), np.float32)]
    clean = np.concatenate(pieces)
    clean *= 10 ** (LEVEL / 20) / active_rms(clean)

    start = int(NOISE_START * RATE)
    noise = load(root / NOISE)[start : start + len(clean)]
    noise *= active_rms(clean) / 10 ** (SNR / 20) / np.sqrt(np.square(noise).mean())
    return clean, clean + noise


def clip(root, parts):
    """The parts one after the other at CLIP_RATE, each at LEVEL."""
    pieces = []
    for path, begin, length in parts:
        x = load(root / path, CLIP_RATE)
        x = x[round(begin * CLIP_RATE) : round((begin + length) * CLIP_RATE)]
        pieces.append(x * 10 ** (LEVEL / 20) / active_rms(x, CLIP_RATE))
    return np.concatenate(pieces)


def main():
    parser = argparse.ArgumentParser(description="Makes the audio of tests/audio.")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds debian, blanket, vbd")
    args = parser.parse_args()
    for name, x in zip(("clean", "noisy"), sample(args.root)):
        sf.write(args.out_dir / f"{name}.wav", x, RATE, "PCM_16")
    for name, parts in CLIPS.items():
        sf.write(args.out_dir / f"{name}.flac", clip(args.root, parts), CLIP_RATE, "PCM_16")


if __name__ == "__main__":
    main()

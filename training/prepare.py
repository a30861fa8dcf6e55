#!/usr/bin/env python3
"""Turn folders of audio into training material: 16 kHz mono, one file per source.

    python training/prepare.py training/sources.csv OUT_DIR --root FOLDER [--jobs N] [--only NAME ...]

Each row of the table names a source: name, split (train|eval), kind
(speech|noise|music|rir), files (globs below --root, separated by ';', a leading
'!' excludes), hours (at most; empty: all), licence, origin, note.

Speech, noise and music become OUT_DIR/<split>/<kind>/<name>.opus; rooms (rir)
become <name>.npz with one float32 array per impulse response, which starts
0.5 ms before the direct sound and has a peak of 1. OUT_DIR/manifest.json says what is in them.
"""

import argparse
import csv
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

RATE = 16000  # Hz
FRAME = RATE // 50  # samples: 20 ms
SPEECH_LEVEL = -24.0  # dBFS, active level
NOISE_LEVEL = -22.0  # dBFS, RMS
BITRATE = {"speech": 32000, "noise": 48000, "music": 48000}  # bit/s
MIN_SNR = 30.0  # dB between active speech and its noise floor
MAX_CLIPPED = 0.002  # share of active samples near the peak
MIN_SPEECH = 0.3  # s
GAP = (0.1, 0.5)  # s of silence after each utterance
MAX_RIR = 2.0  # s


class Rejected(Exception):
    """The file does not suit training; the message is the reason."""


def decode(path):
    """Returns (samples [frames, channels] as float32, rate in Hz)."""
    try:
        return sf.read(path, dtype="float32", always_2d=True)
    except sf.LibsndfileError:
        pass
    if not shutil.which("ffmpeg"):
        raise Rejected("unreadable")
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode or not done.stdout:
        raise Rejected("unreadable")
    return np.frombuffer(done.stdout, np.float32)[:, None], 48000


def db(power):
    """Power (full scale 1) to dBFS."""
    return 10 * np.log10(np.maximum(power, 1e-12))


def frame_levels(x, frame=FRAME):
    """Level in dBFS of each whole frame of `frame` samples."""
    n = len(x) // frame
    return db(np.square(x[: n * frame], dtype=np.float64).reshape(n, frame).mean(axis=1))


def fade(x, samples=RATE // 200):
    """Fades both ends (default 5 ms) in place; returns x."""
    samples = min(samples, len(x) // 2)
    ramp = np.linspace(0, 1, samples, endpoint=False, dtype=np.float32)
    x[:samples] *= ramp
    x[len(x) - samples :] *= ramp[::-1]
    return x


def scale(x, gain_db):
    """Applies a gain in dB, less where the peak would exceed -0.1 dBFS."""
    return x * min(10 ** (gain_db / 20), 0.989 / np.abs(x).max())


def speech(x):
    """One utterance: tested, trimmed, at SPEECH_LEVEL."""
    levels = frame_levels(x)
    if len(levels) < 5 or levels.max() < -60:
        raise Rejected("short")
    active = levels > levels.max() - 30
    level = db(np.mean(10 ** (levels[active] / 10)))

    magnitude = np.abs(x)
    near_peak = np.count_nonzero(magnitude > 0.97 * magnitude.max())
    if near_peak > MAX_CLIPPED * np.count_nonzero(active) * FRAME:
        raise Rejected("clipped")
    audible = levels[levels > -90]  # skips digital silence
    if level - np.percentile(audible, 3) < MIN_SNR:
        raise Rejected("noisy")

    heard = np.flatnonzero(levels > level - 35)
    x = x[max(heard[0] - 2, 0) * FRAME : (heard[-1] + 4) * FRAME]
    if len(x) < MIN_SPEECH * RATE:
        raise Rejected("short")
    return fade(scale(x, SPEECH_LEVEL - level))


def ambience(x):
    """Noise or music at NOISE_LEVEL, without its silent stretches."""
    block = RATE // 2
    if len(x) < block:
        x = np.pad(x, (0, block - len(x)))
    level = db(np.mean(np.square(x)))
    if level < -70:
        raise Rejected("silent")
    loud = frame_levels(x, block) > max(level - 35, -75)
    edges = np.flatnonzero(np.diff(np.r_[False, loud, False]))
    parts = [fade(x[a * block : b * block].copy()) for a, b in edges.reshape(-1, 2)]
    x = np.concatenate(parts)
    return scale(x, NOISE_LEVEL - db(np.mean(np.square(x))))


def room(x):
    """Impulse response from 0.5 ms before its direct sound to a decay of 60 dB, at most MAX_RIR."""
    direct = np.argmax(np.abs(x) > 0.3 * np.abs(x).max())
    x = x[max(direct - RATE // 2000, 0) :]
    remaining = db(np.cumsum(np.square(x[::-1], dtype=np.float64))[::-1])
    x = x[: min(np.count_nonzero(remaining > remaining[0] - 60), int(MAX_RIR * RATE))]
    x[-RATE // 200 :] *= np.linspace(1, 0, len(x[-RATE // 200 :]), dtype=np.float32)
    return x / np.abs(x).max()


PROCESS = {"speech": speech, "noise": ambience, "music": ambience, "rir": room}


def prepare_file(task):
    """(kind, path) to (float32 samples at RATE, None) or (None, reason)."""
    kind, path = task
    try:
        x, rate = decode(path)
        x = x[:, 0] if kind == "rir" else x.mean(axis=1)
        if not len(x) or not np.isfinite(x).all():
            raise Rejected("unreadable")
        x = soxr.resample(x, rate, RATE)
        if kind != "rir":
            x = x - x.mean()
        return PROCESS[kind](x).astype(np.float32), None
    except Rejected as reason:
        return None, str(reason)


def find_files(root, globs):
    """Sorted files below root that match the globs of a row."""
    chosen = set()
    for glob in globs.split(";"):
        matches = {p for p in root.glob(glob.strip().lstrip("!")) if p.is_file()}
        chosen = chosen - matches if glob.strip().startswith("!") else chosen | matches
    return sorted(chosen)


def write_opus(path, parts, bitrate):
    """Writes the parts one after another; bitrate in bit/s."""
    # libsndfile maps the level 0..1 to 256..6 kbit/s per channel
    level = 1 - (bitrate - 6000) / 250000
    with sf.SoundFile(path, "w", RATE, 1, "OPUS", format="OGG", compression_level=level) as out:
        for part in parts:
            for start in range(0, len(part), 10 * RATE):
                out.write(part[start : start + 10 * RATE])


def prepare_source(row, root, out_dir, pool):
    """Prepares one row of the table; returns its entry for the manifest."""
    kind, name = row["kind"], row["name"]
    paths = find_files(root, row["files"])
    if not paths:
        print(f"{name}: no files, skipped", file=sys.stderr)
        return None
    rng = random.Random(name)
    if kind == "speech":
        rng.shuffle(paths)
    limit = float(row["hours"] or "inf") * 3600 * RATE

    parts, used, dropped, total = [], [], Counter(), 0
    results = pool.map(prepare_file, [(kind, p) for p in paths], chunksize=8)
    for path, (x, reason) in zip(paths, results):
        if reason:
            dropped[reason] += 1
        elif total < limit:
            if kind == "speech":
                x = np.pad(x, (0, int(rng.uniform(*GAP) * RATE)))
            parts.append(x)
            used.append(path)
            total += len(x)
    if not parts:
        print(f"{name}: nothing usable, {dict(dropped)}", file=sys.stderr)
        return None

    target = out_dir / row["split"] / kind / (name + (".npz" if kind == "rir" else ".opus"))
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind == "rir":
        np.savez_compressed(target, **{p.stem: x for p, x in zip(used, parts)})
    else:
        write_opus(target, parts, BITRATE[kind])
    entry = {
        "path": target.relative_to(out_dir).as_posix(),
        "split": row["split"],
        "kind": kind,
        "hours": round(total / RATE / 3600, 3),
        "bytes": target.stat().st_size,
        "files": len(used),
        "dropped": dict(dropped),
        "licence": row["licence"],
        "origin": row["origin"],
    }
    print(f"{name}: {entry['hours']} h, {entry['bytes'] / 1e6:.1f} MB, {len(used)} files, dropped {dict(dropped)}")
    return entry


def main():
    parser = argparse.ArgumentParser(description="Prepares 16 kHz mono training audio from folders.")
    parser.add_argument("sources", type=Path, help="table of sources (CSV)")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--root", type=Path, default=Path("."), help="folder that holds the sources")
    parser.add_argument("--jobs", type=int, default=None, help="processes (default: all cores)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="prepare just these rows")
    args = parser.parse_args()

    with open(args.sources, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not args.only or row["name"] in args.only]
    unknown = set(args.only) - {row["name"] for row in rows}
    if unknown:
        sys.exit(f"not in {args.sources}: {', '.join(sorted(unknown))}")

    manifest_path = args.out_dir / "manifest.json"
    manifest = json.loads(manifest_path.read_text(encoding="utf-8")) if manifest_path.exists() else {}
    args.out_dir.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.jobs) as pool:
        for row in rows:
            entry = prepare_source(row, args.root, args.out_dir, pool)
            if entry:
                manifest[row["name"]] = entry
                manifest_path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

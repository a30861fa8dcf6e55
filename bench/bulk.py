#!/usr/bin/env python3
"""How fast `maudio process` is in bulk: an archive is made of one recording, and processed in several ways.

bench/bulk.py --command build/cli/maudio --hours 20 tests/audio/noisy.wav

Needs libsndfile.so.1, and room for three times the archive (20 h: 21 GB) in --folder.
"""
import argparse
import array
import ctypes
import json
import math
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile

WAV, FLAC, PCM_16, FLOAT = 0x010000, 0x170000, 0x0002, 0x0006
READ, WRITE = 0x10, 0x20


class Info(ctypes.Structure):
    """SF_INFO of libsndfile."""
    _fields_ = [("frames", ctypes.c_int64), ("samplerate", ctypes.c_int), ("channels", ctypes.c_int),
                ("format", ctypes.c_int), ("sections", ctypes.c_int), ("seekable", ctypes.c_int)]


def sndfile():
    library = ctypes.CDLL("libsndfile.so.1")
    library.sf_open.restype = ctypes.c_void_p
    for name in ("sf_readf_float", "sf_writef_short", "sf_writef_float"):
        getattr(library, name).argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64]
        getattr(library, name).restype = ctypes.c_int64
    library.sf_close.argtypes = [ctypes.c_void_p]
    return library


def read(path):
    """Rate, channels and interleaved float samples."""
    library, info = sndfile(), Info()
    file = library.sf_open(os.fsencode(path), READ, ctypes.byref(info))
    if not file:
        sys.exit(f"{path} cannot be read")
    data = ctypes.create_string_buffer(4 * info.frames * info.channels)
    frames = library.sf_readf_float(file, data, info.frames)
    library.sf_close(file)
    samples = array.array("f")
    samples.frombytes(data.raw[:4 * frames * info.channels])
    return info.samplerate, info.channels, samples


def write(path, rate, channels, samples, form):
    """An audio file of interleaved samples: of shorts, or of floats."""
    library = sndfile()
    info = Info(0, rate, channels, form, 0, 0)
    file = library.sf_open(os.fsencode(path), WRITE, ctypes.byref(info))
    if not file:
        sys.exit(f"{path} cannot be written")
    put = library.sf_writef_float if samples.typecode == "f" else library.sf_writef_short
    n_frames = len(samples) // channels
    if put(file, samples.tobytes(), n_frames) != n_frames:
        sys.exit(f"{path} cannot be written: is there room?")
    library.sf_close(file)


def pieces_of(path, n=12):
    """The recording at several gains, as shorts."""
    rate, channels, samples = read(path)
    mono = samples[::channels]
    return rate, [array.array("h", (int(max(-32768, min(32767, 32767 * s * gain))) for s in mono))
                  for gain in (0.3 + 0.06 * i for i in range(n))]


def make_file(job):
    path, rate, pieces, seconds, seed, form = job
    rng = random.Random(seed)
    wanted, samples = max(1, int(rate * seconds)), array.array("h")
    while len(samples) < wanted:
        piece = rng.choice(pieces)
        samples.extend(piece[rng.randrange(len(piece) // 2):])
    write(path, rate, 1, samples[:wanted], form)


def make_archive(folder, rate, pieces, lengths, form):
    """Files of these lengths in seconds."""
    os.makedirs(folder)
    name = "flac" if form & FLAC == FLAC else "wav"
    jobs = [(os.path.join(folder, f"{i:05}.{name}"), rate, pieces, seconds, i, form)
            for i, seconds in enumerate(lengths)]
    with multiprocessing.Pool() as pool:
        pool.map(make_file, jobs, chunksize=1)


def lengths_of(hours, shortest=20, longest=3600, seed=1):
    """Lengths in seconds from short to an hour, evenly on a logarithmic scale."""
    rng, lengths = random.Random(seed), []
    while sum(lengths) < 3600 * hours:
        lengths.append(shortest * (longest / shortest) ** rng.random())
    return lengths


class Bench:
    def __init__(self, command, folder):
        self.command, self.folder, self.results = command, folder, []

    def run(self, what, source, device, *options):
        """Process a folder and remember the summary."""
        out = os.path.join(self.folder, "out")
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run([self.command, "process", "-r", source, "-o", out, "--device", device, "--json",
                               "--restart", *options], stdout=subprocess.PIPE, check=False)
        if not done.stdout:
            print(f"{what} on {device}: failed with exit code {done.returncode}", flush=True)
            return None
        result = json.loads(done.stdout)
        result["what"], result["options"] = what, [device, *options]
        self.results.append(result)
        threads = result["jobs"] * result["wall_s"]
        print(f"| {what} | {result['device']} {result['precision']} | {result['files_done']} | "
              f"{result['audio_s'] / 3600:.2f} h | {result['wall_s']:.2f} s | {result['realtime']:.0f}x | "
              f"{result['realtime'] / 3600:.2f} | {100 * result['decode_s'] / threads:.0f} % | "
              f"{100 * result['encode_s'] / threads:.0f} % | {result['compute_s']:.2f} s | {result['bottleneck']} |",
              flush=True)
        if result["files_failed"]:
            print(f"  {result['files_failed']} failed: {result['failed'][0]['reason']}", flush=True)
        return out

    def null(self, source, device, *options):
        """The greatest difference between files made on the CPU and on a GPU, and its power, in dBFS."""
        made = {}
        for which in ("cpu", device):
            out = self.run("for the null", source, which, *(() if which == "cpu" else options))
            if not out:
                return
            made[which] = {name: read(os.path.join(out, name))[2] for name in sorted(os.listdir(out))
                           if not name.startswith(".")}
        for name, expected in made["cpu"].items():
            found = made[device][name]
            errors = [a - b for a, b in zip(expected, found)]
            peak = max(map(abs, errors))
            power = sum(e * e for e in errors) / len(errors)
            print(f"{name} {' '.join([device, *options])}: peak {decibels(peak * peak):.1f} dBFS, "
                  f"power {decibels(power):.1f} dBFS, {len(found) - len(expected)} samples more", flush=True)


def decibels(power):
    return 10 * math.log10(power) if power else -math.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording")
    parser.add_argument("--command", default="build/cli/maudio")
    parser.add_argument("--folder", help="for the archive (default: TMPDIR)")
    parser.add_argument("--hours", type=float, default=20)
    parser.add_argument("--cpu-hours", type=float, default=1)
    parser.add_argument("--devices", nargs="*", default=["cuda:0"], help="of the form cuda:0 or cuda:0,1")
    parser.add_argument("--json", help="file for all summaries")
    options = parser.parse_args()

    folder = tempfile.mkdtemp(prefix="maudio-bulk-", dir=options.folder)
    try:
        bench = Bench(options.command, folder)
        rate, pieces = pieces_of(options.recording)
        print("| | device | files | audio | time | realtime | hours/s | decode | encode | GPU busy | bottleneck |")
        print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)

        tests = os.path.join(folder, "null")
        os.makedirs(tests)
        for name, channels, seconds in (("mono", 1, 30), ("stereo", 2, 8), ("sample", 1, 0)):
            samples = array.array("f", (s / 32768 for s in pieces[5]))
            samples = (samples * 4)[:max(1, int(rate * seconds)) * channels]
            write(os.path.join(tests, name + ".wav"), rate, channels, samples, WAV | FLOAT)
        for device in options.devices:
            bench.null(tests, device)
        if options.devices:
            bench.null(tests, options.devices[0], "--precision", "tf32")
            bench.null(tests, options.devices[0], "--precision", "bf16")

        for name, form in (("wav", WAV | PCM_16), ("flac", FLAC | PCM_16)):
            short = os.path.join(folder, "cpu-" + name)
            make_archive(short, rate, pieces, lengths_of(options.cpu_hours, 20, 200), form)
            bench.run(name, short, "cpu")
            shutil.rmtree(short)
            if not options.devices:
                continue
            archive = os.path.join(folder, name)
            make_archive(archive, rate, pieces, lengths_of(options.hours), form)
            for device in options.devices:
                bench.run(name, archive, device)
            bench.run(name, archive, options.devices[0], "--precision", "bf16")
            shutil.rmtree(archive)
        for what, lengths in (("5 s files", [5.0] * 1000), ("one file", [3600.0 * 2])):
            if options.devices:
                archive = os.path.join(folder, "more")
                make_archive(archive, rate, pieces, lengths, WAV | PCM_16)
                bench.run(what, archive, options.devices[0])
                shutil.rmtree(archive)
        if options.json:
            with open(options.json, "w", encoding="ascii") as file:
                json.dump(bench.results, file, indent=1)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

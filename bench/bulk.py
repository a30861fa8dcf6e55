#!/usr/bin/env python3
"""How fast `maudio process` is in bulk: an archive is made of one recording, and processed in several ways.

bench/bulk.py make --hours 20 tests/audio/noisy.wav archive
bench/bulk.py run --devices cuda:0 cuda:0,1 -- archive

Needs libsndfile.so.1; an archive of 20 hours takes 12 GB as WAV and FLAC, its outputs 7 GB more in TMPDIR.
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


PIECES = []  # inherited by the processes of a pool


def make_file(job):
    path, rate, seconds, seed, form = job
    rng = random.Random(seed)
    wanted, samples = max(1, int(rate * seconds)), array.array("h")
    while len(samples) < wanted:
        piece = rng.choice(PIECES)
        samples.extend(piece[rng.randrange(len(piece) // 2):])
    write(path, rate, 1, samples[:wanted], form)


def make_folder(folder, rate, lengths, form):
    """Files of these lengths in seconds."""
    os.makedirs(folder)
    name = "flac" if form & FLAC == FLAC else "wav"
    jobs = [(os.path.join(folder, f"{i:05}.{name}"), rate, seconds, i, form)
            for i, seconds in enumerate(lengths)]
    jobs.sort(key=lambda job: -job[2])
    with multiprocessing.Pool() as pool:
        pool.map(make_file, jobs, chunksize=1)


def lengths_of(hours, shortest=20, longest=3600, seed=1):
    """Lengths in seconds from short to an hour, evenly on a logarithmic scale."""
    rng, lengths = random.Random(seed), []
    while sum(lengths) < 3600 * hours:
        lengths.append(shortest * (longest / shortest) ** rng.random())
    return lengths


class Bench:
    def __init__(self, command, folder, log):
        """Outputs go below `folder`, summaries to the file `log`, if given."""
        self.command, self.folder, self.log, self.results = command, folder, log, []

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
        if self.log:
            with open(self.log, "w", encoding="ascii") as file:
                json.dump(self.results, file, indent=1)
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


def make(options):
    rate, pieces = pieces_of(options.recording)
    PIECES.extend(pieces)
    for name, form in (("wav", WAV | PCM_16), ("flac", FLAC | PCM_16)):
        make_folder(os.path.join(options.archive, name), rate, lengths_of(options.hours), form)
        make_folder(os.path.join(options.archive, "cpu-" + name), rate, lengths_of(options.cpu_hours, 20, 100), form)
    make_folder(os.path.join(options.archive, "short"), rate, [5.0] * 1000, WAV | PCM_16)
    make_folder(os.path.join(options.archive, "one"), rate, [7200.0], WAV | PCM_16)
    null = os.path.join(options.archive, "null")
    os.makedirs(null)
    for name, channels, seconds in (("mono", 1, 30), ("stereo", 2, 8), ("sample", 1, 0)):
        samples = array.array("f", (s / 32768 for s in pieces[5]))
        samples = (samples * 4)[:max(1, int(rate * seconds)) * channels]
        write(os.path.join(null, name + ".wav"), rate, channels, samples, WAV | FLOAT)


def run(options):
    def source(name):
        return os.path.join(options.archive, name)

    folder = tempfile.mkdtemp(prefix="maudio-bulk-")
    bench = Bench(options.command, folder, options.json)
    print("| | device | files | audio | time | realtime | hours/s | decode | encode | GPU busy | bottleneck |")
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    try:
        for name in ("wav", "flac"):
            for device in options.devices:
                bench.run(name, source(name), device)
        for name in ("cpu-wav", "cpu-flac"):
            bench.run(name[4:], source(name), "cpu")
        if options.devices:
            first = options.devices[0]
            bench.run("5 s files", source("short"), first)
            bench.run("one file", source("one"), first)
            for precision in ("float32", "tf32", "bf16"):
                bench.null(source("null"), first, "--precision", precision)
            for precision in ("tf32", "bf16"):
                bench.run("wav", source("wav"), first, "--precision", precision)
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="make an archive")
    maker.add_argument("recording")
    maker.add_argument("archive", help="folder to make")
    maker.add_argument("--hours", type=float, default=20, help="for the GPUs, of each format")
    maker.add_argument("--cpu-hours", type=float, default=1)
    runner = verbs.add_parser("run", help="process an archive")
    runner.add_argument("archive")
    runner.add_argument("--command", default="build/cli/maudio")
    runner.add_argument("--devices", nargs="*", default=["cuda:0"], help="of the form cuda:0 or cuda:0,1")
    runner.add_argument("--json", help="file for all summaries")
    options = parser.parse_args()
    (make if options.verb == "make" else run)(options)


if __name__ == "__main__":
    main()

"""Score generators: bits a sample on held-out audio, and what generated clips are like beside held-out ones.

    python training/sample_evaluate.py --data DATA --maudio build/cli/maudio --library build/core/libmaudio.so \\
        --presets percussion piano [--picture docs/generation.png]

DATA holds NAME-train.npz and NAME-eval.npz of sample_data.py for each preset NAME; --model NAME=FILE scores a file in
place of a preset. The network is run by the C library, whose API is called as any program would, and by the command;
flac is Debian's. `training/evaluate.py generators` is the same command.
"""
import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import sample_statistics
from sample_data import RATE_HZ, decode

BLOCK = 8000                    # samples that are scored at once


class Failure(Exception):
    """A sentence for the user."""


class LibraryError(ctypes.Structure):
    """maudio_error of core/maudio.h."""

    _fields_ = [("status", ctypes.c_int), ("message", ctypes.c_char * 256)]


class Scorer:
    """A model in the C library."""

    def __init__(self, library, path):
        try:
            self.lib = ctypes.CDLL(str(library))
        except OSError as error:
            raise Failure(f"{library}: cannot be loaded: {error}") from error
        self.lib.maudio_generator_free.argtypes = [ctypes.c_void_p]
        self.lib.maudio_generator_reset.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
        self.lib.maudio_generator_score.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
        self.model = self.make(self.lib.maudio_model_open, str(path).encode())

    def make(self, function, argument):
        made, error = ctypes.c_void_p(), LibraryError()
        if function(argument, ctypes.byref(made), ctypes.byref(error)):
            raise Failure(error.message.decode())
        return made

    def logits(self, codes):
        """What the model expects of each sample of a piece, from silence on; (samples,) uint8 -> (samples, 256)."""
        generator = self.make(self.lib.maudio_generator_new, self.model)
        logits = np.empty((len(codes), 256), np.float32)
        for at in range(0, len(codes), BLOCK):
            block = np.ascontiguousarray(codes[at:at + BLOCK])
            part = logits[at:at + BLOCK]
            self.lib.maudio_generator_score(generator, block.ctypes.data, len(block), part.ctypes.data)
        self.lib.maudio_generator_free(generator)
        return logits

    def bits(self, codes):
        """Bits that each sample of a piece, from silence on, costs; (samples,) uint8 -> (samples,)."""
        scores = self.logits(codes)
        scores -= scores.max(1, keepdims=True)
        return (np.log(np.exp(scores).sum(1)) - scores[np.arange(len(codes)), codes]) / np.log(2)


def read_pieces(path, minutes):
    """-> all codes of the first minutes, and the pieces in them."""
    if not Path(path).exists():
        raise Failure(f"{path}: does not exist; make it with training/sample_data.py")
    with np.load(path) as archive:
        codes, starts = archive["codes"], archive["starts"]
    codes = codes[:round(minutes * 60 * RATE_HZ)]
    return codes, np.split(codes, starts[(starts > 0) & (starts < len(codes))])


def histogram_bits(train, held_out):
    """What a code of each value costs by its frequency in the training data."""
    counts = np.bincount(train, minlength=256) + 1.0
    return float(np.mean(-np.log2(counts / counts.sum())[held_out]))


def flac_bits(codes):
    """FLAC at its best, with what lies outside its streamable subset: the codes as a signal of 8 bits."""
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder) / "x.raw", Path(folder) / "x.flac"
        (codes.astype(np.int16) - 128).astype(np.int8).tofile(raw)
        form = ("--force-raw-format", "--endian=little", "--sign=signed", "--channels=1", "--bps=8", f"--sample-rate={RATE_HZ}")
        run(["flac", "--silent", "--lax", "-8", "-e", "-p", "-l", "32", "-r", "15", *form, "-o", out, raw])
        return 8 * out.stat().st_size / len(codes)


def run(command):
    try:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise Failure(f"{command[0]}: cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Failure(f"{' '.join(map(str, command))}: exit status {done.returncode}: {done.stdout.strip()[-300:]}")


def generate(maudio, path, seeds, seconds, temperature, folder):
    """Clips that the command makes up, from silence on; kept in `folder`."""
    import soundfile

    def one(seed):
        out = Path(folder) / f"{Path(path).stem}-{seed}.wav"
        run([maudio, "generate", "--model", path, "--seconds", seconds, "--seed", seed, "--temperature", temperature, "--quiet",
             out])
        return soundfile.read(out, dtype="float64")[0]

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, seeds))


def score(name, path, args):
    """One preset -> its row of bits, its table of clips, and the clips."""
    data = Path(args.data)
    train, _ = read_pieces(data / f"{name}-train.npz", 1e9)
    codes, pieces = read_pieces(data / f"{name}-eval.npz", args.minutes)
    scorer = Scorer(args.library, path)
    with ThreadPoolExecutor(2) as pool:
        bits = float(np.mean(np.concatenate(list(pool.map(scorer.bits, pieces)))))
    row = {"bits": bits, "histogram": histogram_bits(train, codes), "flac": flac_bits(codes)}
    codes, pieces = read_pieces(data / f"{name}-eval.npz", 1e9)
    length = round(args.seconds * RATE_HZ)
    firsts = np.cumsum([0] + [len(p) for p in pieces])[:args.clips]
    real = [decode(codes[at:at + length]) for at in firsts if at + length <= len(codes)]
    if len(real) < args.clips:
        raise Failure(f"{data}/{name}-eval.npz: {len(real)} clips of {args.seconds:g} s, {args.clips} are needed")
    with tempfile.TemporaryDirectory() as folder:
        made = generate(args.maudio, path, range(1, args.clips + 1), args.seconds, args.temperature, args.keep or folder)
    row["clips"] = {kind: [sample_statistics.measure(x) for x in clips] for kind, clips in (("real", real), ("made", made))}
    return row, real, made


def report(args):
    models = {name: f"{args.preset_folder}/{name}.safetensors" for name in args.presets}
    models |= dict(pair.split("=", 1) for pair in args.model)
    if args.keep:
        Path(args.keep).mkdir(parents=True, exist_ok=True)
    rows, columns = {}, {}
    for name, path in models.items():
        rows[name], columns[f"{name}, held-out"], columns[f"{name}, generated"] = score(name, path, args)
    print("| bits a sample | network | FLAC | histogram |\n| --- | --- | --- | --- |")
    for name, row in rows.items():
        print(f"| {name} | {row['bits']:.3f} | {row['flac']:.3f} | {row['histogram']:.3f} |")
    for name, row in rows.items():
        print(f"\n### {name}: {args.clips} clips of {args.seconds:g} s\n")
        print(sample_statistics.table(row["clips"]["real"], row["clips"]["made"]))
    if args.picture:
        sample_statistics.picture(args.picture, columns)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")


def main(arguments=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True)
    p.add_argument("--maudio", default="build/cli/maudio")
    p.add_argument("--presets", nargs="*", default=[])
    p.add_argument("--model", nargs="*", default=[], metavar="NAME=FILE")
    p.add_argument("--json", help="file to write all figures to")
    p.add_argument("--library", default="build/core/libmaudio.so", help="the C library")
    p.add_argument("--preset-folder", default="presets", help="where NAME.safetensors of --presets are")
    p.add_argument("--minutes", type=float, default=5.0, help="held-out audio whose bits are counted")
    p.add_argument("--clips", type=int, default=30)
    p.add_argument("--seconds", type=float, default=10.0, help="length of a clip")
    p.add_argument("--temperature", type=float, default=1.0)
    p.add_argument("--keep", help="folder for the generated clips")
    p.add_argument("--picture", help="PNG to write spectrograms to")
    try:
        report(p.parse_args(arguments))
    except Failure as failure:
        sys.exit(f"sample_evaluate.py: {failure}")


if __name__ == "__main__":
    main()

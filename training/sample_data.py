"""Audio to train generators on: a bank of sounds, and pieces that are composed for it and rendered.

    python training/sample_data.py bank percussion percussion.npz
    python training/sample_data.py bank piano piano.npz
    python training/sample_data.py render percussion.npz train.npz --part train --minutes 600
    python training/sample_data.py render percussion.npz eval.npz --part eval --minutes 5 [--wav FOLDER]

The banks come from Debian's hydrogen-drumkits, hydrogen-data, sonic-pi-samples, fluidsynth and fluid-soundfont-gm. The
same bank, part and minutes give the same samples, with any number of processes. `eval` has other pieces than `train`, and
for percussion other kits; `known` has other pieces by the kits of `train`. An output holds `codes`, mu-law of 8 bits at
16 kHz, and `starts`, where the pieces begin.
"""
import argparse
import json
import multiprocessing
import os

import numpy as np

import sample_drums
import sample_piano

RATE_HZ = 16000
SILENCE = 128
PARTS = {"train": 1, "eval": 2, "known": 3}


def encode(x):
    """Samples -> codes of mu-law, docs/model-format.md."""
    x = np.clip(x, -1, 1)
    u = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    return np.floor((u + 1) / 2 * 255 + 0.5).astype(np.uint8)


def decode(codes):
    u = 2 * codes.astype(np.float64) / 255 - 1
    return np.sign(u) * (256 ** np.abs(u) - 1) / 255


def read_audio(path):
    """Any file as mono at 16 kHz."""
    import soundfile
    import soxr
    x, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return soxr.resample(x.mean(1), rate, RATE_HZ, "VHQ")


def write_bank(args):
    if args.kind == "percussion":
        index, audio = sample_drums.read_bank(read_audio, args.hydrogen, args.sonic_pi)
    else:
        index, audio = sample_piano.read_bank(read_audio, args.soundfont)
    np.savez_compressed(args.out, audio=audio, index=json.dumps(index), kind=args.kind)
    print(f"{args.out}: {len(index)} sounds, {len(audio) / RATE_HZ:.0f} s")


def open_bank(path):
    """-> a function (rng, part) that composes and renders one piece."""
    with np.load(path) as archive:
        kind, index, audio = str(archive["kind"]), json.loads(str(archive["index"])), archive["audio"]
    if kind == "percussion":
        kits = sample_drums.load_kits(index, audio)
        return lambda rng, part: sample_drums.compose(rng, kits, part)
    notes = sample_piano.load_notes(index, audio)
    return lambda rng, part: sample_piano.compose(rng, notes, part)


def finish(rng, x):
    """A short gap before the piece, its peak at 0.5 to 0.9, and its codes."""
    n = min(len(x), 400)
    x[len(x) - n:] *= np.linspace(1, 0, n)
    x *= rng.uniform(0.5, 0.9) / max(1e-3, np.abs(x).max())
    gap = np.full(round(rng.uniform(0.0, 0.15) * RATE_HZ), SILENCE, np.uint8)
    return np.concatenate([gap, encode(x)])


def begin_worker(path):
    global compose
    compose = open_bank(path)


def make_piece(job):
    part, number = job
    rng = np.random.default_rng((PARTS[part], number))
    return finish(rng, compose(rng, part))


def render(args):
    wanted, pieces, total = round(args.minutes * 60 * RATE_HZ), [], 0
    jobs = ((args.part, number) for number in range(1 << 30))
    with multiprocessing.Pool(args.processes, begin_worker, (args.bank,)) as pool:
        while total < wanted:
            batch = [next(jobs) for _ in range(8 * args.processes)]
            for piece in pool.map(make_piece, batch, chunksize=4):
                if total < wanted:
                    pieces.append(piece)
                    total += len(piece)
    starts = np.cumsum([0] + [len(p) for p in pieces[:-1]])
    np.savez(args.out, codes=np.concatenate(pieces)[:wanted], starts=starts)
    print(f"{args.out}: {len(pieces)} pieces, {wanted / RATE_HZ / 60:.1f} minutes")
    if args.wav:
        import soundfile
        os.makedirs(args.wav, exist_ok=True)
        for number, piece in enumerate(pieces):
            soundfile.write(os.path.join(args.wav, f"{number:03d}.wav"), decode(piece), RATE_HZ)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = p.add_subparsers(required=True)
    bank = verbs.add_parser("bank", help="collect the sounds")
    bank.add_argument("kind", choices=("percussion", "piano"))
    bank.add_argument("out")
    bank.add_argument("--hydrogen", default="/usr/share/hydrogen/data/drumkits")
    bank.add_argument("--sonic-pi", default="/usr/share/sonic-pi/samples")
    bank.add_argument("--soundfont", default="/usr/share/sounds/sf2/FluidR3_GM.sf2")
    bank.set_defaults(run=write_bank)
    made = verbs.add_parser("render", help="make pieces")
    made.add_argument("bank")
    made.add_argument("out")
    made.add_argument("--part", choices=PARTS, required=True)
    made.add_argument("--minutes", type=float, required=True)
    made.add_argument("--processes", type=int, default=os.cpu_count())
    made.add_argument("--wav", help="folder to write the pieces to as well")
    made.set_defaults(run=render)
    args = p.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

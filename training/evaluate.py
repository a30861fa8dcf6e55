#!/usr/bin/env python3
"""Score denoisers side by side: same files, same run, one Markdown table.

    python training/evaluate.py --audio ROOT --peers DIR --maudio build/cli/maudio --presets voice voice-live
    python training/evaluate.py --set PAIRS --checkpoint RUN/checkpoint.pt --peers DIR --systems gtcrn

The files are the set of training/evalset.py, made from ROOT, and/or folders
PAIRS with noisy/NAME.wav and clean/NAME.wav at any rate. Systems read and
write WAV files at the rate of the input; scores are taken at 16 kHz.

DIR of --peers holds denoise.py (gtcrn, dtln, dfn3) and dnsmos_p835.onnx; RNNoise comes
from the package pyrnnoise where that is installed. Presets and --model files
run through the maudio command, --checkpoint files (.pt of train.py, or
.safetensors) through training/model.py.

    python training/evaluate.py generators --data DATA --presets percussion piano

scores generators instead: training/sample_evaluate.py.
"""
import argparse
import hashlib
import json
import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf

import sample_evaluate
from cards import below_cards
from dnsmos import Dnsmos
from evalset import RATE, Item, evalset
from systems import (PEER_LATENCY_MS, Failure, System, checkpoint_system, maudio_systems, output_of, peer_systems,
                     resample)

SETTLE_S = 1.0                  # noise alone: time to adapt before the attenuation is measured
METRICS = ("pesq", "stoi", "si_sdr_db", "sig", "bak", "ovrl")
SCORES_VERSION = "1"            # part of the key of cached scores


# Sets

def pairs(folder):
    """Items of a folder with noisy/NAME.wav and clean/NAME.wav, at their own rate: list of (Item, rate)."""
    found = []
    for noisy_path in sorted((Path(folder) / "noisy").glob("*.wav")):
        clean_path = Path(folder) / "clean" / noisy_path.name
        if not clean_path.exists():
            raise Failure(f"{clean_path}: does not exist, but {noisy_path} does")
        (noisy, rate), (clean, clean_rate) = (sf.read(p, dtype="float32") for p in (noisy_path, clean_path))
        if noisy.ndim != 1 or noisy.shape != clean.shape or rate != clean_rate:
            raise Failure(f"{noisy_path}: is not mono, or differs from {clean_path} in length or rate")
        found.append((Item(noisy_path.stem, noisy, clean, frozenset(["mix"])), rate))
    if not found:
        raise Failure(f"{folder}: no noisy/*.wav")
    return found


# Scores

def si_sdr_db(estimate, target):
    """Scale-invariant signal-to-distortion ratio; (samples,) each; Le Roux et al. 2019."""
    estimate, target = np.float64(estimate), np.float64(target)
    wanted = target * (estimate @ target) / (target @ target)
    return 10 * np.log10((wanted @ wanted + 1e-20) / (np.sum((estimate - wanted) ** 2) + 1e-20))


DNSMOS = None       # of this worker process, if the peers' folder has it


def start_worker(dnsmos_path):
    global DNSMOS
    DNSMOS = Dnsmos(dnsmos_path) if dnsmos_path else None


def scores(estimate, clean, noisy, tags):
    """The scores of one output at 16 kHz, by the kind of item; (samples,) each."""
    from pesq import pesq
    from pystoi import stoi
    if "noise" in tags:
        a = round(SETTLE_S * RATE)
        power = [np.mean(np.square(x[a:], dtype=np.float64)) for x in (noisy, estimate)]
        return {"attenuation_db": float(10 * np.log10(power[0] / max(power[1], 1e-10)))}    # -100 dBFS is silence
    if not estimate.any():
        raise Failure("the output is silent")
    result = {"pesq": float(pesq(RATE, clean, estimate, "wb"))}
    if "mix" in tags:
        result |= {"stoi": float(stoi(clean, estimate, RATE)), "si_sdr_db": float(si_sdr_db(estimate, clean))}
        if DNSMOS:
            result |= DNSMOS(estimate)
    return result


def score(job):
    """scores() through the cache; job: (system name, item, estimate, rate, cache folder)."""
    name, item, estimate, rate, cache = job
    signals = [np.float32(resample(x, rate, RATE)) for x in (estimate, item.clean, item.noisy)]
    key = hashlib.sha1(b"".join(x.tobytes() for x in signals))
    key.update(f"{SCORES_VERSION} {sorted(item.tags)} {DNSMOS is not None}".encode())
    kept = Path(cache) / "scores" / f"{key.hexdigest()}.json" if cache else None
    if kept and kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    try:
        result = scores(*signals, item.tags)
    except Exception as error:      # the exceptions of pesq share no narrower class
        raise Failure(f"{name}: {item.name} cannot be scored: {error}") from error
    if kept:
        kept.write_text(json.dumps(result), encoding="utf-8")
    return result


def realtime_factor(system, folder, items):
    """Processor time of the whole process over the length of its input, 60 s at 48 kHz."""
    rate = 48000
    x = np.concatenate([resample(item.noisy, item_rate, rate) for item, item_rate in items])
    x = np.resize(x, 60 * rate)
    source, target = (Path(folder) / f"long-{kind}.wav" for kind in ("in", "out"))
    sf.write(source, x, rate, subtype="PCM_16")

    def spent():
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used)

    before = spent()
    system.run(source, target)
    return (spent() - before) / 60


# Report

def interval(difference):
    """Mean of (items,) and its 95% interval by the bootstrap."""
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(difference), (10000, len(difference)))
    low, high = np.percentile(difference[picks].mean(1), [2.5, 97.5])
    return f"{difference.mean():+.2f} ({low:+.2f} to {high:+.2f})"


def column(results, name, items, metric, select):
    """One metric of one system over the chosen items: (items,), empty where there is none."""
    return np.array([r[metric] for r, (item, _) in zip(results[name], items) if select(item.tags) and metric in r])


CATEGORIES = {
    "dry, noise": lambda t: t == {"mix"}, "reverb": lambda t: "reverb" in t,
    "music": lambda t: "music" in t, "low level": lambda t: "low" in t,
}


def mark(row):
    return "| " + " | ".join(row) + " |"


def table(header, rows):
    return "\n".join([mark(header), mark(["---"] * len(header)), *map(mark, rows)])


def report(title, items, latencies, results, reference, speeds):
    """Markdown: the mixtures, then by category."""
    mixed = lambda tags: "mix" in tags
    digits = {"stoi": 3, "si_sdr_db": 1}
    shown = [m for m in METRICS if len(column(results, "noisy", items, m, mixed))]
    title_of = {"pesq": "PESQ-WB", "stoi": "STOI", "si_sdr_db": "SI-SDR dB", "sig": "SIG", "bak": "BAK", "ovrl": "OVRL"}
    compare = ["pesq", "si_sdr_db"] if reference in results else []
    header = ["system", "latency ms"] + [title_of[m] for m in shown]
    header += [f"{title_of[m]} against {reference} (95%)" for m in compare] + (["CPU/realtime"] if speeds else [])
    rows = []
    for name in results:
        row = [name, f"{latencies[name]:g}" if latencies[name] is not None else "-"]
        row += [f"{column(results, name, items, m, mixed).mean():.{digits.get(m, 2)}f}" for m in shown]
        for m in compare:
            a, b = (column(results, n, items, m, mixed) for n in (name, reference))
            row.append(interval(a - b) if name != reference else "")
        rows.append(row + ([f"{speeds[name]:.3f}" if name in speeds else ""] if speeds else []))
    n = sum("mix" in item.tags for item, _ in items)
    text = [f"### {title}: {n} mixtures", table(header, rows)]

    kinds = {k: f for k, f in CATEGORIES.items() if any(f(item.tags) for item, _ in items)}
    if len(kinds) > 1:
        count = {k: sum(f(item.tags) for item, _ in items) for k, f in kinds.items()}
        header = ["PESQ-WB / SI-SDR dB"] + [f"{k} ({count[k]})" for k in kinds]
        header += ["clean in, PESQ-WB", "noise alone, attenuation dB"]
        rows = []
        for name in results:
            row = [name]
            for f in kinds.values():
                p, s = (column(results, name, items, m, f).mean() for m in ("pesq", "si_sdr_db"))
                row.append(f"{p:.2f} / {s:.1f}")
            row.append(f"{column(results, name, items, 'pesq', lambda t: 'clean' in t).mean():.2f}")
            row.append(f"{column(results, name, items, 'attenuation_db', lambda t: 'noise' in t).mean():.1f}")
            rows.append(row)
        text.append(table(header, rows))
    return "\n\n".join(text)


def evaluate(title, items, systems, args, pool):
    """Run and score every system on `items`: (Markdown, entry of the JSON file)."""
    results, speeds = {}, {}
    noisy = System("noisy", None, None, None)
    with tempfile.TemporaryDirectory() as folder:
        for system in [noisy, *systems]:
            jobs = []
            for item, rate in items:
                y = item.noisy if system is noisy else output_of(system, item, rate, args.cache, folder)
                jobs.append(pool.submit(score, (system.name, item, y, rate, args.cache)))
            results[system.name] = [job.result() for job in jobs]
            if args.speed and system is not noisy:
                speeds[system.name] = realtime_factor(system, folder, items)
            print(f"{title}: {system.name} done", file=sys.stderr)
    latencies = {s.name: s.latency_ms for s in [noisy, *systems]}
    text = report(title, items, latencies, results, args.reference, speeds)
    described = [{"name": item.name, "tags": sorted(item.tags), **item.about} for item, _ in items]
    return text, {"set": title, "items": described, "latency_ms": latencies, "cpu_per_realtime": speeds,
                  "scores": results}


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--audio", metavar="ROOT", help="folder with eval/speech, eval/noise, eval/music")
    p.add_argument("--seed", type=int, default=1, help="of the set made from ROOT (default 1)")
    p.add_argument("--set", metavar="PAIRS", action="append", default=[],
                   help="folder with noisy/*.wav and clean/*.wav; may be repeated")
    p.add_argument("--peers", metavar="DIR", help="folder with denoise.py and dnsmos_p835.onnx")
    p.add_argument("--systems", nargs="*", default=list(PEER_LATENCY_MS), help="peers to run (default all)")
    p.add_argument("--maudio", metavar="COMMAND", help="path of the maudio command")
    p.add_argument("--presets", nargs="*", default=[], help="presets to run")
    p.add_argument("--model", nargs="*", default=[], help="model files to run through the command")
    p.add_argument("--warm-up", type=float, metavar="SECONDS",
                   help="of each file, heard before it by --presets and --model (maudio process --warm-up)")
    p.add_argument("--checkpoint", nargs="*", default=[], help="checkpoints or model files to run in PyTorch")
    p.add_argument("--reference", default="gtcrn", help="system that the others are compared with (default gtcrn)")
    p.add_argument("--cache", metavar="DIR", help="keep peers' outputs and all scores here, for the next run")
    p.add_argument("--jobs", type=int, default=1, help="processes that score (default 1)")
    p.add_argument("--no-dnsmos", action="store_true", help="leave out DNSMOS, nine tenths of the time of scoring")
    p.add_argument("--speed", action="store_true", help="measure processor time on 60 s at 48 kHz as well")
    p.add_argument("--json", metavar="OUT", help="write every score of every item here")
    p.add_argument("--check-cards", action="store_true",
                   help="exit with 1 if a preset scores below its card; VoiceBank+DEMAND is a --set named vbd")
    args = p.parse_args()
    if not (args.audio or args.set):
        p.error("give --audio or --set")
    unknown = set(args.systems) - set(PEER_LATENCY_MS)
    if unknown:
        p.error(f"unknown peer {', '.join(sorted(unknown))}: there are {', '.join(PEER_LATENCY_MS)}")
    return args


def main():
    args = parse()
    if args.cache:
        (Path(args.cache) / "scores").mkdir(parents=True, exist_ok=True)
    systems = peer_systems(args.peers, args.systems) if args.peers else []
    options = ["--warm-up", str(args.warm_up)] if args.warm_up else []
    systems += maudio_systems(args.maudio, args.presets, args.model, options)
    systems += [checkpoint_system(path) for path in args.checkpoint]
    names = [s.name for s in systems]
    if len(set(names)) != len(names):
        raise Failure(f"a system is listed twice: {', '.join(names)}")
    sets = {Path(folder).name: pairs(folder) for folder in args.set}
    if args.audio:
        sets = {f"evalset, seed {args.seed}": [(item, RATE) for item in evalset(args.audio, args.seed)]} | sets
    dnsmos = Path(args.peers) / "dnsmos_p835.onnx" if args.peers and not args.no_dnsmos else None
    entries = []
    with ProcessPoolExecutor(args.jobs, initializer=start_worker, initargs=(dnsmos,)) as pool:
        for title, items in sets.items():
            text, entry = evaluate(title, items, systems, args, pool)
            entries.append(entry)
            print(text + "\n", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(entries, indent=1), encoding="utf-8")
    if args.check_cards:
        below = below_cards(entries, args.presets)
        if below:
            raise Failure("\n".join(below))


if __name__ == "__main__":
    if sys.argv[1:2] == ["generators"]:
        sys.exit(sample_evaluate.main(sys.argv[2:]))
    try:
        main()
    except Failure as failure:
        sys.exit(f"evaluate.py: {failure}")

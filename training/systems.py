"""Denoisers as commands: presets and model files of maudio, checkpoints of train.py, published peers."""
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

import numpy as np
import soundfile as sf
from scipy.signal import resample_poly

PEER_LATENCY_MS = {"gtcrn": 32, "dtln": 32, "dfn3": 40, "rnnoise": 30}
RNNOISE_DELAY = 960             # samples at 48 kHz that rnnoise 0.2 puts out before the first of the input


class Failure(Exception):
    """A sentence for the user."""


@dataclass
class System:
    """Something that denoises one WAV file into another of the same rate and length."""

    name: str
    latency_ms: Optional[float]
    run: Callable               # (path in, path out) -> None
    version: Optional[str]      # key of its cached output; None: run it every time

def call(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        raise Failure(f"{command[0]}: cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Failure(f"{shlex.join(map(str, command))}: exit status {done.returncode}: {done.stdout.strip()[-500:]}")


def command_system(name, latency_ms, command, version=None):
    return System(name, latency_ms, lambda a, b: call([*command, a, b]), version)


def resample(x, rate, to):
    g = np.gcd(rate, to)
    return x if rate == to else resample_poly(x, to // g, rate // g)


def array_system(name, latency_ms, rate, denoise, version=None):
    """A system from denoise: (samples,) at `rate` -> (samples,)."""
    def run(source, target):
        x, rate_in = sf.read(source, dtype="float32")
        y = resample(denoise(resample(x, rate_in, rate)), rate, rate_in)
        sf.write(target, y[:len(x)], rate_in, subtype="FLOAT")
    return System(name, latency_ms, run, version)


def peer_systems(folder, wanted):
    script = Path(folder) / "denoise.py"
    if not script.exists():
        raise Failure(f"{script}: does not exist")
    digest = hashlib.sha1(script.read_bytes()).hexdigest()
    systems = [command_system(name, PEER_LATENCY_MS[name], [sys.executable, script, name], f"{name}-{digest}")
               for name in ("gtcrn", "dtln", "dfn3") if name in wanted]
    if "rnnoise" in wanted:
        if importlib.util.find_spec("pyrnnoise"):
            systems.append(rnnoise())
        else:
            print("rnnoise is left out: the package pyrnnoise is not installed", file=sys.stderr)
    return systems


def rnnoise():
    import ctypes
    from pyrnnoise.rnnoise import FRAME_SIZE, create, destroy, lib

    def denoise(x):
        state = create()
        n = len(x) + RNNOISE_DELAY
        frames = np.pad(x * 32768, (0, n - len(x) + -n % FRAME_SIZE)).astype(np.float32).reshape(-1, FRAME_SIZE)
        for frame in frames:
            samples = frame.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            lib.rnnoise_process_frame(state, samples, samples)
        destroy(state)
        return frames.reshape(-1)[RNNOISE_DELAY:n] / 32768

    version = importlib.metadata.version("pyrnnoise")
    return array_system("rnnoise", PEER_LATENCY_MS["rnnoise"], 48000, denoise, f"rnnoise-{version}-{RNNOISE_DELAY}")


def read_model(path):
    """(config, state_dict) of a checkpoint of train.py or a model file."""
    import torch
    if not Path(path).exists():
        raise Failure(f"{path}: does not exist")
    if Path(path).suffix == ".safetensors":
        from safetensors import safe_open
        with safe_open(path, "pt") as f:
            return json.loads(f.metadata()["maudio"]), {k: f.get_tensor(k).float() for k in f.keys()}
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return saved["config"], saved["model"]


def latency_ms(config):
    front = config["front_end"]
    return 0 if "steer" in config else (2 + front.get("lookahead", 0)) * front["hop_ms"]


def checkpoint_system(path):
    import torch
    from steer_model import denoiser_of
    torch.set_num_threads(1)
    config, state = read_model(path)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = denoiser_of(config).to(device).eval()
    net.load_state_dict(state)

    def denoise(x):
        with torch.inference_mode():
            return net(torch.from_numpy(np.float32(x))[None].to(device))[0].cpu().numpy()

    return array_system(str(path), latency_ms(config), config["front_end"]["rate_hz"], denoise)


def preset_file(name):
    folders = os.environ.get("MAUDIO_PRESETS", "").split(":") + [Path(__file__).parent.parent / "presets"]
    files = (Path(folder) / f"{name}.safetensors" for folder in folders if folder)
    return next((f for f in files if f.exists()), None)


def maudio_systems(command, presets, models, options=()):
    """Presets and model files run by the command, with more options of `process` if given."""
    if (presets or models) and not command:
        raise Failure("--presets and --model need --maudio, the path of the command")
    systems = []
    for name in presets:
        path = preset_file(name)
        latency = latency_ms(read_model(path)[0]) if path else None
        systems.append(command_system(name, latency, [command, "process", *options, "--preset", name]))
    for path in models:
        latency = latency_ms(read_model(path)[0])
        systems.append(command_system(str(path), latency, [command, "process", *options, "--model", path]))
    return systems


def output_of(system, item, rate, cache, folder):
    """What `system` makes of an item: (samples,)."""
    source, target = (Path(folder) / f"{kind}.wav" for kind in ("in", "out"))
    sf.write(source, item.noisy, rate, subtype="PCM_16")
    kept = None
    if cache and system.version:
        key = hashlib.sha1(source.read_bytes() + system.version.encode()).hexdigest()
        kept = target = Path(cache) / "audio" / f"{key}.wav"
        kept.parent.mkdir(parents=True, exist_ok=True)
    if not (kept and kept.exists()):
        part = target.with_suffix(".part.wav")
        part.unlink(missing_ok=True)
        system.run(source, part)
        if not part.exists():
            raise Failure(f"{system.name}: wrote no file for {item.name}")
        part.replace(target)
    y, rate_out = sf.read(target, dtype="float32")
    if rate_out != rate or y.shape != item.noisy.shape:
        raise Failure(f"{system.name}: {item.name} went in with {item.noisy.shape} samples at {rate} Hz "
                      f"and came out with {y.shape} at {rate_out} Hz")
    if not np.isfinite(y).all():
        raise Failure(f"{system.name}: {item.name} came out with samples that are not finite")
    return y

"""Compares the logits of shipped generators, fed with held-out audio, in the C library and in PyTorch.

    python training/test_generators.py --library build/core/libmaudio.so [--data DATA] presets/percussion.safetensors ...

DATA holds NAME-eval.npz of sample_data.py; without it, tests/audio/noisy.wav is played to them.
"""
import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from safetensors import safe_open

from sample_data import encode
from sample_evaluate import Scorer
from sample_model import Generator

N_SAMPLES = 16000
LIMIT = 1e-3                    # of a logit, in float32; the activations of avx2 and avx512vnni are integers


def network_of(path):
    """The network of a model file; weights in int8 times the scales of their rows."""
    with safe_open(path, "pt") as f:
        config = json.loads(f.metadata()["maudio"])
        tensors = {name: f.get_tensor(name).float() for name in f.keys()}
    for name in [n for n in tensors if n.endswith(".scale") and n.removesuffix(".scale") in tensors]:
        tensors[name.removesuffix(".scale")] *= tensors.pop(name).unsqueeze(1)
    network = Generator(config)
    network.load_state_dict(tensors)
    return network.eval()


def codes_of(name, data):
    if data:
        with np.load(Path(data) / f"{name}-eval.npz") as archive:
            return archive["codes"][:N_SAMPLES]
    audio, rate = sf.read(Path(__file__).parent.parent / "tests/audio/noisy.wav")
    return encode(audio[::round(rate / 16000)][:N_SAMPLES]).astype(np.uint8)


@torch.no_grad()
def greatest_difference(library, path, codes):
    network, scorer = network_of(path), Scorer(library, path)
    tokens = torch.from_numpy(np.concatenate([[128], codes[:-1]]).astype(np.int64)).unsqueeze(0)
    expected = network(tokens, network.zero_state(1, "cpu"))[0][0].numpy()
    return np.abs(scorer.logits(codes) - expected).max(), np.abs(expected).max()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("presets", nargs="+", type=Path, metavar="preset")
    p.add_argument("--library", required=True, help="libmaudio.so")
    p.add_argument("--data", help="folder with NAME-eval.npz")
    args = p.parse_args()
    os.environ.setdefault("MAUDIO_KERNELS", "scalar")
    off = False
    for path in args.presets:
        difference, most = greatest_difference(args.library, path, codes_of(path.stem, args.data))
        kernels = os.environ["MAUDIO_KERNELS"]
        print(f"{path.stem}: logits up to {most:.1f} differ by at most {difference:.2g}, {kernels} kernels")
        off |= difference > LIMIT
    sys.exit(1 if off else 0)


if __name__ == "__main__":
    main()

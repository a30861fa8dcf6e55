"""Checks the generators' network, data and training on the CPU, in less than a minute.

    python training/test_sample.py
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

from export import export
from sample_data import decode, encode
from sample_model import N_CODES, Generator, bits
from sample_train import Reader

HERE = os.path.dirname(os.path.abspath(__file__))
MAMBA2 = {"mixer": "mamba2", "d_inner": 32, "d_state": 8, "headdim": 16}
CONFIG = {
    "format_version": "1.1", "name": "tiny", "task": "generate", "licence": "CC0-1.0",
    "front_end": {"type": "sample", "rate_hz": 16000, "encoding": "mu-law"}, "norm_eps": 1e-5,
    "tiers": [{"d_model": 16, "blocks": [MAMBA2, {"mixer": "mlp", "d_hidden": 24}]},
              {"pool": 4, "d_model": 24, "blocks": [MAMBA2, {"mixer": "mlp", "d_hidden": 24}]},
              {"pool": 2, "d_model": 32, "blocks": [MAMBA2]}],
}


def check_codes():
    codes = np.arange(N_CODES, dtype=np.uint8)
    assert (encode(decode(codes)) == codes).all()
    assert encode(np.array([-2.0, -1.0, 0.0, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]


@torch.no_grad()
def check_network():
    """In segments as at once, and no step depends on later tokens."""
    torch.manual_seed(1)
    network = Generator(CONFIG)
    tokens = torch.randint(N_CODES, (2, 160))
    whole, _ = network(tokens, network.zero_state(2, "cpu"))
    state, parts = network.zero_state(2, "cpu"), []
    for part in tokens.split(32, 1):
        logits, state = network(part, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-5, atol=1e-5)
    for at in (41, 77):
        other = tokens.clone()
        other[:, at] = (other[:, at] + 99) % N_CODES
        changed = (network(other, network.zero_state(2, "cpu"))[0] - whole).abs().amax((0, 2))
        assert changed[:at].max() == 0 and changed[at] > 0


def write_tones(path, seconds, seed):
    """Pieces of tones that die away."""
    rng = np.random.default_rng(seed)
    t = np.arange(8000) / 16000
    pieces = [encode(0.7 * np.exp(-5 * t) * np.sin(2 * np.pi * rng.uniform(200, 900) * t)) for _ in range(2 * seconds)]
    np.savez(path, codes=np.concatenate(pieces), starts=8000 * np.arange(len(pieces)))


def check_reader(path):
    """Lanes go on where they ended, and begin with silence where they jump."""
    reader = Reader(path, 4, 512, 0.3, "cpu", 1)
    last = None
    for _ in range(20):
        codes, before, goes_on = reader.batch()
        assert codes.shape == (4, 512) and (before[~goes_on] == 128).all()
        if last is not None:
            assert (before[goes_on, 0] == last[goes_on]).all()
        last = codes[:, -1]


def check_training(folder):
    """It learns, a resumed run goes on, and its weights can be exported."""
    config, out = os.path.join(folder, "tiny.json"), os.path.join(folder, "run")
    with open(config, "w", encoding="utf-8") as f:
        f.write(repr(CONFIG).replace("'", '"'))
    command = [sys.executable, os.path.join(HERE, "sample_train.py"), "--config", config, "--data", f"{folder}/train.npz",
               "--check", f"{folder}/eval.npz", "--out", out, "--minutes", "1", "--batch", "4", "--samples", "512",
               "--average", "0.9", "--lr", "1e-2", "--no-compile", "--pause"]
    found = []
    for more in (["0.2"], ["0.1", "--resume", f"{out}/checkpoint.pt"]):
        subprocess.run(command + more, check=True)
        found.append(torch.load(f"{out}/checkpoint.pt", weights_only=True))
    assert found[1]["step"] > found[0]["step"] and found[1]["elapsed"] > found[0]["elapsed"]
    network = Generator(CONFIG)
    network.load_state_dict(found[1]["model"])
    with np.load(f"{folder}/eval.npz") as archive:
        codes = torch.from_numpy(archive["codes"][:8000]).long().unsqueeze(0)
    tokens = torch.nn.functional.pad(codes[:, :-1], (1, 0), value=128)
    with torch.no_grad():
        value = bits(network(tokens, network.zero_state(1, "cpu"))[0], codes).item()
    print(f"{found[1]['step']} steps: {value:.2f} bits a sample")
    assert value < 7.5                                   # a uniform guess costs 8
    export(f"{folder}/tiny.safetensors", CONFIG, found[1]["model"], "float16")


if __name__ == "__main__":
    check_codes()
    check_network()
    with tempfile.TemporaryDirectory() as scratch:
        write_tones(f"{scratch}/train.npz", 30, 1)
        write_tones(f"{scratch}/eval.npz", 3, 2)
        check_reader(f"{scratch}/train.npz")
        check_training(scratch)
    print("good")

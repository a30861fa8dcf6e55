"""Checks on the CPU that a network whose blocks are split says what it said before, and that taps stay where they were.

    python training/test_split.py
"""
import sys

import torch

from model import Denoiser
from split import moved, origins, split

FRONT_END = {"rate_hz": 16000, "window_ms": 32, "hop_ms": 8, "compress": 0.3, "power_floor": 1e-10,
             "band_edges": [0, 8, 20, 50, 257], "filter": {"n_bins": 50, "delays": [1, 2]}}
MAMBA = {"mixer": "mamba2", "d_inner": 32, "d_state": 16, "headdim": 16}
MLP = {"mixer": "band_mlp", "d_hidden": 8}


def denoiser(blocks):
    return Denoiser({"front_end": FRONT_END, "d_model": 16, "norm_eps": 1e-5, "blocks": blocks})


def parts(*edges):
    return [{**MAMBA, "bands": [a, b]} for a, b in zip(edges, edges[1:])]


def check_blocks(former, blocks):
    """Bands of their own, run together where they are equal parts, and layers more change nothing before training."""
    torch.manual_seed(1)
    networks = former, later = denoiser(former), denoiser(blocks)
    torch.nn.init.normal_(former.band_out.weight)
    later.load_state_dict(split(former.state_dict(), former.cfg["blocks"], later.cfg))
    noisy = 0.1 * torch.randn(2, 16000)
    with torch.no_grad():
        outputs = [network(noisy) for network in networks]
    difference = (outputs[0] - outputs[1]).abs().max().item()
    changed = (outputs[0] - noisy).abs().max().item()
    print(f"blocks {origins(blocks, former.cfg['blocks'])}, in runs of {[len(run) for run in later.runs]}: "
          f"differs by {difference:.1e}, the network changes {changed:.1e}")
    return difference < 1e-6 < changed


def check_taps():
    """Taps of a delay that stays are kept, bin by bin; others begin at 0."""
    value = torch.arange(1.0, 9.0)                                            # 2 bins of 2 taps
    result = moved(value, [1, 2], [-1, 2, 3])
    print("taps:", result.tolist())
    return result.tolist() == [0, 0, 3, 4, 0, 0, 0, 0, 7, 8, 0, 0]


if __name__ == "__main__":
    results = [
        check_blocks([MAMBA, MLP, MAMBA], [*parts(0, 1, 4), MLP, MAMBA, MLP, MAMBA]),
        check_blocks([MAMBA, MLP], [*parts(0, 2, 4), MLP]),
        check_blocks([*parts(0, 2, 4), MLP], [*parts(0, 1, 2, 3, 4), MLP, *parts(0, 2, 4), MLP]),
        check_taps(),
    ]
    sys.exit(not all(results))

"""Checks on the CPU that a network loses nothing with heads and hidden units that did nothing, and not all with others.

    python training/test_narrow.py
"""
import sys

import torch

from model import Denoiser
from narrow import narrow
from test_split import FRONT_END, MLP, parts

BLOCKS = [*parts(0, 2, 4), MLP, *parts(0, 2, 4), MLP]
NARROW = [{**block, "d_hidden": 4} if block is MLP else {**block, "d_inner": 16} for block in BLOCKS]


def denoiser(blocks):
    return Denoiser({"front_end": FRONT_END, "d_model": 16, "norm_eps": 1e-5, "blocks": blocks})


def check(what, blocks, idle, most):
    """What a network of `blocks` lacks of one that is not trained, half of whose heads and hidden units are `idle`."""
    torch.manual_seed(2)
    wide, own = denoiser(BLOCKS), denoiser(blocks)
    torch.nn.init.normal_(wide.band_out.weight)
    with torch.no_grad():
        for block in wide.backbone.layers:
            if block.cfg["mixer"] == "band_mlp":
                block.mixer.fc2.weight[:, ::2] *= not idle
            else:
                block.mixer.in_proj.weight[:16] *= not idle               # z of its first head
    noisy = 0.1 * torch.randn(4, 16000)
    own.load_state_dict(narrow(wide, own.cfg, noisy))
    with torch.no_grad():
        outputs = [network(noisy) for network in (wide, own)]
    share = (outputs[0] - outputs[1]).square().mean().sqrt() / (outputs[0] - noisy).square().mean().sqrt()
    print(f"{what}: differs by {share:.1e} of what the network changes, allowed {most:.0e}")
    return share.item() < most


if __name__ == "__main__":
    results = [
        check("half of it idle", NARROW, True, 1e-2),
        check("as wide", BLOCKS, False, 1e-2),
        check("all of it busy", NARROW, False, 0.6),
    ]
    sys.exit(not all(results))

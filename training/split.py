"""Make a denoiser to train on of a trained one that has less: blocks of some bands each, more blocks, other taps.

    python training/split.py FORMER.safetensors start.safetensors --config CONFIG.json

Blocks of some `bands` that follow each other, up to the next whose bands begin at 0, are a layer. A block of --config
begins as a copy of that of the model, in the same layer, which has its bands; layers after those of the model change
nothing at first, and taps of the filter at delays that the model lacks begin at 0.
"""
import math

import torch

from export import export, parser_of
from model import Denoiser, load_config
from shrink import kept
from systems import read_model

LAST = ("mixer.out_proj.weight", "mixer.fc2.weight", "mixer.fc2.bias")


def layered(blocks):
    """(layer, bands) of each block, all bands as infinitely many."""
    parts, layer = [], -1
    for block in blocks:
        bands = block.get("bands", [0, math.inf])
        layer += bands[0] == 0
        parts.append((layer, bands))
    return parts


def origins(blocks, former):
    """Which of the blocks `former` each of `blocks` is made of, or None."""
    olds = layered(former)
    return [next((i for i, (old, (a, b)) in enumerate(olds) if old == layer and a <= first and end <= b), None)
            for layer, (first, end) in layered(blocks)]


def split(state, former, cfg):
    """`state`, of blocks `former`, with a copy of its block for each of those of `cfg`, or a new one that adds nothing."""
    new = {n: torch.zeros_like(v) if n.endswith(LAST) else v for n, v in Denoiser(cfg).state_dict().items()}
    return new | kept(state, origins(cfg["blocks"], former))


def moved(value, old, new):
    """Taps at delays `old` of filter_out.weight (F P 2, D) or .bias (F P 2,) -> those at delays `new`, or 0."""
    taps = value.unflatten(0, (-1, len(old), 2))
    none = torch.zeros_like(taps[:, 0])
    return torch.stack([taps[:, old.index(d)] if d in old else none for d in new], 1).flatten(0, 2)


def main():
    p = parser_of(__doc__, "shares less")
    args = p.parse_args()
    old, state = read_model(args.model)
    cfg = load_config(args.config)
    if set(range(len(old["blocks"]))) - set(origins(cfg["blocks"], old["blocks"])):
        raise SystemExit(f"{args.config}: has fewer blocks than {args.model}, or other parts of them")
    delays = [c["front_end"].get("filter", {}).get("delays", []) for c in (old, cfg)]
    for name in ("filter_out.weight", "filter_out.bias"):
        if name in state:
            state[name] = moved(state[name], *delays)
    export(args.out, cfg, split(state, old["blocks"], cfg))


if __name__ == "__main__":
    main()

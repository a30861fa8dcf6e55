"""Make a smaller denoiser from a trained one, to train on: neighbouring bands become one, blocks are left out.

    python training/shrink.py FORMER.safetensors start.safetensors --config CONFIG.json --keep 0 1 2 3 6 7

The band edges of --config are some of those of the model. A joined band starts as the mean of its parts: it is read by
the same weights, so what was learnt about a band serves on. --keep lists the blocks of the model that stay.
"""

import torch

from export import export, parser_of
from model import load_config
from systems import read_model

BLOCKS = "backbone.layers"


def joined(state, old, new):
    """The tensors of `state` for band edges `new`, each one of `old`; shapes as in model.py."""
    of = torch.tensor([sum(edge <= start for edge in new) - 1 for start in old[:-1]])   # new band of each old one
    total = torch.nn.functional.one_hot(of, len(new) - 1).float().T                      # (new bands, old bands)
    mean = total / total.sum(1, keepdim=True)
    widths = torch.tensor([3 * (b - a) for a, b in zip(old, old[1:])])
    state["band_in.weight"] = state["band_in.weight"] * mean.amax(0).repeat_interleave(widths).unsqueeze(1)
    state["band_in.bias"] = mean @ state["band_in.bias"]
    for name, value in state.items():
        if name.endswith("fc1.weight"):
            state[name] = value @ total.T
        elif name.endswith(("fc2.weight", "fc2.bias")):
            state[name] = mean @ value
    return state


def kept(state, blocks):
    """`state` with copies of the blocks listed alone, numbered anew."""
    chosen = {name: value for name, value in state.items() if not name.startswith(BLOCKS)}
    for i, former in enumerate(blocks):
        start = f"{BLOCKS}.{former}."
        chosen |= {f"{BLOCKS}.{i}.{n.removeprefix(start)}": v.clone() for n, v in state.items() if n.startswith(start)}
    return chosen


def main():
    p = parser_of(__doc__, "is smaller")
    p.add_argument("--keep", type=int, nargs="+", required=True, help="blocks of the model that stay, from 0")
    args = p.parse_args()
    old, state = read_model(args.model)
    cfg = load_config(args.config)
    edges = [c["front_end"]["band_edges"] for c in (old, cfg)]
    if not set(edges[1]) <= set(edges[0]):
        raise SystemExit(f"{args.config}: its band edges are not among those of {args.model}")
    export(args.out, cfg, kept(joined(state, *edges), args.keep))


if __name__ == "__main__":
    main()

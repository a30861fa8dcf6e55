"""Make a denoiser to train on of a wider trained one: blocks with fewer heads or fewer hidden units.

    python training/narrow.py FORMER.safetensors start.safetensors --config CONFIG.json --data DATA/train

Block by block, on noisy speech: of the heads of a Mamba-2 those stay that tell most, of the hidden units of an MLP those
that would be missed most, and the last matrix of the block is fitted, so that what runs through the network comes near
to what runs through the wider one. What earlier blocks lack is made up for, too.
"""
import copy
import itertools
import pathlib

import numpy as np
import soundfile
import torch
import torch.nn.functional as F

from export import export, parser_of
from model import BandMlp, Denoiser, load_config, rms_norm
from systems import read_model

SECONDS = 4.0
SNR_DB = (-5.0, 18.0)
LEVEL_DB = (-12.0, 6.0)     # of the mixture, beside that of the sources
RIDGE = 1e-4                # of the mean square of what is fitted
MOST_ROWS = 200000          # that a fit looks at


def crops(folder, n, rng):
    """(n, samples) from anywhere in the files of `folder`, each as often as the others."""
    paths = sorted(p for p in pathlib.Path(folder).glob("*") if p.suffix in (".opus", ".flac", ".wav"))
    found = []
    for i in range(n):
        with soundfile.SoundFile(paths[i % len(paths)]) as f:
            length = round(SECONDS * f.samplerate)
            f.seek(int(rng.integers(0, max(1, f.frames - length))))
            found.append(np.resize(f.read(length, dtype="float32"), length))
    return torch.from_numpy(np.stack(found))


def noisy_speech(folder, n, rng):
    """(n, samples) of speech in noise."""
    speech, noise = (crops(f"{folder}/{kind}", n, rng) for kind in ("speech", "noise"))
    snr, level = (torch.from_numpy(10 ** (rng.uniform(*db, (n, 1)) / 20)).float() for db in (SNR_DB, LEVEL_DB))
    rms = [x.square().mean(1, keepdim=True).sqrt() + 1e-5 for x in (speech, noise)]
    return (speech + noise * rms[0] / rms[1] / snr) * level


class Fit:
    """Least squares of target (n, m) from inputs (n, k), from some of the columns of which `keep` tells."""

    def __init__(self, inputs, target):
        rows = torch.randperm(len(inputs))[:MOST_ROWS]
        x, y = inputs[rows].double(), target[rows].double()
        self.gram, self.right, self.energy = x.T @ x, x.T @ y, y.square().sum().item()

    def inverse(self, keep):
        gram = self.gram[keep][:, keep]
        return torch.linalg.inv(gram + (RIDGE * gram.diagonal().mean() + 1e-9) * torch.eye(len(keep)).double())

    def weights(self, keep):
        """(kept, m)"""
        return self.inverse(keep) @ self.right[keep]

    def left(self, keep):
        """The share of the target's energy that is left."""
        w = self.weights(keep)
        return 1 - (2 * (w * self.right[keep]).sum() - (w * (self.gram[keep][:, keep] @ w)).sum()).item() / self.energy

    def without_least(self, keep, n, always=()):
        """`keep` down to n and those that stay `always`: each time goes what can be told best from the others."""
        keep = list(keep)
        while len(keep) > n:
            kept = torch.tensor([*keep, *always])
            cost = self.weights(kept).square().sum(1) / self.inverse(kept).diagonal()
            keep.pop(int(cost[:len(keep)].argmin()))
        return keep


def narrow_mamba2(mixer, h, target, cfg):
    """Tensors of `mixer` with the heads of `cfg`, fitted: h (B, T, S, D), target (B, T, S, D) -> tensors, what it adds."""
    batch, steps, bands, d_model = h.shape
    bare, d_inner, d_state = copy.deepcopy(mixer), mixer.d_inner, mixer.d_state
    bare.out_proj.weight = torch.nn.Parameter(torch.eye(d_inner))       # what it would have projected, and
    bare.norm.weight = torch.nn.Parameter(torch.ones(d_inner))          # weighted
    y = bare(h.transpose(1, 2).reshape(-1, steps, d_model)).view(batch, bands, steps, d_inner).transpose(1, 2)
    wanted, best = target.reshape(-1, d_model), None
    for heads in itertools.combinations(range(mixer.heads), cfg["d_inner"] // cfg["headdim"]):
        inner = (torch.tensor(heads)[:, None] * mixer.headdim + torch.arange(mixer.headdim)).flatten()
        own = rms_norm(y[..., inner], torch.ones(len(inner)), mixer.eps)
        fit, every = Fit(own.reshape(-1, len(inner)), wanted), torch.arange(len(inner))
        if best is None or fit.left(every) < best[0]:
            best = fit.left(every), torch.tensor(heads), inner, own, fit.weights(every).float()
    left, heads, inner, own, weights = best
    xbc = torch.cat([inner, torch.arange(d_inner, d_inner + 2 * d_state)])                          # x, B, C
    rows = torch.cat([inner, d_inner + xbc, 2 * (d_inner + d_state) + heads])                       # z, x, B, C, dt
    tensors = {"in_proj.weight": mixer.in_proj.weight[rows], "conv1d.weight": mixer.conv1d.weight[xbc],
               "conv1d.bias": mixer.conv1d.bias[xbc], "norm.weight": torch.ones(len(inner)), "out_proj.weight": weights.T}
    tensors |= {name: getattr(mixer, name)[heads] for name in ("dt_bias", "A_log", "D")}
    return tensors, own @ weights, f"heads {heads.tolist()}, {left:.3f} left"


def narrow_mlp(mixer, h, target, cfg):
    """As narrow_mamba2()."""
    hidden = F.silu(mixer.fc1(h.transpose(-1, -2)))
    inputs = torch.cat([hidden, torch.ones_like(hidden[..., :1])], -1)                              # and the bias
    n = hidden.shape[-1]
    fit = Fit(inputs.flatten(0, -2), target.transpose(-1, -2).flatten(0, -2))
    units = fit.without_least(range(n), cfg["d_hidden"], (n,))
    every = torch.tensor([*units, n])
    weights = fit.weights(every).float()
    tensors = {"fc1.weight": mixer.fc1.weight[units], "fc1.bias": mixer.fc1.bias[units],
               "fc2.weight": weights[:-1].T, "fc2.bias": weights[-1]}
    return tensors, (inputs[..., every] @ weights).transpose(-1, -2), f"{fit.left(every):.3f} left"


@torch.no_grad()
def narrow(wide, cfg, noisy):
    """The tensors of a Denoiser of `cfg` that is fitted to the Denoiser `wide` on noisy (B, samples)."""
    state = {n: v for n, v in wide.state_dict().items() if not n.startswith("backbone.layers")}
    x = wide.band_in(wide.front_end.features(wide.front_end(noisy)))                                # (B, T, S, D)
    wanted = x.clone()
    for i, (block, own) in enumerate(zip(wide.backbone.layers, cfg["blocks"])):
        first, end = block.bands or (0, x.shape[2])
        wanted[:, :, first:end] += block.mixed(wanted[:, :, first:end])
        part = x[:, :, first:end]
        make = narrow_mlp if isinstance(block.mixer, BandMlp) else narrow_mamba2
        tensors, added, said = make(block.mixer, rms_norm(part, block.norm.weight, block.eps),
                                    wanted[:, :, first:end] - part, own)
        part += added
        state[f"backbone.layers.{i}.norm.weight"] = block.norm.weight
        state |= {f"backbone.layers.{i}.mixer.{n}": v.clone() for n, v in tensors.items()}
        print(f"block {i}: {said}", flush=True)
    return state


def main():
    p = parser_of(__doc__, "is narrower")
    p.add_argument("--data", required=True, help="folder with speech/ and noise/ (prepare.py)")
    p.add_argument("--clips", type=int, default=48, help="of noisy speech (default: %(default)s)")
    args = p.parse_args()
    old, state = read_model(args.model)
    cfg = load_config(args.config)
    wide = Denoiser(old)
    wide.load_state_dict(state)
    sizes = ("d_inner", "d_hidden")
    if [{k: v for k, v in b.items() if k not in sizes} for b in cfg["blocks"]] != \
            [{k: v for k, v in b.items() if k not in sizes} for b in old["blocks"]]:
        raise SystemExit(f"{args.config}: its blocks differ from those of {args.model} in more than d_inner and d_hidden")
    torch.manual_seed(1)
    export(args.out, cfg, narrow(wide, cfg, noisy_speech(args.data, args.clips, np.random.default_rng(1))))


if __name__ == "__main__":
    main()

"""Checks the denoiser without latency: against its definition step by step, and that no sample changes one before it.

    python training/test_steer.py
"""
import sys

import torch

from golden import EPS, STEERED, randomise, signal
from mamba import rms_norm
from steer_model import ABSENT_LEVEL, POWER_FLOOR, SteeredDenoiser


def network():
    torch.manual_seed(3)
    net = SteeredDenoiser({"norm_eps": EPS, **STEERED})
    randomise(net)
    net.steer.out.weight.normal_(std=0.3)
    return net


def by_definition(net, x):
    """x (L,) -> (L,), a sample at a time; the blocks alone take all samples at once."""
    steer, hop, spectrum = net.steer, net.front_end.hop, net.front_end(x[None])
    y = net.bands(net.front_end.features(spectrum))[0]                                        # (T, S, D)
    absent = steer.gain.bias @ steer.filters.weight, steer.context.bias, torch.tensor(ABSENT_LEVEL)
    controls = []
    for t, bands in enumerate(y):
        per_band = len(steer.gain.bias) // len(bands)
        gains = torch.stack([steer.gain.weight[c] @ bands[c // per_band] for c in range(len(steer.gain.bias))])
        level = (net.front_end.frames(x[None])[0, t].square().mean() + POWER_FLOOR).sqrt()
        controls.append(((gains + steer.gain.bias) @ steer.filters.weight, steer.context(bands.flatten()), level))
    past = torch.zeros(2, len(x) + net.n_taps, dtype=x.dtype)                                 # x and z, newest last
    past[0, net.n_taps:] = x
    rows, levels = [], []
    for n in range(len(x)):
        m, j = (n - net.delay) // hop, (n - net.delay) % hop
        a = min(1.0, (j + 1) / net.fade)
        old, new = (controls[i] if i >= 0 else absent for i in (m - 2, m - 1))
        taps, context, level = ((1 - a) * u + a * v for u, v in zip(old, new))
        at = net.n_taps + n
        past[1, at] = taps @ past[0, at - net.n_taps + 1:at + 1].flip(0)
        recent = past[:, at - net.n_past + 1:at + 1].flip(1).flatten() / level
        rows.append(getattr(steer, "in").weight @ recent + context)
        levels.append(level)
    u = torch.stack(rows)[None, :, None]
    for block in steer.layers:
        u = block(u)
    added = steer.out(rms_norm(u, steer.norm_f.weight, EPS)).flatten()
    return past[1, net.n_taps:] + torch.stack(levels) * added


@torch.no_grad()
def main():
    net = network()
    x = signal(700, 16000)
    ours, theirs = net(x[None])[0], by_definition(net, x)
    error = ((ours - theirs).norm() / theirs.norm()).item()
    changed = ((ours - x).norm() / x.norm()).item()
    print(f"against the definition: relative error {error:.1e}; the output differs from the input by {changed:.2f}")
    good = error < 1e-5 and changed > 0.05
    for at in (0, 1, 31, 32, 333, 699):
        bent = x.clone()
        bent[at] += 0.5
        moved = (net(bent[None])[0] - ours).abs()
        before = moved[:at].max().item() if at else 0.0
        print(f"impulse at {at}: changes {before:.1e} before it, {moved[at].item():.1e} there")
        good = good and before < 1e-6 and moved[at] > 1e-4
    sys.exit(not good)


if __name__ == "__main__":
    main()

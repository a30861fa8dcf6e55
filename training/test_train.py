"""Compares the gradient of a training step as train.py computes it on a GPU with that of plain float32 PyTorch.

    python training/test_train.py training/configs/voice.json

Plain: no autocast, no compiler, the matrix form of the scan. Prints the cosine and the ratio of norms of each tensor's
gradient; half precision and another order of sums leave the direction.
"""
import argparse
import functools
import sys

import torch

import mamba
from losses import Loss
from model import load_config
from recorded import Recorded, gradient
from steer_model import denoiser_of
from test_losses import batch


def loss_of(net, loss, fast, networks):
    def of(noisy, clean):
        with torch.autocast(noisy.device.type, torch.bfloat16, enabled=fast):
            estimate = net(noisy, networks)
        value, parts = loss(estimate, clean, noisy)
        return value, {**parts, "loss": value.detach()}
    return of


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("config")
    p.add_argument("--clips", type=int, default=16)
    args = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1)
    net = denoiser_of(load_config(args.config)).to(device)
    with torch.no_grad():
        # Away from an output that is the input, where the gradient says little
        if "steer" in net.cfg:
            net.steer.gain.weight.normal_(std=0.1)
            net.steer.out.weight.normal_(std=0.1)
        else:
            net.band_out.weight.mul_(5)
    clean, noisy = batch(device, args.clips, 32000)
    fast_scan = mamba.ssd_scan
    mamba.ssd_scan = mamba.ssd_chunked
    loss = Loss({"spectral": 100.0, "pesq": 0.6, "sdr": 0.3}).to(device)
    weights = list(net.parameters())
    plain, parts = gradient(loss_of(net, loss, False, net.networks()), weights, noisy, clean)
    value = parts["loss"].item()
    mamba.ssd_scan = fast_scan
    fast = loss_of(net, loss, device == "cuda", net.networks())
    compiled = loss_of(net, loss, device == "cuda", tuple(torch.compile(n) for n in net.networks()))
    ways = {"half precision and the fast scan": functools.partial(gradient, fast, weights),
            "the same, compiled": functools.partial(gradient, compiled, weights)}
    if device == "cuda":
        recorded = Recorded(compiled, weights)
        recorded(noisy.flip(0), clean)
        ways["the same, recorded with another batch"] = recorded
    good = True
    for label, way in ways.items():
        grads, parts = way(noisy, clean)
        a, b = (torch.cat([g.flatten() for g in gs]).double() for gs in (plain, grads))
        cosine, ratio = (a @ b / (a.norm() * b.norm())).item(), (b.norm() / a.norm()).item()
        print(f"{label}: loss {parts['loss'].item():.4f}, plain {value:.4f}; gradient's cosine {cosine:.5f}, norm {ratio:.4f}")
        for (name, _), x, y in zip(net.named_parameters(), plain, grads):
            c = torch.nn.functional.cosine_similarity(x.flatten(), y.flatten(), 0).item()
            if c < 0.98:
                print(f"  {name}: cosine {c:.4f}, norm {(y.norm() / x.norm()).item():.3f}")
        good = good and cosine > 0.98 and abs(ratio - 1) < 0.05
    sys.exit(not good)


if __name__ == "__main__":
    main()

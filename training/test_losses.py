"""Checks the losses on this machine's device: against the reference PESQ, and the direction of their gradients.

    python training/test_losses.py            (needs the package pesq; use a GPU where there is one)
"""
import sys

import numpy as np
import torch

from losses import Loss


def speechlike(n, seed):
    """Noise shaped in time and frequency as speech is, (n,) float32."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / (1 + np.arange(n // 2 + 1) * 16000 / n / 700)
    envelope = np.interp(np.arange(n) / 1600, np.arange(n // 1600 + 2), rng.uniform(0, 1, n // 1600 + 2) ** 3)
    x = np.fft.irfft(spectrum, n) * envelope
    return (0.1 * x / x.std()).astype(np.float32)


def batch(device, n=8, samples=64000):
    clean = torch.from_numpy(np.stack([speechlike(samples, i) for i in range(n)])).to(device)
    noise = torch.from_numpy(np.stack([speechlike(samples, 100 + i)[::-1].copy() for i in range(n)])).to(device)
    gain = 10 ** (-torch.linspace(0, 30, n, device=device) / 20).unsqueeze(1)
    return clean, clean + gain * noise


def check_pesq(device):
    """The differentiable score follows the reference to 0.25 MOS."""
    from pesq import pesq
    clean, noisy = batch(device)
    ours = Loss({}).disturbance.to(device).mos(noisy, clean).cpu().numpy()
    theirs = np.array([pesq(16000, c, y, "wb") for c, y in zip(clean.cpu().numpy(), noisy.cpu().numpy())])
    print("PESQ, ours and reference:", ours.round(2), theirs.round(2))
    return np.abs(ours - theirs).max() < 0.25


def check_gradients(device):
    """At twice the level every part that hears levels asks for less."""
    clean, noisy = batch(device)
    good = True
    for part in ("spectral", "pesq", "sdr"):
        estimate = (2 * noisy).requires_grad_()
        loss, _ = Loss({"spectral": 0.0, "pesq": 0.0, "sdr": 0.0} | {part: 1.0}).to(device)(estimate, clean, noisy)
        slope = (torch.autograd.grad(loss, estimate)[0] * 2 * noisy).sum().item()
        print(f"{part}: slope with the level {slope:.3g}")
        good = good and (part == "pesq" or slope > 0)
    return good


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    results = [check_gradients(device), check_pesq(device)]
    sys.exit(not all(results))

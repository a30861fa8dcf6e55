"""Checks on the CPU that matrices trained together move as torch.optim.Muon moves each alone.

    python training/test_optim.py
"""
import sys

import torch

from optim import Muon

SHAPES = [(12, 8), (12, 8), (8, 12), (12, 8), (5, 5)]


def main():
    torch.manual_seed(1)
    ours, theirs = ([torch.randn(shape, generator=torch.Generator().manual_seed(i)).requires_grad_()
                     for i, shape in enumerate(SHAPES)] for _ in range(2))
    together = Muon(ours, 0.01, weight_decay=0.1)
    alone = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    start = [p.detach().clone() for p in ours]
    for step in range(4):
        for a, b in zip(ours, theirs):
            a.grad = torch.randn(a.shape)
            b.grad = a.grad.clone()
        together.step()
        alone.step()
    differs = max((a - b).abs().max().item() for a, b in zip(ours, theirs))
    moved = min((a - b).abs().max().item() for a, b in zip(ours, start))
    print(f"after {step + 1} steps matrices have moved by {moved:.1e} or more, and differ by at most {differs:.1e}")
    sys.exit(not differs < 0.03 * moved)


if __name__ == "__main__":
    main()

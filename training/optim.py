"""The optimisers and the schedule that all trainings share."""
import math

import torch


GENTLE = 0.01           # share of the learning rate that small numbers learn at


def optimizers_of(model, kind, lr, blocks="backbone", gentle=()):
    """AdamW, or Muon (Jordan et al. 2024) for the matrices of `blocks` and AdamW for the rest, at GENTLE for `gentle`."""
    decay, matrices, plain, small = [], [], [], []
    for name, p in model.named_parameters():
        if name in gentle:
            small.append(p)
            continue
        matrix = p.dim() == 2 and "A_log" not in name and "bias" not in name
        muon = matrix and name.startswith(blocks) and kind == "muon"
        (matrices if muon else decay if matrix else plain).append(p)
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    if small:
        groups.append({"params": small, "weight_decay": 0.0, "share": GENTLE})
    out = [torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))]
    if matrices:
        out.append(torch.optim.Muon(matrices, lr=lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"))
    return out


def learning_rate(progress, step):
    """Warm-up of 300 steps, then flat for a fifth of the time and a cosine down to a hundredth."""
    fall = max(0.0, (min(progress, 1.0) - 0.2) / 0.8)
    return min(1.0, (step + 1) / 300) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))

"""The optimisers and the schedule that all trainings share."""
import math

import torch


GENTLE = 0.01           # share of the learning rate that small numbers learn at
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)       # coefficients of Jordan et al. 2024
STEPS = 5


def orthogonalised(g):
    """g (n, rows, columns) -> about u v' of each singular value decomposition u s v', in bfloat16."""
    x = g.bfloat16()
    is_tall = x.shape[1] > x.shape[2]
    if is_tall:
        x = x.mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon with adjust_lr_fn="match_rms_adamw", matrices of one shape together: a few launches, not thousands."""

    def __init__(self, params, lr, weight_decay=0.01, momentum=0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                self.move(params, group["lr"], 0.2 * math.sqrt(max(shape)), group["weight_decay"], group["momentum"])

    def mean_of(self, p):
        """The running mean of the gradients of p, 0 at first."""
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        return state["momentum_buffer"]

    def move(self, params, lr, scale, weight_decay, momentum):
        grads = [p.grad for p in params]
        means = [self.mean_of(p) for p in params]
        torch._foreach_lerp_(means, grads, 1 - momentum)
        update = orthogonalised(torch.stack(torch._foreach_lerp(grads, means, momentum))).float()
        torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, update.unbind(), alpha=-lr * scale)


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
    out = [torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), fused=True)]
    if matrices:
        out.append(Muon(matrices, lr))
    return out


def learning_rate(progress, step):
    """Warm-up of 300 steps, then flat for a fifth of the time and a cosine down to a hundredth."""
    fall = max(0.0, (min(progress, 1.0) - 0.2) / 0.8)
    return min(1.0, (step + 1) / 300) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fall)))

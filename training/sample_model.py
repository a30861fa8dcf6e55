"""Generators: tiers of Mamba blocks that predict the next sample, in the vocabulary of the C core (docs/model-format.md).

Shapes: B batch, T steps, U frames of a tier, D d_model, k pool. SaShiMi's tiers: Goel et al. 2022, arXiv:2202.09729.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from mamba import Mamba, Mamba2, rms_norm

FORMAT_VERSION = "1.1"
N_CODES, SILENCE = 256, 128
SHIFT = 2               # slow frames that what they say is late by: one is causality, the other leaves time to compute


class GatedMlp(nn.Module):
    """down(SiLU(gate x) * (up x)); x (B, U, D) -> (B, U, D)."""

    def __init__(self, d_model, cfg):
        super().__init__()
        self.gate_proj = nn.Linear(d_model, cfg["d_hidden"], bias=False)
        self.up_proj = nn.Linear(d_model, cfg["d_hidden"], bias=False)
        self.down_proj = nn.Linear(cfg["d_hidden"], d_model, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TierBlock(nn.Module):
    """x + mixer(norm(x)) on x (B, U, D), with the state that it carries on; that of mamba always starts from zero."""

    def __init__(self, d_model, cfg, eps):
        super().__init__()
        self.eps = eps
        self.norm = nn.RMSNorm(d_model)
        if cfg["mixer"] == "mlp":
            self.mixer = GatedMlp(d_model, cfg)
        else:
            self.mixer = {"mamba": Mamba, "mamba2": Mamba2}[cfg["mixer"]](d_model, cfg, eps)

    def forward(self, x, state):
        h = rms_norm(x, self.norm.weight, self.eps)
        if isinstance(self.mixer, Mamba2):
            y, state = self.mixer.carried(h, state)
            return x + y, state
        return x + self.mixer(h), None

    def zero_state(self, batch, device, dtype):
        m = self.mixer
        if not isinstance(m, Mamba2):
            return None
        return (torch.zeros(batch, m.conv1d.kernel_size[0] - 1, m.conv1d.in_channels, device=device, dtype=dtype),
                torch.zeros(batch, m.heads, m.d_state, m.headdim, device=device))


class Tier(nn.Module):
    def __init__(self, cfg, eps, d_outer):
        super().__init__()
        d_model = cfg["d_model"]
        if d_outer:
            self.down = nn.Linear(cfg["pool"] * d_outer, d_model)
            self.up = nn.Linear(d_model, cfg["pool"] * d_outer)
        self.layers = nn.ModuleList(TierBlock(d_model, c, eps) for c in cfg["blocks"])
        self.norm_f = nn.RMSNorm(d_model)


def code_features(d_model):
    """Where the rows of the embedding start: the code's value and waves over it, (N_CODES, d_model)."""
    u = torch.linspace(-1, 1, N_CODES).unsqueeze(1)
    x = u.sign() * (256 ** u.abs() - 1) / 255
    turns = torch.logspace(math.log10(0.5), math.log10(24), (d_model - 1) // 2)
    waves = torch.cat([torch.sin(math.pi * u * turns), torch.cos(math.pi * u * turns)], 1)
    return torch.cat([u, x, waves], 1)[:, :d_model]


class Generator(nn.Module):
    """tokens (B, T) -> logits of the tokens after them (B, T, N_CODES); T is a multiple of all pools' product."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg, self.eps = cfg, cfg["norm_eps"]
        widths = [t["d_model"] for t in cfg["tiers"]]
        self.pools = [t.get("pool", 1) for t in cfg["tiers"]]
        self.embedding = nn.Embedding(N_CODES, widths[0])
        self.embedding.weight.data = code_features(widths[0])
        self.tiers = nn.ModuleList(Tier(t, self.eps, outer) for t, outer in zip(cfg["tiers"], [0] + widths))
        self.head = nn.Linear(widths[0], N_CODES)
        self.head.weight.data *= 0.1
        self.head.bias.data.zero_()
        for tier in self.tiers:
            for block in tier.layers:
                last = block.mixer.down_proj if isinstance(block.mixer, GatedMlp) else block.mixer.out_proj
                last.weight.data /= math.sqrt(len(tier.layers))

    def zero_state(self, batch, device, dtype=torch.float32):
        """The state before the first sample: per tier, those of its blocks and what it has yet to say outwards."""
        outer = [0] + [t["d_model"] for t in self.cfg["tiers"]]
        return [([block.zero_state(batch, device, dtype) for block in tier.layers],
                 torch.zeros(batch, SHIFT, pool * d, device=device, dtype=dtype) if d else None)
                for tier, pool, d in zip(self.tiers, self.pools, outer)]

    def forward(self, tokens, state):
        """-> logits and the state after `tokens`, which is without gradient; the residual stays float32."""
        xs = [self.embedding(tokens)]
        for tier, pool in zip(self.tiers[1:], self.pools[1:]):
            xs.append(tier.down(xs[-1].unflatten(1, (-1, pool)).flatten(2)).float())
        after, said = [None] * len(xs), 0.0
        for i in range(len(xs) - 1, -1, -1):
            tier, (states, held) = self.tiers[i], state[i]
            h, states = xs[i] + said, list(states)
            for j, block in enumerate(tier.layers):
                h, states[j] = block(h, states[j])
            y = rms_norm(h, tier.norm_f.weight, self.eps)
            if i:
                late = torch.cat([held, tier.up(y).to(held.dtype)], 1)
                held = late[:, -SHIFT:].detach().contiguous()
                said = late[:, :-SHIFT].unflatten(-1, (self.pools[i], -1)).flatten(1, 2)
            after[i] = (states, held)
        return self.head(y), after


def bits(logits, codes):
    """Cross-entropy in bits a sample."""
    return F.cross_entropy(logits.flatten(0, -2).float(), codes.flatten().long()) / math.log(2)

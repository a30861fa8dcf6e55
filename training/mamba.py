"""The mixers along time, Mamba-2 and Mamba, in the vocabulary of the C core: same names, same shapes, same arithmetic.

Shapes: B batch, T frames, D d_model, I d_inner, H heads, P headdim, G groups, N d_state.
Mamba-2 (SSD): Dao & Gu 2024, arXiv:2405.21060. Mamba (S6): Gu & Dao 2023, arXiv:2312.00752.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn


def rms_norm(x, weight, eps):
    """x (..., D) -> (..., D); Zhang & Sennrich 2019."""
    scale = torch.rsqrt(x.float().square().mean(-1, keepdim=True) + eps)
    return (x.float() * scale).to(x.dtype) * weight.to(x.dtype)


def ssd_chunked(x, dt, a, b, c, state=None, chunk=64):
    """Mamba-2's scan in matrix form (arXiv:2405.21060, section 6), from `state` or zero.

    x (B, T, H, P), dt (B, T, H), a (H,) negative, b and c (B, T, G, N) -> y (B, T, H, P), last state (B, H, N, P).
    """
    batch, n_steps, heads, headdim = x.shape
    groups, d_state = b.shape[2:]
    pad = -n_steps % chunk
    if pad:
        x, dt, b, c = (F.pad(t, (0, 0) * (t.dim() - 2) + (0, pad)) for t in (x, dt, b, c))
    n_chunks = (n_steps + pad) // chunk
    x = x.view(batch, n_chunks, chunk, groups, heads // groups, headdim)
    b, c = (t.view(batch, n_chunks, chunk, groups, d_state) for t in (b, c))
    dt = dt.view(batch, n_chunks, chunk, groups, heads // groups)
    decay = (dt * a.view(groups, -1)).cumsum(2)                                # log of the decay since the chunk began
    xdt = x * dt.to(x.dtype).unsqueeze(-1)

    later = decay.permute(0, 1, 3, 4, 2)                                       # (B, chunks, G, h, chunk)
    mask = torch.ones(chunk, chunk, dtype=torch.bool, device=x.device).tril()
    gap = (later.unsqueeze(-1) - later.unsqueeze(-2)).masked_fill(~mask, -math.inf)
    cb = torch.einsum("bzign,bzjgn->bzgij", c, b)
    y = torch.einsum("bzghij,bzjghp->bzighp", (gap.exp() * cb.unsqueeze(3)).to(x.dtype), xdt)
    rest = (decay[:, :, -1:] - decay).exp().to(x.dtype)                        # decay from each step to the chunk's end
    states = torch.einsum("bzjgn,bzjghp->bzghnp", b, xdt * rest.unsqueeze(-1)).to(dt.dtype)
    total = decay[:, :, -1].exp()                                              # (B, chunks, G, h)
    state = torch.zeros_like(states[:, 0]) if state is None else state.unflatten(1, (groups, -1)).to(dt.dtype)
    before = []
    for z in range(n_chunks):
        before.append(state)
        state = state * total[:, z, ..., None, None] + states[:, z]
    before = torch.stack(before, 1).to(x.dtype)
    y = y + torch.einsum("bzign,bzghnp->bzighp", c, before) * decay.exp().to(x.dtype).unsqueeze(-1)
    return y.reshape(batch, n_steps + pad, heads, headdim)[:, :n_steps], state.flatten(1, 2)


def ssd_scan(x, dt, a, b, c, state=None):
    """The fast kernel where it runs, the matrix form elsewhere; shapes as in ssd_chunked.

    No gradient goes into `state` or comes from the last state.
    """
    sizes = (x.shape[-1], b.shape[-1])
    if x.is_cuda and all(s >= 16 and s & (s - 1) == 0 for s in sizes):
        from ssd import ssd
        return ssd(x, dt, a, b, c, state)
    return ssd_chunked(x, dt, a, b, c, state)


def causal_conv(x, weight, bias, before=None):
    """Depthwise causal convolution and SiLU; x (B, T, C), weight (C, 1, d_conv), bias (C,).

    `before` (B, d_conv - 1, C) is what came before x, or None for zeros.
    """
    d_conv = weight.shape[-1]
    padded = F.pad(x, (0, 0, d_conv - 1, 0)) if before is None else torch.cat([before.to(x.dtype), x], 1)
    weight = weight.to(x.dtype)
    y = sum(padded[:, k:k + x.shape[1]] * weight[:, 0, k] for k in range(d_conv))
    return F.silu(y + bias.to(x.dtype))


def softplus_inverse(y):
    return y + torch.log(-torch.expm1(-y))


def init_dt_bias(n):
    """Bias whose softplus is log-uniform in 0.001..0.1 steps (the Mamba papers' initialisation)."""
    dt = torch.exp(torch.rand(n) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
    return softplus_inverse(dt)


class Mamba2(nn.Module):
    """x (B, T, D) -> (B, T, D). in_proj rows: z, x, B, C, dt."""

    def __init__(self, d_model, cfg, eps):
        super().__init__()
        self.d_inner, self.d_state = cfg["d_inner"], cfg["d_state"]
        self.headdim, self.groups = cfg["headdim"], cfg.get("n_groups", 1)
        self.heads, self.eps = self.d_inner // self.headdim, eps
        conv_dim = self.d_inner + 2 * self.groups * self.d_state
        self.in_proj = nn.Linear(d_model, self.d_inner + conv_dim + self.heads, bias=False)
        self.conv1d = nn.Conv1d(conv_dim, conv_dim, cfg.get("d_conv", 4), groups=conv_dim)
        self.dt_bias = nn.Parameter(init_dt_bias(self.heads))
        self.A_log = nn.Parameter(torch.empty(self.heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(self.heads))
        self.norm = nn.RMSNorm(self.d_inner)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(self, u):
        return self.carried(u, None)[0]

    def carried(self, u, state):
        """-> y and the state after it, (last inputs of the convolution, last state of the scan); None is zero."""
        y, state = side_by_side([self], u.unsqueeze(2), state)
        return y.squeeze(2), state


def side_by_side(mixers, u, state=None):
    """G mixers of Mamba-2 of equal sizes in the launches of one: u (B, T, G, D) -> y (B, T, G, D), state after it.

    To the convolution and the scan they are one of G times the channels, heads and groups.
    """
    first, parts = mixers[0], len(mixers)
    in_proj, conv_weight, conv_bias, dt_bias, a_log, d, norm, out_proj = (torch.stack(weights) for weights in zip(*(
        (m.in_proj.weight, m.conv1d.weight, m.conv1d.bias, m.dt_bias, m.A_log, m.D, m.norm.weight, m.out_proj.weight)
        for m in mixers)))                                                     # (G, ...)
    conv, scan = state or (None, None)
    gn = first.groups * first.d_state
    spare = -in_proj.shape[1] % 8                    # rows of zeros: matrix units want multiples of 8
    zxbcdt = torch.einsum("btgd,god->btgo", u, F.pad(in_proj, (0, 0, 0, spare)))
    z, xbc, dt, _ = zxbcdt.split([first.d_inner, first.d_inner + 2 * gn, first.heads, spare], -1)
    xbc = xbc.flatten(2)
    mixed = causal_conv(xbc, conv_weight.flatten(0, 1), conv_bias.flatten(), conv)
    x, b, c = mixed.unflatten(-1, (parts, -1)).split([first.d_inner, gn, gn], -1)
    conv = xbc[:, xbc.shape[1] - conv_weight.shape[-1] + 1:].detach().contiguous()
    x = x.unflatten(-1, (first.heads, first.headdim)).flatten(2, 3)            # (B, T, G H, P)
    b, c = (t.unflatten(-1, (first.groups, -1)).flatten(2, 3) for t in (b, c))
    dt = F.softplus(dt.float() + dt_bias).flatten(2)
    y, scan = ssd_scan(x, dt, -a_log.exp().flatten(), b, c, scan)
    y = (y + x * d.flatten().to(x.dtype).unsqueeze(-1)).unflatten(2, (parts, -1)).flatten(-2) * F.silu(z)
    y = rms_norm(y.unflatten(-1, (first.groups, -1)), norm.view(parts, first.groups, -1), first.eps).flatten(-2)
    return torch.einsum("btgi,gdi->btgd", y, out_proj), (conv, scan.detach())


class Mamba(nn.Module):
    """x (B, T, D) -> (B, T, D). in_proj rows: x, z. The scan is a plain loop: for golden vectors and small runs."""

    def __init__(self, d_model, cfg, eps):
        super().__init__()
        self.d_inner, self.d_state, self.dt_rank = cfg["d_inner"], cfg["d_state"], cfg["dt_rank"]
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=False)
        self.conv1d = nn.Conv1d(self.d_inner, self.d_inner, cfg.get("d_conv", 4), groups=self.d_inner)
        self.x_proj = nn.Linear(self.d_inner, self.dt_rank + 2 * self.d_state, bias=False)
        self.dt_proj = nn.Linear(self.dt_rank, self.d_inner)
        self.dt_proj.bias.data = init_dt_bias(self.d_inner)
        self.A_log = nn.Parameter(torch.arange(1, self.d_state + 1).float().log().repeat(self.d_inner, 1))
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=False)

    def forward(self, u):
        x, z = self.in_proj(u).chunk(2, -1)
        x = causal_conv(x, self.conv1d.weight, self.conv1d.bias)
        dt, b, c = self.x_proj(x).float().split([self.dt_rank, self.d_state, self.d_state], -1)
        dt = F.softplus(F.linear(dt, self.dt_proj.weight.float(), self.dt_proj.bias))
        a, h, ys = -self.A_log.exp(), 0.0, []
        for t in range(u.shape[1]):
            h = torch.exp(dt[:, t, :, None] * a) * h + (dt[:, t] * x[:, t])[..., None] * b[:, t, None]
            ys.append((h * c[:, t, None]).sum(-1))
        y = torch.stack(ys, 1).to(x.dtype) + x * self.D.to(x.dtype)
        return self.out_proj(y * F.silu(z))

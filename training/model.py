"""The network, in the vocabulary of the C core (core/): same names, same shapes, same arithmetic.

Shapes: B batch, T frames, K bins, S bands, D d_model, I d_inner, H heads, P headdim, G groups, N d_state.
Mamba-2 (SSD): Dao & Gu 2024, arXiv:2405.21060. Mamba (S6): Gu & Dao 2023, arXiv:2312.00752.
"""
import json
import math

import torch
import torch.nn.functional as F
from torch import nn

FORMAT_VERSION = "1.0"


def rms_norm(x, weight, eps):
    """x (..., D) -> (..., D); Zhang & Sennrich 2019."""
    scale = torch.rsqrt(x.float().square().mean(-1, keepdim=True) + eps)
    return (x.float() * scale).to(x.dtype) * weight.to(x.dtype)


def spectral_windows(window, hop):
    """Asymmetric analysis window (window,) and synthesis window (2 * hop,), both in samples.

    Their product over the last 2 * hop samples is a Hann window, so that overlap-add restores the input.
    """
    rise = torch.arange(window - hop, dtype=torch.float64)
    fall = torch.arange(hop, dtype=torch.float64)
    analysis = torch.cat([torch.sin(math.pi * (rise + 0.5) / (2 * (window - hop))),
                          torch.cos(math.pi * (fall + 0.5) / (2 * hop))])
    n = torch.arange(2 * hop, dtype=torch.float64)
    hann = torch.sin(math.pi * (n + 0.5) / (2 * hop)) ** 2
    return analysis, hann / analysis[window - 2 * hop:]


class Spectral(nn.Module):
    """The spectral front end at the trained rate: signal <-> spectrum, and the features of a spectrum."""

    def __init__(self, cfg):
        super().__init__()
        self.window = round(cfg["window_ms"] * cfg["rate_hz"] / 1000)
        self.hop = round(cfg["hop_ms"] * cfg["rate_hz"] / 1000)
        self.floor, self.compress = cfg["power_floor"], cfg["compress"]
        analysis, synthesis = spectral_windows(self.window, self.hop)
        self.register_buffer("analysis", analysis.float(), persistent=False)
        self.register_buffer("synthesis", synthesis.float(), persistent=False)
        self.scale = 1.0 / float(analysis.sum())

    def frames(self, x):
        """x (B, samples) -> windowed (B, T, window); frame t ends with hop t."""
        padded = F.pad(x, (self.window - self.hop, -x.shape[-1] % self.hop))
        return padded.unfold(-1, self.window, self.hop) * self.analysis

    def forward(self, x):
        """x (B, samples) -> spectrum (B, T, K) complex64, scaled by 1 / sum(window)."""
        return torch.fft.rfft(self.frames(x)) * self.scale

    def inverse(self, spectrum, n_samples):
        """spectrum (B, T, K) -> (B, n_samples), aligned with the input; the last hop is incomplete."""
        tail = torch.fft.irfft(spectrum / self.scale, n=self.window)[..., -2 * self.hop:] * self.synthesis
        first, second = tail.split(self.hop, dim=-1)
        y = F.pad(second[:, :-1] + first[:, 1:], (0, 0, 0, 1))
        return F.pad(y.flatten(1), (0, max(0, n_samples - y.shape[1] * self.hop)))[:, :n_samples]

    def features(self, spectrum):
        """spectrum (B, T, K) complex -> (B, T, 3K): per bin re, im of X |X|^(compress-1), and a log power."""
        power = spectrum.real.square() + spectrum.imag.square() + self.floor
        log_power = power.log()
        gain = torch.exp((0.5 * (self.compress - 1)) * log_power)
        return torch.stack([spectrum.real * gain, spectrum.imag * gain, 1 + 0.1 * log_power], -1).flatten(-2)


class BandLinear(nn.Module):
    """One linear map per band, packed by bin.

    in:  x (B, T, K * per_bin) -> (B, T, S, D); weight (K * per_bin, D), bias (S, D)
    out: x (B, T, S, D) -> (B, T, K * per_bin); weight (K * per_bin, D), bias (K * per_bin,)

    `edges` may be those of the first bands alone; x may have more.
    """

    def __init__(self, edges, per_bin, d_model, direction):
        super().__init__()
        self.direction = direction
        rows = edges[-1] * per_bin
        widths = [(b - a) * per_bin for a, b in zip(edges, edges[1:])]
        std = [1 / math.sqrt(w) if direction == "in" else 1 / math.sqrt(d_model) for w in widths]
        self.weight = nn.Parameter(torch.cat([torch.randn(w, d_model) * s for w, s in zip(widths, std)]))
        if direction == "in":
            self.bias = nn.Parameter(torch.zeros(len(widths), d_model))
        else:
            self.weight.data *= 0.1
            self.bias = nn.Parameter(torch.zeros(rows))
        self.runs = []          # (first row, first band, bands, rows a band) of neighbours of equal width
        row = 0
        for band, width in enumerate(widths):
            if self.runs and self.runs[-1][3] == width:
                self.runs[-1][2] += 1
            else:
                self.runs.append([row, band, 1, width])
            row += width

    def forward(self, x):
        out = []
        for row, band, n, width in self.runs:
            w = self.weight[row:row + n * width].view(n, width, -1).to(x.dtype)
            if self.direction == "in":
                part = x[..., row:row + n * width].unflatten(-1, (n, width))
                out.append(torch.einsum("btsw,swd->btsd", part, w))
            else:
                out.append(torch.einsum("btsd,swd->btsw", x[:, :, band:band + n], w).flatten(-2))
        return torch.cat(out, 2 if self.direction == "in" else -1) + self.bias.to(x.dtype)


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


class BandMlp(nn.Module):
    """Mixes across bands, the same for every channel; x (B, T, S, D) -> (B, T, S, D)."""

    def __init__(self, n_bands, cfg):
        super().__init__()
        self.fc1 = nn.Linear(n_bands, cfg["d_hidden"])
        self.fc2 = nn.Linear(cfg["d_hidden"], n_bands)

    def forward(self, x):
        return self.fc2(F.silu(self.fc1(x.transpose(-1, -2)))).transpose(-1, -2)


class Block(nn.Module):
    """x + mixer(norm(x)) on x (B, T, S, D) or some of its bands; along time each band is a sequence of its own."""

    def __init__(self, d_model, n_bands, cfg, eps):
        super().__init__()
        self.cfg, self.eps, self.bands = cfg, eps, cfg.get("bands")
        if self.bands:
            n_bands = self.bands[1] - self.bands[0]
        self.norm = nn.RMSNorm(d_model)
        if cfg["mixer"] == "band_mlp":
            self.mixer = BandMlp(n_bands, cfg)
        else:
            self.mixer = {"mamba": Mamba, "mamba2": Mamba2}[cfg["mixer"]](d_model, cfg, eps)

    def forward(self, x):
        if self.bands is None:
            return x + self.mixed(x)
        first, end = self.bands
        return torch.cat([x[:, :, :first], x[:, :, first:end] + self.mixed(x[:, :, first:end]), x[:, :, end:]], 2)

    def mixed(self, x):
        h = rms_norm(x, self.norm.weight, self.eps)
        if isinstance(self.mixer, BandMlp):
            return self.mixer(h)
        batch, steps, bands, d_model = h.shape
        h = self.mixer(h.transpose(1, 2).reshape(batch * bands, steps, d_model))
        return h.view(batch, bands, steps, d_model).transpose(1, 2)


def neighbours(blocks, n_bands):
    """Blocks in the order they run; those of Mamba-2 that are alike and share all bands out evenly in one list."""
    blocks, runs = list(blocks), []
    while blocks:
        first = blocks[0]
        width = first.bands[1] if first.bands else n_bands
        wanted = [{**first.cfg, "bands": [at, at + width]} for at in range(0, n_bands, width)]
        is_whole = isinstance(first.mixer, Mamba2) and [block.cfg for block in blocks[:len(wanted)]] == wanted
        n = len(wanted) if is_whole else 1
        runs.append(blocks[:n])
        blocks = blocks[n:]
    return runs


def together(blocks, x):
    """What blocks that share out the bands of x (B, T, S, D) add to it: one by one, in the launches of one."""
    batch, steps, bands, d_model = x.shape
    parts = len(blocks)
    norm = torch.stack([block.norm.weight for block in blocks]).unsqueeze(1)
    h = rms_norm(x.view(batch, steps, parts, -1, d_model), norm, blocks[0].eps)
    h = h.permute(0, 3, 1, 2, 4).reshape(-1, steps, parts, d_model)            # the same band of each part side by side
    y, _ = side_by_side([block.mixer for block in blocks], h)
    return y.view(batch, -1, steps, parts, d_model).permute(0, 2, 3, 1, 4).reshape(batch, steps, bands, d_model)


class BandNetwork(nn.Module):
    """What denoisers share: the spectral front end, band_in, the blocks and the last norm."""

    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        front, eps, d_model = cfg["front_end"], cfg["norm_eps"], cfg["d_model"]
        self.edges = front["band_edges"]
        self.front_end = Spectral(front)
        self.band_in = BandLinear(self.edges, 3, d_model, "in")
        self.backbone = nn.Module()
        self.backbone.layers = nn.ModuleList(Block(d_model, len(self.edges) - 1, c, eps) for c in cfg["blocks"])
        self.backbone.norm_f = nn.RMSNorm(d_model)
        self.runs = neighbours(self.backbone.layers, len(self.edges) - 1)
        shrink_last(self.backbone.layers)

    def bands(self, features):
        """features (B, T, 3K) -> (B, T, S, D); the residual stays float32."""
        x = self.band_in(features).float()
        for blocks in self.runs:
            x = blocks[0](x) if len(blocks) == 1 else x + together(blocks, x)
        return rms_norm(x, self.backbone.norm_f.weight, self.cfg["norm_eps"])


def shrink_last(blocks):
    """Start the last matrix of each block smaller, the deeper the network."""
    for block in blocks:
        last = block.mixer.fc2 if isinstance(block.mixer, BandMlp) else block.mixer.out_proj
        last.weight.data /= math.sqrt(len(blocks))


class PastFilter(nn.Module):
    """Taps on other frames of the lowest F bins (deep filtering, Mack & Habets 2019, arXiv:1904.08369).

    A frame is turned by what a tone in the middle of the bin turns until the one that is masked, so that a steady one
    needs real taps. A delay below 0 is a frame to come.
    """

    def __init__(self, front):
        super().__init__()
        self.n_bins, self.delays = front["filter"]["n_bins"], front["filter"]["delays"]
        hops = torch.tensor(self.delays, dtype=torch.float64) * front["hop_ms"] / front["window_ms"]
        turns = 2 * math.pi * torch.arange(self.n_bins, dtype=torch.float64)[:, None] * hops
        self.register_buffer("turns", torch.polar(torch.ones_like(turns), turns).to(torch.complex64), persistent=False)

    def forward(self, spectrum, taps):
        """spectrum (B, T, K), taps (B, T', F P) complex -> what other frames add to the first T', (B, T', K)."""
        n_steps, low = taps.shape[1], spectrum[..., :self.n_bins]
        taps = taps.unflatten(-1, (self.n_bins, -1)) * self.turns
        first = max(0, *self.delays)
        low = F.pad(low, (0, 0, first, 0))
        others = sum(taps[..., p] * low[:, first - d:first - d + n_steps] for p, d in enumerate(self.delays))
        return F.pad(others, (0, spectrum.shape[-1] - self.n_bins))


class Denoiser(BandNetwork):
    """noisy (B, samples) at rate_hz -> denoised (B, samples), aligned with the input."""

    blocks = ("backbone",)      # what Muon may train
    gentle = ()                 # small numbers: learn slowly

    def __init__(self, cfg):
        super().__init__(cfg)
        self.band_out = BandLinear(self.edges, 2, cfg["d_model"], "out")
        self.mask_power = cfg["front_end"].get("mask_power", 1)
        self.lookahead = cfg["front_end"].get("lookahead", 0)
        self.filter = None
        if "filter" in cfg["front_end"]:
            self.filter = PastFilter(cfg["front_end"])
            edges = self.edges[:self.edges.index(self.filter.n_bins) + 1]
            self.filter_out = BandLinear(edges, 2 * len(self.filter.delays), cfg["d_model"], "out")
            self.filter_out.weight.data.zero_()

    def network(self, features):
        """features (B, T, 3K) -> (B, T, 2K + 2PF): mask less 1, before its power, and, bin by bin, P taps, each re and im."""
        x = self.bands(features)
        out = self.band_out(x)
        return (out if self.filter is None else torch.cat([out, self.filter_out(x)], -1)).float()

    def networks(self):
        """The parts of forward() that a compiler may take."""
        return (self.network,)

    def forward(self, noisy, networks=None):
        network, = networks or self.networks()
        spectrum = self.front_end(F.pad(noisy, (0, self.lookahead * self.front_end.hop)))
        parts = network(self.front_end.features(spectrum))[:, self.lookahead:]
        gains = torch.view_as_complex(parts.unflatten(-1, (-1, 2)).contiguous())
        mask, taps = gains.tensor_split([spectrum.shape[-1]], -1)
        masked = spectrum[:, :mask.shape[1]] * (1 + mask)
        if self.filter is not None:
            masked = masked + self.filter(spectrum, taps)
        if self.mask_power != 1:
            power = (1 + mask.real).square() + mask.imag.square() + 1e-12
            masked = masked * power ** (0.5 * (self.mask_power - 1))
        return self.front_end.inverse(masked, noisy.shape[-1])


def load_config(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)

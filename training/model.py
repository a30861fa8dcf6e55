"""The network, in the vocabulary of the C core (core/): same names, same shapes, same arithmetic.

Shapes: B batch, T frames, K bins, S bands, D d_model. The mixers along time are in mamba.py.
"""
import json
import math

import torch
import torch.nn.functional as F
from torch import nn

from mamba import Mamba, Mamba2, rms_norm, side_by_side

FORMAT_VERSION = "1.0"


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

"""A denoiser without latency: a slow spectral network steers a filter and a small network that step once a sample.

Shapes as in model.py, and: L samples, h samples a hop, C gains, K taps, E width of the fast network.
Definition: docs/model-format.md.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from mamba import rms_norm
from model import BandNetwork, Block, Denoiser, shrink_last

ABSENT_LEVEL = 1e-4         # level of the hops before the first
POWER_FLOOR = 1e-8          # of the level


def band_filters(edges, n_bins, n_gains, n_taps):
    """Causal filters (C, K): each band in equal parts, of each part a cosine and then a sine as wide as the part.

    All cosines add up to an impulse, so that gains of 1 for them and 0 for the sines are no filter at all.
    """
    parts = n_gains // (len(edges) - 1) // 2
    k = torch.arange(n_taps, dtype=torch.float64)
    fade = 0.5 + 0.5 * torch.cos(math.pi * k / n_taps)
    causal = torch.where(k > 0, 2.0, 1.0) * fade
    rows = []
    for a, b in zip(edges, edges[1:]):
        top = n_bins - 1                    # the last bin is half the sample rate
        limits = torch.linspace(min(a - 0.5, top) if a else 0, min(b - 0.5, top), parts + 1, dtype=torch.float64)
        for low, high in zip(limits, limits[1:]):
            width, centre = (high - low) / top, (high + low) / 2 / top * math.pi
            envelope = width * torch.sinc(width * k / 2) * causal
            rows += [envelope * torch.cos(centre * k), envelope * torch.sin(centre * k)]
    return torch.stack(rows).float()


class Steer(nn.Module):
    """The parameters of the fast path, and what makes them from the slow network."""

    def __init__(self, cfg, edges, d_slow, eps):
        super().__init__()
        n_bands, d_model = len(edges) - 1, cfg["d_model"]
        if cfg["n_gains"] % (2 * n_bands):
            raise ValueError(f"n_gains is {cfg['n_gains']}, no multiple of twice the {n_bands} bands")
        self.gain = nn.Linear(d_slow, cfg["n_gains"])
        self.gain.weight.data.zero_()
        self.gain.bias.data = torch.tensor([1.0, 0.0]).repeat(cfg["n_gains"] // 2)
        self.filters = nn.Module()
        self.filters.weight = nn.Parameter(band_filters(edges, edges[-1], cfg["n_gains"], cfg["n_taps"]))
        self.context = nn.Linear(n_bands * d_slow, d_model)
        self.add_module("in", nn.Linear(2 * cfg["n_past"], d_model, bias=False))
        self.layers = nn.ModuleList(Block(d_model, 1, c, eps) for c in cfg["blocks"])
        self.norm_f = nn.RMSNorm(d_model)
        self.out = nn.Linear(d_model, 1, bias=False)
        self.out.weight.data.zero_()
        shrink_last(self.layers)


class SteeredDenoiser(BandNetwork):
    """noisy (B, L) at rate_hz -> denoised (B, L); sample n depends on inputs up to n."""

    blocks = ("backbone", "steer.layers")       # what Muon may train
    gentle = ("steer.filters.weight",)          # small numbers: learn slowly

    def __init__(self, cfg):
        super().__init__(cfg)
        steer = cfg["steer"]
        self.steer = Steer(steer, self.edges, cfg["d_model"], cfg["norm_eps"])
        hop = self.front_end.hop
        self.delay, self.fade = steer.get("delay", hop), steer.get("fade", hop)
        self.n_taps, self.n_past = steer["n_taps"], steer["n_past"]

    @torch.no_grad()
    def start_from(self, state):
        """Take over the tensors of a Denoiser with the same bands; what its mask does, the gains do as far as they can."""
        state = {name: value for name, value in state.items() if not name.startswith("filter_out")}
        weight, bias = state.pop("band_out.weight"), state.pop("band_out.bias")
        parts = len(self.steer.gain.bias) // (len(self.edges) - 1) // 2
        row = 0
        for a, b in zip(self.edges, self.edges[1:]):
            # Part j of a band is the mean of the bins it covers; a sine needs the opposite of the imaginary part.
            cover = F.interpolate(torch.eye(b - a)[None], size=parts, mode="area")[0].T
            for kind, sign in ((0, 1.0), (1, -1.0)):
                at = slice(row + kind, row + 2 * parts, 2)
                self.steer.gain.weight[at] = sign * cover @ weight[2 * a + kind:2 * b:2].cpu()
                self.steer.gain.bias[at] += sign * (cover @ bias[2 * a + kind:2 * b:2].cpu())
            row += 2 * parts
        missing = self.load_state_dict(state, strict=False)
        if missing.unexpected_keys or any(not k.startswith("steer.") for k in missing.missing_keys):
            raise SystemExit(f"the start does not fit: {missing}")

    def networks(self):
        return self.bands, self.fast

    def two_hops(self, values, absent, n_frames):
        """values (B, T, ...) of each hop -> those that frames of h samples fade from, and to; (B, n_frames, ...).

        Frame 0 begins h - delay samples before the signal; frame f uses hops f - 3 and f - 2.
        """
        before = absent.expand(values.shape[0], 3, *values.shape[2:])
        padded = torch.cat([before, values], 1)
        return padded[:, :n_frames], padded[:, 1:n_frames + 1]

    def ramp(self, device):
        return ((torch.arange(self.front_end.hop, device=device) + 1) / self.fade).clamp(max=1)

    def filtered(self, x, taps, absent):
        """x (B, L), taps (B, T, K) -> z (B, L), each frame filtered in the frequency domain by both its filters."""
        hop, lead = self.front_end.hop, self.front_end.hop - self.delay
        length = lead + x.shape[1]
        frames = F.pad(x, (lead + self.n_taps - 1, -length % hop)).unfold(1, hop + self.n_taps - 1, hop)
        n = -(-frames.shape[-1] // 32) * 32
        spectrum = torch.fft.rfft(frames, n=n)
        old, new = (torch.fft.irfft(spectrum * w, n=n)[..., self.n_taps - 1:self.n_taps - 1 + hop]
                    for w in self.two_hops(torch.fft.rfft(taps, n=n), torch.fft.rfft(absent, n=n), frames.shape[1]))
        return torch.lerp(old, new, self.ramp(x.device)).flatten(1)[:, lead:length]

    def faded(self, values, absent, n_samples):
        """values (B, T, E) of each hop -> of each sample (B, L, E)."""
        hop, lead = self.front_end.hop, self.front_end.hop - self.delay
        old, new = self.two_hops(values, absent, -(-(lead + n_samples) // hop))
        mixed = torch.lerp(old.unsqueeze(2), new.unsqueeze(2), self.ramp(values.device).unsqueeze(-1))
        return mixed.flatten(1, 2)[:, lead:lead + n_samples]

    def fast(self, u, context):
        """u (B, L, E) without context, context (B, T, E) -> what is added to z in units of the level, (B, L)."""
        u = (u + self.faded(context, self.steer.context.bias, u.shape[1])).unsqueeze(2)
        for block in self.steer.layers:
            u = block(u)
        return self.steer.out(rms_norm(u, self.steer.norm_f.weight, self.cfg["norm_eps"])).float().flatten(1)

    def forward(self, noisy, networks=None):
        bands, fast = networks or self.networks()
        steer, n_samples = self.steer, noisy.shape[-1]
        spectrum = self.front_end(noisy)
        y = bands(self.front_end.features(spectrum)).float()
        # Filters add up hundreds of products: in single precision, whatever the networks compute in.
        with torch.autocast(noisy.device.type, enabled=False):
            gains = torch.einsum("btsd,scd->btsc", y, steer.gain.weight.unflatten(0, (y.shape[2], -1))).flatten(2)
            taps = (gains + steer.gain.bias) @ steer.filters.weight
            z = self.filtered(noisy, taps, steer.gain.bias @ steer.filters.weight)
            level = (self.front_end.frames(noisy).square().mean(-1, keepdim=True) + POWER_FLOOR).sqrt()
            level = self.faded(level, torch.full_like(level[:1, :1, 0], ABSENT_LEVEL), n_samples)
            past = torch.stack([noisy, z], 1)
            kernel = getattr(steer, "in").weight.unflatten(1, (2, self.n_past)).flip(-1)
            u = F.conv1d(F.pad(past, (self.n_past - 1, 0)), kernel).transpose(1, 2) / level
            context = steer.context(y.flatten(2))
        return z + level.squeeze(-1) * fast(u, context)


def denoiser_of(cfg):
    """The network that a configuration asks for."""
    return (SteeredDenoiser if "steer" in cfg else Denoiser)(cfg)

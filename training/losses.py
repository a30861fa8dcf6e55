"""What the training minimises: compressed spectra, a PESQ-like disturbance, and the signal-to-distortion ratio."""
import math

import torch
import torch.nn.functional as F
from scipy.signal import butter, freqz
from torch import nn


def compressed_distance(a, b, power, weight):
    """Distance of magnitudes ** power and of complex spectra of such magnitudes (Braun & Tashev, arXiv:2009.12286).

    a, b (B, K, T, 2) real views of spectra, weight (K, 1) of bins -> (B,).
    """
    pa, pb = (s.square().sum(-1) + 1e-8 for s in (a, b))
    magnitude = (pa ** (power / 2) - pb ** (power / 2)).square()
    ga, gb = (p ** ((power - 1) / 2) for p in (pa, pb))
    both = (a * ga.unsqueeze(-1) - b * gb.unsqueeze(-1)).square().sum(-1)
    return ((0.7 * magnitude + 0.3 * both) * weight).mean((1, 2))


def left_in_quiet(a, b, power, smooth=5):
    """What magnitudes ** power of a exceed those of b by where b is 30 dB below its loudest around the same frequency.

    a, b (B, K, T, 2) real views of spectra -> mean of squares (B,).
    """
    pa, pb = (s.square().sum(-1) + 1e-8 for s in (a, b))
    around = F.avg_pool1d(pb.transpose(1, 2), smooth, 1, smooth // 2, count_include_pad=False).transpose(1, 2)
    quiet = around < 1e-3 * around.amax(2, keepdim=True) + 1e-7
    return ((pa ** (power / 2) - pb ** (power / 2)).clamp(min=0).square() * quiet).mean((1, 2))


def bin_weights(n_fft, corner_hz, rate_hz=16000):
    """Weights of bins that fall as 1 / (frequency + corner_hz), of mean 1; (n_fft / 2 + 1, 1)."""
    hz = torch.linspace(0, rate_hz / 2, n_fft // 2 + 1)
    weight = 1 / (hz + corner_hz)
    return (weight / weight.mean()).unsqueeze(1)


def real_stft(x, n_fft, hop):
    window = torch.hann_window(n_fft, device=x.device)
    return torch.view_as_real(torch.stft(x, n_fft, hop, window=window, return_complex=True)) / math.sqrt(n_fft)


def si_sdr_db(estimate, target):
    """Scale-invariant signal-to-distortion ratio in dB, (B, samples) -> (B,); Le Roux et al. 2019."""
    scale = (estimate * target).sum(-1, keepdim=True) / (target.square().sum(-1, keepdim=True) + 1e-8)
    wanted = scale * target
    return 10 * torch.log10((wanted.square().sum(-1) + 1e-8) / ((wanted - estimate).square().sum(-1) + 1e-8))


def sdr_loss(estimate, target, best_db=30.0):
    """Negative signal-to-distortion ratio in dB that stops rewarding beyond best_db; (B, samples) -> (B,)."""
    energy = target.square().sum(-1)
    error = (estimate - target).square().sum(-1)
    return 10 * torch.log10((error + 10 ** (-best_db / 10) * energy + 1e-6) / (energy + 1e-6))


class Disturbance(nn.Module):
    """Symmetric and asymmetric disturbance after ITU-T P.862 (PESQ, wide band) at 16 kHz, without time alignment.

    The tables of the standard come from the package torch-pesq (MIT). Filters act on power spectra.
    """

    def __init__(self):
        super().__init__()
        from torch_pesq.bark import BarkScale
        from torch_pesq.loudness import Loudness
        bark, loudness = BarkScale(256, 49), Loudness(49)
        bank = bark.fbank.detach() * bark.pow_dens_correction.detach().float().unsqueeze(1)
        w = math.pi * torch.arange(256).double() / 256
        emphasis = torch.from_numpy(abs(freqz([2.740826, -5.4816519, 2.740826], [1.0, -1.9444777, 0.94597794],
                                              worN=w.numpy())[1]) ** 2).float()
        speech = torch.from_numpy(abs(freqz(*butter(5, [325, 3250], fs=16000, btype="band"), worN=w.numpy())[1]) ** 2)
        bank[:, 0] = 0
        self.register_buffer("bank", (bank * emphasis).T.contiguous())             # (256, 49)
        self.register_buffer("speech", speech.float())
        self.register_buffer("threshold", loudness.threshs.detach().float().flatten())
        self.register_buffer("exponent", loudness.exp.detach().float())
        self.register_buffer("width", bark.width_bark.detach().float())
        self.register_buffer("window", torch.hann_window(512))
        self.total_width = float(bark.total_width)

    def audible(self, p, factor):
        return (p * (p > self.threshold * factor)).sum(-1)

    def loudness(self, p):
        level = (2 * self.threshold) ** self.exponent * ((0.5 + 0.5 * p / self.threshold) ** self.exponent - 1)
        return 0.1866055 * level * (p > self.threshold)

    def bark(self, signal):
        """signal (B, samples) -> Bark power (B, frames, 49), levelled to 1e7 in the speech band."""
        spec = torch.stft(signal, 512, 256, window=self.window, center=False, return_complex=True)[:, :256]
        power = (spec.real.square() + spec.imag.square()).transpose(1, 2)
        level = (power * self.speech).sum(-1).mean(-1) * (2 / (512 * self.window.square().sum())) / 1.04684
        return (power * (1e7 / (level + 1e-9))[:, None, None]) @ self.bank

    def norm(self, d, p):
        weighted = (self.width * d / self.total_width ** (1 / p))[..., 1:]
        return self.total_width * ((weighted.abs() + 1e-6) ** p).sum(-1) ** (1 / p)

    def forward(self, estimate, target):
        """(B, samples) twice -> (B,): what the raw PESQ score falls short of 4.5."""
        return self.compare(self.bark(estimate), self.bark(target))

    def mos(self, estimate, target):
        """The same on the scale of PESQ-WB (ITU-T P.862.2), 1 to 4.64."""
        raw = 4.5 - self(estimate, target)
        return 0.999 + 4 / (1 + torch.exp(-1.3669 * raw + 3.8224))

    def compare(self, deg, ref):
        silent = (self.audible(ref, 100) < 1e7).unsqueeze(-1)
        mean_deg, mean_ref = ((p * ((p > 100 * self.threshold) & ~silent)).mean(1, keepdim=True) for p in (deg, ref))
        ref = ref * ((mean_deg + 1000) / (mean_ref + 1000)).clamp(0.01, 100)
        ratio = (self.audible(ref, 1) + 5e3) / (self.audible(deg, 1) + 5e3)
        ratio = torch.cat([ratio[:, :1], 0.8 * ratio[:, 1:] + 0.2 * ratio[:, :-1]], 1).clamp(3e-4, 5)
        deg = deg * ratio.unsqueeze(-1)
        ld, lr = self.loudness(deg), self.loudness(ref)
        d = ld - lr
        d = d.sign() * (d.abs() - 0.25 * torch.minimum(ld, lr)).clamp(min=0)
        asym = ((deg + 50) / (ref + 50)) ** 1.2
        asym = (asym * (asym >= 3)).clamp(max=12)
        h = ((self.audible(ref, 1) + 1e5) / 1e7) ** 0.04
        scores = []
        for value in (self.norm(d, 2), self.norm(d * asym, 1)):
            value = (value / h).clamp(max=45)
            parts = (value.unfold(-1, 20, 10) ** 6).mean(-1) ** (1 / 6)
            scores.append(parts.square().mean(-1).sqrt())
        return 0.1 * scores[0] + 0.0309 * scores[1]


class Loss(nn.Module):
    """Weighted sum over a batch; level-independent, silent targets count in the spectral terms alone.

    Not compiled: torch.compile of PyTorch 2.11 gets the gradient of the spectral term wrong on a GPU, a hundredfold.
    """

    def __init__(self, weights, sizes=(256, 512, 1024), corner_hz=1e9, quiet=0.0):
        super().__init__()
        self.weights, self.sizes, self.quiet = weights, sizes, quiet
        self.disturbance = Disturbance()
        for n in sizes:
            self.register_buffer(f"bins{n}", bin_weights(n, corner_hz))

    def distance(self, estimate, target, n_fft):
        """Of spectra of one resolution, (B, samples) twice -> (B,)."""
        a, b = (real_stft(x, n_fft, n_fft // 4) for x in (estimate, target))
        distance = compressed_distance(a, b, 0.3, getattr(self, f"bins{n_fft}"))
        return distance + self.quiet * left_in_quiet(a, b, 0.3) if self.quiet else distance

    def forward(self, estimate, target, noisy):
        """estimate, target, noisy (B, samples) -> loss, dict of the parts (detached)."""
        level = 0.1 / (noisy.square().mean(-1, keepdim=True).sqrt() + 1e-4)
        estimate, target = estimate * level, target * level
        active = (target.square().mean(-1) > 1e-6).float()
        share = active / active.sum().clamp(min=1)
        parts = {
            "spectral": sum(self.distance(estimate, target, n).mean() for n in self.sizes) / len(self.sizes),
            "pesq": (self.disturbance(estimate, target) * share).sum(),
            "sdr": (sdr_loss(estimate, target) * share).sum(),
        }
        return sum(self.weights[k] * v for k, v in parts.items()), {k: v.detach() for k, v in parts.items()}

"""Makes noisy speech and its clean target on the GPU, a batch at a time, from a few hours of audio held in memory.

Shapes: B batch, L samples at 16 kHz. Every choice is drawn from one torch.Generator.
"""
import concurrent.futures
import glob
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

RATE_HZ = 16000


def read_folder(folder):
    """Every audio file below `folder` -> {name: int16 samples at 16 kHz}."""
    import soundfile

    def read(path):
        samples, rate = soundfile.read(path, dtype="int16")
        if rate != RATE_HZ or samples.ndim != 1:
            raise SystemExit(f"{path}: expected mono at {RATE_HZ} Hz; run prepare.py first")
        return os.path.splitext(os.path.basename(path))[0], samples

    paths = sorted(p for p in glob.glob(f"{folder}/**/*", recursive=True) if p.endswith((".opus", ".flac", ".wav")))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(pool.map(read, paths))


def read_rooms(folders, seconds=0.8):
    """The room responses of <folder>/*.npz (prepare.py) -> (rooms, seconds at 16 kHz) float32, or None."""
    length = round(seconds * RATE_HZ)
    rooms = []
    for path in sorted(p for folder in folders for p in glob.glob(f"{folder}/*.npz")):
        with np.load(path) as archive:
            rooms += [np.pad(r[:length], (0, max(0, length - len(r)))) for r in archive.values()]
    return np.stack(rooms).astype(np.float32) if rooms else None


def unit(x):
    """x (n, L) at unit power."""
    return x / (x.square().mean(1, keepdim=True).sqrt() + 1e-5)


class Pool:
    """Audio of one kind on the GPU; crops start anywhere, sources weighted by hours ** 0.5."""

    def __init__(self, sources, device):
        self.names = list(sources)
        self.audio = torch.from_numpy(np.concatenate([sources[n] for n in self.names])).to(device)
        lengths = torch.tensor([len(sources[n]) for n in self.names], dtype=torch.float64)
        self.start = (lengths.cumsum(0) - lengths).to(device)
        self.lengths = lengths.to(device)
        self.weights = lengths.sqrt().to(device)

    def crop(self, batch, length, generator):
        """-> (batch, length) float32 in -1..1."""
        source = torch.multinomial(self.weights, batch, replacement=True, generator=generator)
        room = (self.lengths[source] - length).clamp(min=0)
        first = self.start[source] + torch.rand(batch, device=self.audio.device, generator=generator).double() * room
        index = first.long().unsqueeze(1) + torch.arange(length, device=self.audio.device)
        return self.audio[index.clamp(max=len(self.audio) - 1)].float() / 32768


class Mixer:
    """batch() -> noisy, clean (B, L); combine(*sources()) again pairs the same sources anew.

    Clean keeps the early part of a room and the channel's colour.
    """

    def __init__(self, pools, batch, seconds, device, seed):
        self.pools, self.batch_size, self.length = pools, batch, round(seconds * RATE_HZ)
        self.device = device
        self.g = torch.Generator(device).manual_seed(seed)
        self.cpu = np.random.default_rng(seed)

    def uniform(self, low, high, *shape):
        return low + (high - low) * torch.rand(*shape, device=self.device, generator=self.g)

    def chance(self, p, n=None):
        return (torch.rand(n or self.batch_size, 1, device=self.device, generator=self.g) < p).float()

    def normal(self, *shape):
        return torch.randn(*shape, device=self.device, generator=self.g)

    def resampled(self, pool, n, low, high):
        """n crops, all played faster by one factor in low..high; few distinct lengths, so that FFT plans are reused."""
        taken = 400 * round(self.length * self.cpu.uniform(low, high) / 400)
        spectrum = torch.fft.rfft(pool.crop(n, taken, self.g))
        bins = self.length // 2 + 1
        spectrum = F.pad(spectrum, (0, max(0, bins - spectrum.shape[1])))[:, :bins]
        return torch.fft.irfft(spectrum, n=self.length) * (self.length / taken)

    def curve(self, n, spread_db, points=8):
        """Random smooth gain over frequency, (n, L/2+1) linear."""
        knots = self.normal(n, 1, points) * spread_db
        db = F.interpolate(knots, size=self.length // 2 + 1, mode="linear", align_corners=True)[:, 0]
        return 10 ** (db / 20)

    def lowpass(self, n, p):
        """Random band limit of 3.2 to 7.5 kHz with chance p, (n, L/2+1) linear."""
        hz = torch.linspace(0, RATE_HZ / 2, self.length // 2 + 1, device=self.device)
        cut = torch.where(self.chance(p, n) > 0, self.uniform(3200, 7500, n, 1), 1e5)
        return torch.sigmoid((cut - hz) / 100)

    def filtered(self, x, curve):
        return torch.fft.irfft(torch.fft.rfft(x) * curve, n=x.shape[-1])

    def modulation(self, n, depth_db, points):
        """Slow random gain over time, (n, L)."""
        knots = self.normal(n, 1, points) * depth_db
        return 10 ** (F.interpolate(knots, size=self.length, mode="linear", align_corners=True)[:, 0] / 20)

    def since(self, n, rise=0.0):
        """0 before a time anywhere in the clip, then 1, after up to `rise` seconds, (n, L)."""
        t = torch.arange(self.length, device=self.device) / RATE_HZ
        begin = self.uniform(0, self.length / RATE_HZ, n, 1)
        return ((t - begin) / self.uniform(1e-5, rise + 1e-5, n, 1)).clamp(0, 1)

    def sometimes(self, p, gain):
        """`gain` (n, L) with chance p, else 1."""
        return torch.where(self.chance(p, len(gain)) > 0, gain, 1.0)

    def rooms(self, n):
        """Room responses (n, 0.8 s) and their early part: recorded, or sparse echoes and an exponential tail."""
        length = round(0.8 * RATE_HZ)
        t = torch.arange(length, device=self.device) / RATE_HZ
        rt60 = self.uniform(0.1, 0.9, n, 1)
        tail = self.normal(n, length) * torch.exp(-6.9 * t / rt60) * (t > self.uniform(0.001, 0.01, n, 1))
        tail = tail * (torch.rand(n, length, device=self.device, generator=self.g) < (0.02 + t / 0.05).clamp(max=1))
        damp = 1 / (1 + (torch.linspace(0, 8, length // 2 + 1, device=self.device) / self.uniform(1, 8, n, 1)) ** 2)
        tail = self.filtered(tail, damp)
        ratio = 10 ** (self.uniform(-3, 15, n, 1) / 20)
        tail = tail / (tail.square().sum(1, keepdim=True).sqrt() * ratio + 1e-9)
        tail[:, 0] += 1
        real = self.pools.get("rooms")
        if real is not None:
            drawn = real[torch.randint(len(real), (n,), device=self.device, generator=self.g)]
            drawn = drawn * torch.exp(-t * self.uniform(0, 12, n, 1))            # damped: more rooms from few
            tail = torch.where(self.chance(0.3, n) > 0, drawn, tail)
        early = tail * torch.exp(-(t - 0.02).clamp(min=0) / 0.012)
        return tail, early

    def convolved(self, x, response):
        n = self.length + response.shape[1]
        return torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(response, n), n)[:, :self.length]

    def coloured(self, n):
        """Stationary noise of random slope and colour, (n, L)."""
        hz = torch.linspace(0, 1, self.length // 2 + 1, device=self.device) + 0.003
        slope = hz ** -self.uniform(-0.2, 1.2, n, 1)
        return self.filtered(self.normal(n, self.length), slope * self.curve(n, 5, 16))

    def hum(self, n):
        """Mains hum, fans, whistles: harmonics of a steady tone, (n, L)."""
        t = torch.arange(self.length, device=self.device) / RATE_HZ
        base = torch.where(self.chance(0.5, n) > 0, 50 + 10 * self.chance(0.5, n), self.uniform(60, 1500, n, 1))
        out = torch.zeros(n, self.length, device=self.device)
        for k in range(1, 9):
            level = self.uniform(0, 1, n, 1) / k * (base * k < 7800)
            out += level * torch.sin(2 * math.pi * base * k * t + self.uniform(0, 6.28, n, 1))
        return out

    def clicks(self, n):
        """Keys, knocks and crackle: short resonant bursts at random times, (n, L)."""
        hits = (torch.rand(n, self.length, device=self.device, generator=self.g) < self.uniform(2, 15, n, 1) / RATE_HZ)
        t = torch.arange(800, device=self.device) / RATE_HZ
        ring = torch.exp(-t / self.uniform(0.0005, 0.01, n, 1)) * self.normal(n, 800)
        return self.convolved(hits * self.uniform(0.2, 1, n, self.length), ring)

    def afar(self, x):
        """Some of x (n, L) as it sounds from across a room: with more echo than what people talk to each other in."""
        room, _ = self.rooms(len(x))
        room[:, 0] *= self.uniform(0, 1, len(x))
        return torch.where(self.chance(0.6, len(x)) > 0, self.convolved(x, room), x)

    def babble(self, n):
        """3 to 12 talkers at once, (n, L)."""
        talkers = range(int(self.cpu.integers(3, 13)))
        return sum(self.resampled(self.pools["speech"], n, 0.9, 1.1) * self.uniform(0.2, 1, n, 1) for _ in talkers)

    def place(self, n):
        """Where people meet, eat or travel: talkers, the sound of the place and clatter, (n, L)."""
        parts = [unit(x) for x in (self.babble(n), self.coloured(n), self.clicks(n))]
        return sum(x * 10 ** (self.uniform(-18, 0, n, 1) / 20) for x in parts)

    def crossed(self, envelope, carrier):
        """The coarse spectra of one noise over time on the fine ones of another, (n, L) twice -> (n, L)."""
        window = torch.hann_window(512, device=self.device)
        a, b = (torch.stft(x, 512, 128, window=window, return_complex=True) for x in (envelope, carrier))
        coarse = [F.avg_pool2d(s.abs().square().unsqueeze(1), (9, 5), 1, (4, 2), count_include_pad=False)
                  for s in (a, b)]
        gain = ((coarse[0] + 1e-9) / (coarse[1] + 1e-6)).clamp(max=1e6).sqrt()[:, 0]
        return torch.istft(b * gain, 512, 128, window=window, length=self.length)

    def noise(self):
        """One noise each, drawn among recordings, music, babble and synthetic kinds, (B, L) at unit power."""
        n = self.batch_size
        out = self.resampled(self.pools["noise"], n, 0.7, 1.4)
        out = torch.where(self.chance(0.5) > 0, out.flip(1), out)
        out = self.filtered(out, self.curve(n, 4) * self.lowpass(n, 0.1))
        share = max(1, round(n * 0.06))
        made = torch.cat([
            self.afar(torch.cat([self.babble(share), self.place(2 * share), self.clicks(share)])),
            self.coloured(share), self.hum(share),
            self.resampled(self.pools["music"], share, 0.9, 1.1) if "music" in self.pools else self.coloured(share)])
        where = torch.randperm(n, device=self.device, generator=self.g)[:len(made)]
        out[where] = made[:len(where)]
        some = torch.randperm(n, device=self.device, generator=self.g)[:round(0.2 * n)]
        out[some] = self.crossed(out[some.roll(1)], out[some])
        out = out * self.sometimes(0.3, self.modulation(n, 6, int(self.cpu.integers(4, 24))))
        return unit(out)

    def sources(self):
        """Speech as heard and as wanted, at unit active level, and noise at unit power: three times (B, L)."""
        n = self.batch_size
        speech = self.resampled(self.pools["speech"], n, 0.88, 1.14)
        speech = self.filtered(speech, self.curve(n, 3) * self.lowpass(n, 0.12))
        far = max(1, round(n * 0.3))
        room, early = self.rooms(far)
        heard = torch.cat([self.convolved(speech[:far], room), speech[far:]])
        clean = torch.cat([self.convolved(speech[:far], early), speech[far:]])
        envelope = clean.unfold(1, 400, 400).square().mean(-1)                   # 25 ms powers
        active = envelope > 0.03 * envelope.amax(1, keepdim=True)
        power = (envelope * active).sum(1) / active.sum(1).clamp(min=1)
        level = power.sqrt().unsqueeze(1) + 1e-4
        return heard / level, clean / level, self.noise()

    def combine(self, heard, clean, noise):
        """Mixes sources in new pairs, at new levels -> noisy, clean (B, L)."""
        n = len(heard)
        order = torch.randperm(n, device=self.device, generator=self.g)
        second = noise[torch.randperm(n, device=self.device, generator=self.g)]
        heard, clean = heard[order], clean[order]
        second = second * self.sometimes(0.4, self.since(n, 0.5))
        noise = noise + second * 10 ** (self.uniform(-20, 0, n, 1) / 20) * self.chance(0.45)
        noise = unit(noise) * 10 ** (-self.uniform(-8, 20, n, 1) / 20) * (1 - self.chance(0.03))
        noise = noise * self.sometimes(0.06, self.since(n, 0.2))
        present = 1 - self.chance(0.06)
        clean, noisy = clean * present, heard * present + noise
        level = 10 ** ((-25 + 9 * self.normal(n, 1)).clamp(-55, -8) / 20)
        level = level * self.sometimes(0.1, self.modulation(n, 4, 4))
        level = level * self.sometimes(0.08, self.since(n))                     # a microphone switched on
        noisy, clean = noisy * level, clean * level
        peak = noisy.abs().amax(1, keepdim=True) + 1e-6
        limit = torch.where(self.chance(0.05) > 0, peak * self.uniform(0.3, 0.9, n, 1), peak.clamp(max=1.0))
        return noisy.clamp(-limit, limit), clean

    def batch(self):
        return self.combine(*self.sources())

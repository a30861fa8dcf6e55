"""Write the golden vectors that the C tests compare with (tests/golden), from training/model.py.

    python golden.py [folder]
"""
import argparse
import math
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import mamba
import model
import sample_model
from export import export
from steer_model import denoiser_of

EPS = 1e-5
LAYERS = {                                              # name: (d_model, bands, configuration); see the C tests
    "mamba2": (12, 3, {"mixer": "mamba2", "d_inner": 24, "d_state": 5, "d_conv": 4, "headdim": 8}),
    "mamba2_groups": (20, 2, {"mixer": "mamba2", "d_inner": 40, "d_state": 6, "d_conv": 3, "headdim": 10,
                              "n_groups": 2}),
    "mamba2_limit": (9, 2, {"mixer": "mamba2", "d_inner": 64, "d_state": 16, "d_conv": 4, "headdim": 32,
                            "dt_limit": [0.01, 0.05]}),
    "mamba": (12, 3, {"mixer": "mamba", "d_inner": 22, "d_state": 5, "d_conv": 4, "dt_rank": 3}),
    "band_mlp": (20, 7, {"mixer": "band_mlp", "d_hidden": 5}),
}
FRONT_END = {"type": "spectral", "rate_hz": 16000, "window_ms": 32, "hop_ms": 8, "compress": 0.3,
             "power_floor": 1e-10}
NETWORKS = {
    "bands": {"front_end": dict(FRONT_END, band_edges=[0, 8, 20, 50, 100, 180, 257]), "d_model": 12, "blocks": [
        {"mixer": "mamba2", "d_inner": 24, "d_state": 6, "headdim": 8},
        {"mixer": "band_mlp", "d_hidden": 9},
        {"mixer": "mamba", "d_inner": 20, "d_state": 5, "dt_rank": 2}]},
    "whole": {"front_end": dict(FRONT_END, window_ms=20, hop_ms=4, band_edges=[0, 161]), "d_model": 32, "blocks": [
        {"mixer": "mamba2", "d_inner": 64, "d_state": 16, "headdim": 16, "n_groups": 2},
        {"mixer": "mamba2", "d_inner": 48, "d_state": 7, "headdim": 16}]},
}

FILTERED = {**NETWORKS["bands"],
            "front_end": dict(NETWORKS["bands"]["front_end"], mask_power=2,
                              filter={"n_bins": 50, "delays": [1, 2, 5]})}
AHEAD = {
    "front_end": dict(FILTERED["front_end"], mask_power=2.2, lookahead=3, filter={"n_bins": 50, "delays": [-3, -1, 2]}),
    "d_model": 12, "blocks": [
        {"mixer": "mamba2", "d_inner": 24, "d_state": 6, "headdim": 8, "bands": [0, 2]},
        {"mixer": "mamba", "d_inner": 20, "d_state": 5, "dt_rank": 2, "bands": [1, 6]},
        {"mixer": "band_mlp", "d_hidden": 9, "bands": [0, 4]},
        {"mixer": "mamba2", "d_inner": 24, "d_state": 6, "headdim": 8}]}
STEERED = {
    "front_end": dict(FRONT_END, window_ms=8, hop_ms=2, band_edges=[0, 8, 20, 65]), "d_model": 12, "blocks": [
        {"mixer": "mamba2", "d_inner": 24, "d_state": 6, "headdim": 8},
        {"mixer": "band_mlp", "d_hidden": 5}],
    "steer": {"n_gains": 12, "n_taps": 29, "n_past": 5, "delay": 11, "fade": 7, "d_model": 20, "blocks": [
        {"mixer": "mamba2", "d_inner": 32, "d_state": 5, "headdim": 16},
        {"mixer": "mamba", "d_inner": 22, "d_state": 5, "dt_rank": 3}]},
}
TIERS = [
    {"d_model": 12, "blocks": [{"mixer": "mamba2", "d_inner": 24, "d_state": 6, "headdim": 8},
                               {"mixer": "mlp", "d_hidden": 20}]},
    {"pool": 4, "d_model": 20, "blocks": [{"mixer": "mamba", "d_inner": 22, "d_state": 5, "dt_rank": 3},
                                          {"mixer": "mlp", "d_hidden": 24}]},
    {"pool": 3, "d_model": 32, "blocks": [{"mixer": "mlp", "d_hidden": 40},
                                          {"mixer": "mamba2", "d_inner": 64, "d_state": 16, "headdim": 16,
                                           "n_groups": 2}]},
]


def randomise(module):
    """Give every parameter that starts as a constant a random value, so that each of them matters."""
    with torch.no_grad():
        for p in module.parameters():
            if p.numel() > 1 and p.std() == 0:
                p.add_(0.2 * torch.randn_like(p))


def mamba2_steps(mixer, u, dt_limit):
    """Mamba-2 as its recurrence: u (B, T, D) -> (B, T, D). Independent of the matrix form, and clamps dt."""
    gn = mixer.groups * mixer.d_state
    z, xbc, dt = mixer.in_proj(u).split([mixer.d_inner, mixer.d_inner + 2 * gn, mixer.heads], -1)
    x, b, c = mamba.causal_conv(xbc, mixer.conv1d.weight, mixer.conv1d.bias).split([mixer.d_inner, gn, gn], -1)
    x = x.unflatten(-1, (mixer.heads, mixer.headdim))
    b, c = (t.unflatten(-1, (mixer.groups, -1)).repeat_interleave(mixer.heads // mixer.groups, -2) for t in (b, c))
    dt = F.softplus(dt + mixer.dt_bias).clamp(*dt_limit)
    decay = torch.exp(dt * -mixer.A_log.exp())
    h, ys = 0.0, []
    for t in range(u.shape[1]):
        update = (dt[:, t, :, None] * x[:, t])[..., None] * b[:, t, :, None]
        h = decay[:, t, :, None, None] * h + update                               # (B, H, P, N)
        ys.append((h * c[:, t, :, None]).sum(-1) + mixer.D[:, None] * x[:, t])
    y = torch.stack(ys, 1).flatten(-2) * F.silu(z)
    y = mamba.rms_norm(y.unflatten(-1, (mixer.groups, -1)), mixer.norm.weight.view(mixer.groups, -1), mixer.eps)
    return mixer.out_proj(y.flatten(-2))


def write_layer(path, d_model, n_bands, cfg, n_frames=40):
    """x, y (T, S, D), the weights of one mixer, and of the RMSNorm before it: y = mixer(norm(x))."""
    block = model.Block(d_model, n_bands, cfg, EPS)
    randomise(block)
    x = torch.randn(1, n_frames, n_bands, d_model)
    y = block(x) - x
    if cfg["mixer"] == "mamba2":
        h = mamba.rms_norm(x, block.norm.weight, EPS)[0].transpose(0, 1)
        steps = mamba2_steps(block.mixer, h, cfg.get("dt_limit", [0, math.inf])).transpose(0, 1)
        if "dt_limit" not in cfg:
            torch.testing.assert_close(steps, y[0], rtol=1e-4, atol=1e-5)
        y = steps[None]
    save_file({**block.state_dict(), "x": x[0], "y": y[0].contiguous()}, path)


def signal(n, rate):
    """A voice-like tone that comes and goes, in noise; (n,)."""
    t = torch.arange(n) / rate
    pitch = 2 * math.pi * torch.cumsum(140 + 30 * torch.sin(2 * math.pi * 3 * t), 0) / rate
    voice = sum(torch.sin(k * pitch) / k for k in range(1, 20))
    return 0.1 * voice * (torch.sin(2 * math.pi * 2 * t) > -0.3) + 0.02 * torch.randn(n)


def write_front_end(path):
    """x (samples) -> spectrum (T, K) as re, im and features (T, 3K), and the windows."""
    front = model.Spectral(FRONT_END)
    x = signal(1280, 16000)
    spectrum = front(x[None])[0]
    save_file({"x": x, "analysis": front.analysis, "synthesis": front.synthesis,
               "spectrum": torch.view_as_real(spectrum).flatten(1).contiguous(),
               "features": front.features(spectrum)}, path)


def write_network(folder, name, cfg, n_samples=8000):
    """The model file, and a signal before and after."""
    front = cfg["front_end"]
    version = ("1.1" if "steer" in cfg else "1.4" if front.get("mask_power", 1) not in (1, 2)
               else "1.3" if "lookahead" in front else "1.2" if "filter" in front else model.FORMAT_VERSION)
    cfg = {"format_version": version, "name": name, "task": "denoise", "licence": "CC0-1.0",
           "norm_eps": EPS, **cfg, "training": {"command": "golden.py, random weights"}}
    network = denoiser_of(cfg)
    randomise(network)
    if "steer" in cfg:
        network.steer.out.weight.normal_(std=0.3)
    else:
        network.band_out.weight.data *= 5                  # a mask that does something
    x = signal(n_samples, 16000)
    export(os.path.join(folder, f"network_{name}.safetensors"), cfg, network.state_dict())
    save_file({"x": x, "y": network(x[None])[0].contiguous()}, os.path.join(folder, f"signal_{name}.safetensors"))


def write_generator(folder, name, tiers, n_steps=300):
    """The model file, and codes (T,) with the logits (T, 256) before each of them."""
    cfg = {"format_version": sample_model.FORMAT_VERSION, "name": name, "task": "generate", "licence": "CC0-1.0",
           "front_end": {"type": "sample", "rate_hz": 16000, "encoding": "mu-law"}, "norm_eps": EPS, "tiers": tiers,
           "training": {"command": "golden.py, random weights"}}
    network = sample_model.Generator(cfg)
    randomise(network)
    codes = torch.randint(sample_model.N_CODES, (1, n_steps))
    tokens = F.pad(codes[:, :-1], (1, 0), value=sample_model.SILENCE)
    logits, _ = network(tokens, network.zero_state(1, "cpu"))
    export(os.path.join(folder, f"network_{name}.safetensors"), cfg, network.state_dict())
    save_file({"codes": codes[0].float(), "logits": logits[0].contiguous()},
              os.path.join(folder, f"codes_{name}.safetensors"))


@torch.no_grad()
def main():
    tests = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
    parser = argparse.ArgumentParser(description="Write the golden vectors of the C tests.")
    parser.add_argument("folder", nargs="?", default=tests)
    folder = parser.parse_args().folder
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(1)
    for name, (d_model, n_bands, cfg) in LAYERS.items():
        write_layer(os.path.join(folder, f"layer_{name}.safetensors"), d_model, n_bands, cfg)
    write_front_end(os.path.join(folder, "front_end.safetensors"))
    for name, cfg in NETWORKS.items():
        write_network(folder, name, cfg)
    write_generator(folder, "tiers", TIERS)
    torch.manual_seed(2)
    write_network(folder, "steer", STEERED)
    torch.manual_seed(3)
    write_network(folder, "filter", FILTERED)
    torch.manual_seed(4)
    write_network(folder, "ahead", AHEAD)


if __name__ == "__main__":
    main()

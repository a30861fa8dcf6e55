"""PyTorch's ways to the scans of cuda_scan.cu, at the same sizes: the plain loop over steps of Mamba, the matrix form of
Mamba-2 as it is and under torch.compile, and this project's Triton kernel.

Usage: python3 cuda_scan_torch.py [--short]
"""
import statistics
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "training"))
from ssd import ssd  # noqa: E402

CHANNELS, HEADDIM = 128, 32


def time_of(work, n=5):
    """Median milliseconds."""
    work()
    torch.cuda.synchronize()
    times = []
    for _ in range(n):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def selective_scan_loop(x, dt, a, b, c):
    """Mamba's scan step by step; x, dt (B, T, I), a (I, N), b, c (B, T, N) -> y (B, T, I)."""
    h = torch.zeros(x.shape[0], x.shape[2], a.shape[1], device=x.device)
    y = torch.empty_like(x)
    for t in range(x.shape[1]):
        h = torch.exp(dt[:, t, :, None] * a) * h + (dt[:, t] * x[:, t])[..., None] * b[:, t, None]
        y[:, t] = (h * c[:, t, None]).sum(-1)
    return y


def decays(log_decay):
    """log_decay (..., T) -> (..., T, T): the decay from step j to step i, zero where j > i."""
    total = log_decay.cumsum(-1)
    gap = total.unsqueeze(-1) - total.unsqueeze(-2)
    mask = torch.ones(gap.shape[-2:], dtype=torch.bool, device=gap.device).tril()
    return gap.masked_fill(~mask, -torch.inf).exp()


def ssd_matrix(x, dt, a, b, c, chunk):
    """Mamba-2's scan without a loop: the matrix form within chunks and again between them (arXiv:2405.21060, section 6).

    x (B, T, H, P), dt (B, T, H), a (H,), b and c (B, T, 1, N), T a multiple of chunk -> y (B, T, H, P). model.ssd_chunked
    loops over chunks, which a compiler unrolls: thousands of them.
    """
    x, dt, b, c = (t.unflatten(1, (-1, chunk)) for t in (x, dt, b[:, :, 0], c[:, :, 0]))
    log_decay = (dt * a).permute(0, 3, 1, 2)                                       # (B, H, chunks, chunk)
    xdt = x * dt.unsqueeze(-1)
    within = torch.einsum("bzin,bzjn,bhzij,bzjhp->bzihp", c, b, decays(log_decay), xdt)
    total = log_decay.cumsum(-1)
    left = (total[..., -1:] - total).exp()
    ends = torch.einsum("bzjn,bhzj,bzjhp->bzhpn", b, left, xdt)                   # what each chunk adds to the state
    over = F.pad(total[..., -1], (1, 0))
    before = torch.einsum("bhzw,bwhpn->bzhpn", decays(over)[..., :-1, 1:], ends)  # state before each chunk
    return (within + torch.einsum("bzin,bzhpn,bhzi->bzihp", c, before, total.exp())).flatten(1, 2)


def report(what, d_state, batch, steps, work):
    try:
        print(f"{what:34} N {d_state:3}  batch {batch:3} of {steps:7} steps  {time_of(work):10.3f} ms", flush=True)
    except Exception as error:  # One that does not run does not keep the others from it
        print(f"{what:34} N {d_state:3}  batch {batch:3} of {steps:7} steps  {type(error).__name__}: "
              f"{str(error).splitlines()[0][:80]}", flush=True)
    torch.cuda.empty_cache()


@torch.no_grad()
def main():
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("highest")
    compiled = torch.compile(ssd_matrix)
    heads = CHANNELS // HEADDIM
    for d_state in (16,) if "--short" in sys.argv else (16, 64):
        for batch, steps in (64, 15000), (1, 960000):
            def floats(*shape):
                return torch.randn(batch, steps, *shape, device="cuda")

            # A tenth of a thousandth of the steps is enough to tell what a loop takes
            few = steps // 1000
            x, dt, b, c = floats(CHANNELS), floats(CHANNELS).sigmoid() * 0.1, floats(d_state), floats(d_state)
            a = -torch.rand(CHANNELS, d_state, device="cuda") * 8
            part = [t[:, :few].contiguous() for t in (x, dt, b, c)]
            report(f"mamba loop, {few} steps of them", d_state, batch, steps,
                   lambda: selective_scan_loop(part[0], part[1], a, part[2], part[3]))
            del x, dt, b, c

            x, dt = floats(heads, HEADDIM), floats(heads).sigmoid() * 0.1
            b, c = floats(1, d_state), floats(1, d_state)
            a = -torch.rand(heads, device="cuda") * 8
            chunk = 100 if batch > 1 else 400
            report("mamba-2 matrix form", d_state, batch, steps, lambda: ssd_matrix(x, dt, a, b, c, chunk))
            report("the same, torch.compile", d_state, batch, steps, lambda: compiled(x, dt, a, b, c, chunk))
            report("mamba-2 Triton", d_state, batch, steps, lambda: ssd(x, dt, a, b, c))


if __name__ == "__main__":
    main()

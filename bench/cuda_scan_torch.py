"""PyTorch's ways to the scans of cuda_scan.cu, at the same sizes: the plain loop over steps of Mamba, model.ssd_chunked
under torch.compile, and this project's Triton kernel.

Usage: python3 cuda_scan_torch.py [--short]
"""
import statistics
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "training"))
from model import ssd_chunked  # noqa: E402
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
    compiled = torch.compile(ssd_chunked)
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
            if batch > 1:        # Its loop over chunks is unrolled: 15000 of them would never compile
                report("mamba-2 ssd_chunked, torch.compile", d_state, batch, steps, lambda: compiled(x, dt, a, b, c))
            report("mamba-2 ssd_chunked", d_state, batch, steps, lambda: ssd_chunked(x, dt, a, b, c))
            report("mamba-2 Triton", d_state, batch, steps, lambda: ssd(x, dt, a, b, c))


if __name__ == "__main__":
    main()

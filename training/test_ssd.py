"""Compares the kernels of ssd.py with mamba.ssd_chunked, values and gradients, and times both on a GPU.

Without a GPU: TRITON_INTERPRET=1 python training/test_ssd.py
"""
import sys

import torch

from mamba import ssd_chunked
from ssd import ssd


def compare(device, shape, groups, d_state, dtype):
    batch, steps, heads, headdim = shape
    g = torch.Generator(device).manual_seed(3)
    x, b, c, weight = (torch.randn(s, device=device, generator=g).to(dtype).requires_grad_() for s in (
        shape, (batch, steps, groups, d_state), (batch, steps, groups, d_state), shape))
    dt = (torch.rand(batch, steps, heads, device=device, generator=g) * 0.5).requires_grad_()
    a = (-torch.rand(heads, device=device, generator=g) - 0.05).requires_grad_()
    state = torch.randn(batch, heads, d_state, headdim, device=device, generator=g)
    inputs, worst = (x, dt, a, b, c), 0.0
    exact = tuple(t.detach().double().requires_grad_() for t in inputs)
    results = [ssd(*inputs, state), ssd_chunked(*exact, state.double())]
    grads = [torch.autograd.grad((y * weight.to(y.dtype)).sum(), i) for (y, _), i in zip(results, (inputs, exact))]
    pairs = list(zip(("y", "last"), *([t.detach() for t in r] for r in results)))
    for name, ours, theirs in pairs + list(zip(("x", "dt", "a", "b", "c"), *grads)):
        error = ((ours.double() - theirs.double()).norm() / theirs.double().norm()).item()
        print(f"{dtype} {shape} {name:4} relative error {error:.2e}")
        worst = max(worst, error)
    return worst < (2e-2 if dtype == torch.bfloat16 else 2e-5)


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    good = compare(device, (2, 100, 4, 32), 1, 16, torch.float32)
    good = compare(device, (1, 150, 4, 16), 2, 32, torch.float32) and good
    if device == "cuda":
        good = compare(device, (8, 500, 4, 32), 1, 16, torch.bfloat16) and good
        from triton.testing import do_bench
        shape = (2048, 500, 4, 32)
        x = torch.randn(shape, device=device, dtype=torch.bfloat16).requires_grad_()
        w = torch.randn(shape, device=device)
        b, c = (torch.randn(2048, 500, 1, 16, device=device, dtype=torch.bfloat16).requires_grad_() for _ in range(2))
        dt, a = torch.rand(2048, 500, 4, device=device).requires_grad_(), -torch.rand(4, device=device).requires_grad_()
        for name, f in (("triton", ssd), ("compiled", torch.compile(ssd_chunked))):
            forward = do_bench(lambda: f(x, dt, a, b, c))
            both = do_bench(lambda: torch.autograd.grad((f(x, dt, a, b, c)[0] * w).sum(), (x, dt, b, c)))
            print(f"{name}: forward {forward:.2f} ms, with backward {both:.2f} ms")
    sys.exit(not good)

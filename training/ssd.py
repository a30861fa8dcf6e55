"""Mamba-2's scan as one Triton kernel each way; the same function as mamba.ssd_chunked, several times faster.

One program walks one sequence and head, a chunk of steps at a time: inside the chunk in matrix form
(arXiv:2405.21060, section 6), between chunks by the state. Shapes as in mamba.py; bfloat16 or float32 in and out.
"""
import torch
import triton
import triton.language as tl

CHUNK = 64


@triton.jit
def load_chunk(x_ptr, dt_ptr, b_ptr, c_ptr, base, z, head, group, n_steps, n_heads, n_groups, a,
               Q: tl.constexpr, P: tl.constexpr, N: tl.constexpr):
    t = z * Q + tl.arange(0, Q)
    live = t < n_steps
    row = base + t
    p, n = tl.arange(0, P), tl.arange(0, N)
    x_at = (row * n_heads + head)[:, None] * P + p[None, :]
    bc_at = (row * n_groups + group)[:, None] * N + n[None, :]
    dt_at = row * n_heads + head
    x = tl.load(x_ptr + x_at, mask=live[:, None], other=0.0).to(tl.float32)
    b = tl.load(b_ptr + bc_at, mask=live[:, None], other=0.0)
    c = tl.load(c_ptr + bc_at, mask=live[:, None], other=0.0)
    dt = tl.load(dt_ptr + dt_at, mask=live, other=0.0)
    cum = tl.cumsum(dt * a, 0)
    last = tl.sum(dt * a, 0)
    i = tl.arange(0, Q)
    decay = tl.where(i[:, None] >= i[None, :], tl.exp(tl.minimum(cum[:, None] - cum[None, :], 0.0)), 0.0)
    return x, b, c, dt, cum, last, decay, live, x_at, bc_at, dt_at


@triton.jit
def forward_kernel(x_ptr, dt_ptr, a_ptr, b_ptr, c_ptr, first_ptr, y_ptr, s_ptr, last_ptr, n_steps, n_heads, n_groups, n_chunks: tl.constexpr,
                   Q: tl.constexpr, P: tl.constexpr, N: tl.constexpr, KIND: tl.constexpr):
    seq, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    group = head // (n_heads // n_groups)
    a = tl.load(a_ptr + head)
    base = seq * n_steps
    s_at = tl.arange(0, N)[:, None] * P + tl.arange(0, P)[None, :]
    carried_at = (seq * n_heads + head) * (N * P) + s_at
    state = tl.load(first_ptr + carried_at)
    for z in range(n_chunks):
        x, b, c, dt, cum, last, decay, live, x_at, bc_at, dt_at = load_chunk(
            x_ptr, dt_ptr, b_ptr, c_ptr, base, z, head, group, n_steps, n_heads, n_groups, a, Q, P, N)
        tl.store(s_ptr + ((seq * n_heads + head) * n_chunks + z) * (N * P) + s_at, state)
        xdt = (x * dt[:, None]).to(KIND)
        g = (tl.dot(c, tl.trans(b), input_precision="ieee") * decay).to(KIND)
        y = tl.dot(g, xdt, input_precision="ieee")
        y += tl.exp(cum)[:, None] * tl.dot(c, state.to(KIND), input_precision="ieee")
        tl.store(y_ptr + x_at, y, mask=live[:, None])
        rest = (b * tl.exp(last - cum)[:, None]).to(KIND)
        state = tl.exp(last) * state + tl.dot(tl.trans(rest), xdt, input_precision="ieee")
    tl.store(last_ptr + carried_at, state)


@triton.jit
def backward_kernel(x_ptr, dt_ptr, a_ptr, b_ptr, c_ptr, s_ptr, dy_ptr, dx_ptr, ddt_ptr, da_ptr, db_ptr, dc_ptr,
                    n_steps, n_heads, n_groups, n_chunks: tl.constexpr,
                    Q: tl.constexpr, P: tl.constexpr, N: tl.constexpr, KIND: tl.constexpr):
    seq, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    group = head // (n_heads // n_groups)
    a = tl.load(a_ptr + head)
    base = seq * n_steps
    n = tl.arange(0, N)
    s_at = n[:, None] * P + tl.arange(0, P)[None, :]
    dstate = tl.zeros((N, P), tl.float32)
    da = 0.0
    for back in range(n_chunks):
        z = n_chunks - 1 - back
        x, b, c, dt, cum, last, decay, live, x_at, bc_at, dt_at = load_chunk(
            x_ptr, dt_ptr, b_ptr, c_ptr, base, z, head, group, n_steps, n_heads, n_groups, a, Q, P, N)
        state = tl.load(s_ptr + ((seq * n_heads + head) * n_chunks + z) * (N * P) + s_at)
        dy = tl.load(dy_ptr + x_at, mask=live[:, None], other=0.0).to(KIND)
        xdt = (x * dt[:, None]).to(KIND)
        g = tl.dot(c, tl.trans(b), input_precision="ieee") * decay
        since, rest, total = tl.exp(cum), tl.exp(last - cum), tl.exp(last)
        s16, ds16 = state.to(KIND), dstate.to(KIND)

        dg = tl.dot(dy, tl.trans(xdt), input_precision="ieee")
        dcb = (dg * decay).to(KIND)
        from_state = tl.dot(dy, tl.trans(s16), input_precision="ieee") * since[:, None]      # (Q, N)
        to_state = tl.dot(xdt, tl.trans(ds16), input_precision="ieee") * rest[:, None]       # (Q, N)
        dc = tl.dot(dcb, b, input_precision="ieee") + from_state
        db = tl.dot(tl.trans(dcb), c, input_precision="ieee") + to_state
        brest = (b * rest[:, None]).to(KIND)
        dxdt = tl.dot(tl.trans(g.to(KIND)), dy, input_precision="ieee") + tl.dot(brest, ds16, input_precision="ieee")

        w = dg * g
        carried = tl.sum(to_state * b, 1)
        dcum = tl.sum(w, 1) - tl.sum(w, 0) + tl.sum(from_state * c, 1) - carried
        dlast = tl.sum(carried, 0) + total * tl.sum(tl.sum(state * dstate, 1), 0)
        # Gradient of each step's dt * a: every later cum, and the chunk's total, contain it.
        dstep = tl.sum(dcum, 0) - tl.cumsum(dcum, 0) + dcum + dlast
        da += tl.sum(dstep * dt, 0)
        tl.store(ddt_ptr + dt_at, dstep * a + tl.sum(dxdt * x, 1), mask=live)
        tl.store(dx_ptr + x_at, dxdt * dt[:, None], mask=live[:, None])
        per_head = (base + z * Q + tl.arange(0, Q)) * n_heads + head
        tl.store(db_ptr + per_head[:, None] * N + n[None, :], db, mask=live[:, None])
        tl.store(dc_ptr + per_head[:, None] * N + n[None, :], dc, mask=live[:, None])
        csince = (c * since[:, None]).to(KIND)
        dstate = total * dstate + tl.dot(tl.trans(csince), dy, input_precision="ieee")
    tl.store(da_ptr + seq * n_heads + head, da)


def kind_of(x):
    return tl.bfloat16 if x.dtype == torch.bfloat16 else tl.float32


@torch.library.custom_op("maudio::ssd_forward", mutates_args=())
def ssd_forward(x: torch.Tensor, dt: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor,
                first: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, dt, b, c, first = (t.contiguous() for t in (x, dt, b, c, first))
    batch, n_steps, heads, headdim = x.shape
    groups, d_state = b.shape[2:]
    n_chunks = -(-n_steps // CHUNK)
    y = torch.empty_like(x)
    states = torch.empty(batch, heads, n_chunks, d_state, headdim, device=x.device)
    last = torch.empty_like(first)
    forward_kernel[(batch, heads)](x, dt, a, b, c, first, y, states, last, n_steps, heads, groups, n_chunks,
                                   CHUNK, headdim, d_state, kind_of(x))
    return y, states, last


@ssd_forward.register_fake
def _(x, dt, a, b, c, first):
    n_chunks = -(-x.shape[1] // CHUNK)
    return (torch.empty(x.shape, dtype=x.dtype, device=x.device),
            torch.empty(x.shape[0], x.shape[2], n_chunks, b.shape[3], x.shape[3], device=x.device),
            torch.empty_like(first))


@torch.library.custom_op("maudio::ssd_backward", mutates_args=())
def ssd_backward(dy: torch.Tensor, x: torch.Tensor, dt: torch.Tensor, a: torch.Tensor, b: torch.Tensor,
                 c: torch.Tensor, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor,
                                                                 torch.Tensor, torch.Tensor]:
    x, dt, b, c, dy = (t.contiguous() for t in (x, dt, b, c, dy))
    batch, n_steps, heads, headdim = x.shape
    groups, d_state = b.shape[2:]
    dx, ddt = torch.empty_like(x), torch.empty_like(dt)
    da = torch.empty(batch, heads, device=x.device)
    db = torch.empty(batch, n_steps, heads, d_state, device=x.device, dtype=b.dtype)
    dc = torch.empty_like(db)
    backward_kernel[(batch, heads)](x, dt, a, b, c, states, dy, dx, ddt, da, db, dc, n_steps, heads, groups,
                                    states.shape[2], CHUNK, headdim, d_state, kind_of(x))
    db, dc = (t.unflatten(2, (groups, -1)).sum(3) for t in (db, dc))
    return dx, ddt, da.sum(0), db, dc


@ssd_backward.register_fake
def _(dy, x, dt, a, b, c, states):
    return tuple(torch.empty(t.shape, dtype=t.dtype, device=t.device) for t in (x, dt, a, b, c))


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:5], output[1])


def _backward(ctx, dy, _states, _last):
    x, dt, a, b, c, states = ctx.saved_tensors
    return *ssd_backward(dy, x, dt, a, b, c, states), None


ssd_forward.register_autograd(_backward, setup_context=_save)


def ssd(x, dt, a, b, c, state=None):
    """x (B, T, H, P), dt (B, T, H) float32, a (H,) negative, b and c (B, T, G, N) -> y (B, T, H, P), last state.

    The states, (B, H, N, P) float32, are without gradient; None is zero.
    """
    if state is None:
        state = torch.zeros(x.shape[0], x.shape[2], b.shape[3], x.shape[3], device=x.device)
    y, _, last = ssd_forward(x, dt, a, b, c, state)
    return y, last

"""liger-kernel's Triton kernels, through its own launchers, against formulas in f64."""

import math

import ml_dtypes
import numpy as np
import torch
from torch.autograd import Context

from checking import BF16, F16, F32, check

bf16 = ml_dtypes.bfloat16
LIGER = "liger-kernel"


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x):
    return x - x.max(-1, keepdims=True) - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm_backward(g, xhat, rstd):
    """The gradient of a normalisation over the last axis whose mean is subtracted."""
    return rstd * (g - g.mean(-1, keepdims=True) - xhat * (g * xhat).mean(-1, keepdims=True))


@check(LIGER, "f32 [5, 300]")
def layer_norm(case):
    from liger_kernel.ops.layer_norm import LigerLayerNormFunction as op

    (X, x), (W, w), (B, b), (D, d) = case.tensor(5, 300), case.tensor(300), case.tensor(300), case.tensor(5, 300)
    ctx = Context()
    y = op.forward(ctx, X, W, B, 1e-5)
    rstd = 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    xhat = (x - x.mean(1, keepdims=True)) * rstd
    yield "y", y, xhat * w + b, F32
    dx, dw, db, _ = op.backward(ctx, D)
    yield "dx", dx, norm_backward(d * w, xhat, rstd), F32
    yield "dw", dw, (d * xhat).sum(0), F32
    yield "db", db, d.sum(0), F32


@check(LIGER, "bf16 [7, 1000]")
def rms_norm(case):
    from liger_kernel.ops.rms_norm import LigerRMSNormFunction as op

    (X, x), (W, w), (D, d) = (case.tensor(*shape, dtype=bf16) for shape in [(7, 1000), (1000,), (7, 1000)])
    ctx = Context()
    y = op.forward(ctx, X, W, 1e-6, 0.0, "gemma")
    rstd = 1 / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6)
    yield "y", y, x * rstd * w, BF16
    dx, dw, *_ = op.backward(ctx, D)
    g = d * w
    yield "dx", dx, rstd * (g - x * rstd**2 * (g * x).mean(1, keepdims=True)), BF16
    yield "dw", dw, (d * x * rstd).sum(0), BF16


@check(LIGER, "f32 [6, 513]")
def fused_add_rms_norm(case):
    from liger_kernel.ops.fused_add_rms_norm import LigerFusedAddRMSNormFunction as op

    (X, x), (R, r), (W, w), (D, d), (E, e) = (case.tensor(*shape) for shape in [(6, 513), (6, 513), (513,), (6, 513), (6, 513)])
    ctx = Context()
    y, s = op.forward(ctx, X, R, W, 1e-6, 0.0, "llama", False)
    total = x + r
    rstd = 1 / np.sqrt((total**2).mean(1, keepdims=True) + 1e-6)
    yield "s", s, total, F32
    yield "y", y, total * rstd * w, F32
    dx, _, dw, *_ = op.backward(ctx, D, E)
    g = d * w
    yield "dx", dx, rstd * (g - total * rstd**2 * (g * total).mean(1, keepdims=True)) + e, F32
    yield "dw", dw, (d * total * rstd).sum(0), F32


@check(LIGER, "f32 [3, 6, 100], 3 groups")
def group_norm(case):
    from liger_kernel.ops.group_norm import LigerGroupNormFunction as op

    (X, x), (W, w), (B, b), (D, d) = case.tensor(3, 6, 100), case.tensor(6), case.tensor(6), case.tensor(3, 6, 100)
    ctx = Context()
    y = op.forward(ctx, X, W, B, 6, 3, 1e-5)
    grouped = x.reshape(3, 3, 200)
    rstd = 1 / np.sqrt(grouped.var(-1, keepdims=True) + 1e-5)
    xhat = (grouped - grouped.mean(-1, keepdims=True)) * rstd
    flat = xhat.reshape(3, 6, 100)
    yield "y", y, flat * w[:, None] + b[:, None], F32
    dx, dw, db, *_ = op.backward(ctx, D)
    yield "dx", dx, norm_backward((d * w[:, None]).reshape(3, 3, 200), xhat, rstd).reshape(3, 6, 100), F32
    yield "dw", dw, (d * flat).sum((0, 2)), F32
    yield "db", db, d.sum((0, 2)), F32


@check(LIGER, "f32 [3, 6, 100], fused multiply-adds", finds=dict.fromkeys((80, 90), "write after write"))
def group_norm_fused(case):
    """The two sides of a butterfly round differently, so that lanes store different values to one place."""
    from liger_kernel.ops import group_norm as module
    from triton import knobs

    with knobs.language.scope():
        knobs.language.default_fp_fusion = True
        # What was compiled before this knob was turned is forgotten.
        module._group_norm_forward_kernel.device_caches.clear()
        module._group_norm_backward_kernel.device_caches.clear()
        yield from group_norm(case)


def rotated(case, heads):
    from liger_kernel.ops.rope import LigerRopeFunction as op

    q, k = case.normal(2, 17, 4, 64, dtype=bf16), case.normal(2, 17, heads, 64, dtype=bf16)
    angles = np.arange(17)[:, None] * 10000.0 ** (-np.arange(32) / 32)
    cos, sin = (np.tile(f(angles), 2)[None].astype(np.float32) for f in (np.cos, np.sin))
    turn = lambda x, s: x * cos + s * np.concatenate([-x[..., 32:], x[..., :32]], -1) * sin  # noqa: E731
    tensors = [torch.Tensor(t.copy()).transpose(1, 2) for t in (q, k)]
    heads = [t.astype(np.float64).swapaxes(1, 2) for t in (q, k)]
    ctx = Context()
    for got, want in zip(op.forward(ctx, *tensors, torch.Tensor(cos), torch.Tensor(sin)), heads):
        yield "turned", got, turn(want, 1), BF16
    tensors = [torch.Tensor(t.copy()).transpose(1, 2) for t in (q, k)]
    for got, want in zip(op.backward(ctx, *tensors)[:2], heads):
        yield "turned back", got, turn(want, -1), BF16


@check(LIGER, "bf16 [2, 4 and 8 heads, 17, 64]")
def rope(case):
    yield from rotated(case, 8)


@check(LIGER, "bf16 [2, 4 and 2 heads, 17, 64]", finds=dict.fromkeys((80, 90), "race on byte"))
def rope_few_heads(case):
    """Two heads are half as many numbers as threads: the other half loads them, too, with nothing between that and the store in place. It does no
    harm, since what the other half makes of them is not stored."""
    yield from rotated(case, 2)


@check(LIGER, "f16 [9, 700]")
def swiglu(case):
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction as op

    (A, a), (B, b), (D, d) = (case.tensor(9, 700, dtype=np.float16) for _ in range(3))
    ctx = Context()
    silu = a * sigmoid(a)
    yield "c", op.forward(ctx, A, B), silu * b, F16
    da, db, *_ = op.backward(ctx, D)
    yield "da", da, d * b * (silu * (1 - sigmoid(a)) + sigmoid(a)), F16
    yield "db", db, d * silu, F16


@check(LIGER, "f32 [9, 700]")
def geglu(case):
    from liger_kernel.ops.geglu import LigerGELUMulFunction as op

    (A, a), (B, b), (D, d) = (case.tensor(9, 700) for _ in range(3))
    ctx = Context()
    root = math.sqrt(2 / math.pi)
    t = np.tanh(root * (a + 0.044715 * a**3))
    yield "c", op.forward(ctx, A, B), 0.5 * a * (1 + t) * b, F32
    da, db = op.backward(ctx, D)
    slope = 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * root * (1 + 3 * 0.044715 * a * a)
    yield "da", da, d * b * slope, F32
    yield "db", db, d * 0.5 * a * (1 + t), F32


@check(LIGER, "f32 [6, 1000], a label ignored")
def cross_entropy(case):
    from liger_kernel.ops.cross_entropy import cross_entropy_forward

    X, x = case.tensor(6, 1000)
    labels = case.random.integers(0, 1000, 6)
    labels[2] = -100
    X.requires_grad = True
    loss, z, *_, grad = cross_entropy_forward(X, torch.Tensor(labels), None, -100, 1e-3, 0.1, "mean", None, True)
    valid = labels >= 0
    at, rows = np.where(valid, labels, 0), np.arange(6)
    logp, p, lse = log_softmax(x), softmax(x), np.log(np.exp(x).sum(1))
    each = -0.9 * logp[rows, at] - 0.1 * logp.mean(1)
    yield "z loss", z, (1e-3 * lse**2 * valid).sum() / 5, F32
    yield "loss", loss, ((each + 1e-3 * lse**2) * valid).sum() / 5, F32
    target = np.full((6, 1000), 0.1 / 1000)
    target[rows, at] += 0.9
    want = (p - target + 2e-3 * lse[:, None] * p) * valid[:, None] / 5
    yield "dx", grad, want, F32


@check(LIGER, "f32 [7, 1000] and [2, 9000]")
def softmax_(case):
    from liger_kernel.ops.softmax import LigerSoftmaxFunction as op

    for rows, columns in [(7, 1000), (2, 9000)]:
        (X, x), (D, d) = case.tensor(rows, columns), case.tensor(rows, columns)
        ctx = Context()
        p = softmax(x)
        yield "y", op.forward(ctx, X), p, F32
        yield "dx", op.backward(ctx, D), p * (d - (p * d).sum(1, keepdims=True)), F32


@check(LIGER, "f32 [5, 777]")
def jsd(case):
    from liger_kernel.ops.jsd import jsd_forward

    x, y = log_softmax(case.normal(5, 777).astype(np.float64)), log_softmax(case.normal(5, 777).astype(np.float64))
    X, Y = torch.Tensor(x.astype(np.float32)), torch.Tensor(y.astype(np.float32))
    loss, dx = jsd_forward(X, Y, None, 0.3, -100, False)
    q, p = np.exp(x), np.exp(y)
    m = 0.3 * p + 0.7 * q
    yield "loss", loss, (0.3 * p * (y - np.log(m)) + 0.7 * q * (x - np.log(m))).sum() / 5, F32
    yield "dx", dx, 0.7 * q * (x - np.log(m)) / 5, F32


@check(LIGER, "f32 [5, 777]")
def kl_div(case):
    from liger_kernel.ops.kl_div import LigerKLDivLossFunction as op

    x, p = log_softmax(case.normal(5, 777).astype(np.float64)), softmax(case.normal(5, 777).astype(np.float64))
    ctx = Context()
    loss = op.forward(ctx, torch.Tensor(x.astype(np.float32)), torch.Tensor(p.astype(np.float32)))
    yield "loss", loss, (p * (np.log(p) - x)).sum() / 5, F32
    yield "dx", op.backward(ctx, torch.tensor(1.0))[0], -p / 5, F32


@check(LIGER, "f32 [5, 777]")
def tvd(case):
    from liger_kernel.ops.tvd import tv_distance_forward_triton

    p, q = (softmax(case.normal(5, 777)) for _ in range(2))
    loss, grads = tv_distance_forward_triton(torch.Tensor(p.copy()), torch.Tensor(q), None, "batchmean", -100, False)
    yield "loss", loss, 0.5 * np.abs(p.astype(np.float64) - q).sum() / 5, F32
    yield "dp", grads, 0.5 * np.sign(p - q) / 5, F32


@check(LIGER, "f32 [4, 9, 300]")
def dyt(case):
    from liger_kernel.ops.dyt import LigerDyTFunction as op

    (X, x), (A, a), (G, g), (B, b), (D, d) = (case.tensor(*s) for s in [(4, 9, 300), (1,), (300,), (300,), (4, 9, 300)])
    ctx = Context()
    t = np.tanh(a * x)
    yield "y", op.forward(ctx, X, A, G, B), g * t + b, F32
    dx, da, dg, db = op.backward(ctx, D)
    yield "dx", dx, d * g * (1 - t * t) * a, F32
    yield "dalpha", da, (d * g * (1 - t * t) * x).sum().reshape(1), F32 * 4
    yield "dgamma", dg, (d * t).sum((0, 1)), F32
    yield "dbeta", db, d.sum((0, 1)), F32


@check(LIGER, "f32 [6, 200]")
def sparsemax(case):
    from liger_kernel.ops.sparsemax import LigerSparsemaxFunction as op

    (X, x), (D, d) = case.tensor(6, 200), case.tensor(6, 200)
    ordered = -np.sort(-x, 1)
    sums, count = ordered.cumsum(1), np.arange(1, 201)
    support = (1 + count * ordered > sums).sum(1)
    tau = (sums[np.arange(6), support - 1] - 1) / support
    y = np.maximum(x - tau[:, None], 0)
    ctx = Context()
    yield "y", op.forward(ctx, X, -1), y, F32
    inside = y > 0
    mean = (d * inside).sum(1, keepdims=True) / inside.sum(1, keepdims=True)
    yield "dx", op.backward(ctx, D)[0], inside * (d - mean), F32


@check(LIGER, "bf16 [9, 700]")
def relu_squared(case):
    from liger_kernel.ops.relu_squared import LigerReLUSquaredFunction as op

    (X, x), (D, d) = (case.tensor(9, 700, dtype=bf16) for _ in range(2))
    ctx = Context()
    yield "y", op.forward(ctx, X), np.maximum(x, 0) ** 2, BF16
    yield "dx", op.backward(ctx, D), 2 * np.maximum(x, 0) * d, BF16


@check(LIGER, "f32 [5, 300]")
def poly_norm(case):
    from liger_kernel.ops.poly_norm import poly_norm_forward

    (X, x), (W, w), (B, b) = case.tensor(5, 300), case.tensor(3), case.tensor(1)
    norm = lambda u: u / np.sqrt((u * u).mean(1, keepdims=True) + 1e-6)  # noqa: E731
    yield "y", poly_norm_forward(X, W, B)[0], w[0] * norm(x**3) + w[1] * norm(x**2) + w[2] * norm(x) + b, F32


@check(LIGER, "f32 [50, 96], 70 indices")
def embedding(case):
    from liger_kernel.ops.experimental.embedding import LigerEmbeddingFunction as op

    (E, e), (D, d) = case.tensor(50, 96), case.tensor(70, 96)
    indices = case.random.integers(0, 50, 70)
    ctx = Context()
    yield "rows", op.forward(ctx, E, torch.Tensor(indices)), e[indices], 0.0
    want = np.zeros((50, 96))
    np.add.at(want, indices, d)
    yield "dtable", op.backward(ctx, D)[0], want, F32


@check(LIGER, "bf16 [2, 3 heads, 100, 64], 7 neighbours")
def neighborhood_attention(case):
    from liger_kernel.ops.fused_neighborhood_attention import LigerFusedNeighborhoodAttentionFunction as op

    (Q, q), (K, k), (V, v), (D, d) = (case.tensor(2, 3, 100, 64, dtype=bf16) for _ in range(4))
    ctx = Context()
    o = op.forward(ctx, Q, K, V, 7)
    near = np.abs(np.arange(100)[:, None] - np.arange(100)) <= 3
    p = softmax(np.where(near, q @ k.swapaxes(-1, -2) / 8, -np.inf))
    yield "o", o, p @ v, BF16
    dq, dk, dv, *_ = op.backward(ctx, D)
    dp = d @ v.swapaxes(-1, -2)
    ds = p * (dp - (p * dp).sum(-1, keepdims=True)) / 8
    yield "dq", dq, ds @ k, 2 * BF16
    yield "dk", dk, ds.swapaxes(-1, -2) @ q, 2 * BF16
    yield "dv", dv, p.swapaxes(-1, -2) @ d, 2 * BF16


@check(LIGER, "bf16 [1, 130, 256] x [256, 256]")
def mlp_gemm_swiglu(case):
    from liger_kernel.ops.mlp import gemm_swiglu

    (X, x), (G, g), (U, u) = (case.tensor(*s, dtype=bf16) for s in [(1, 130, 256), (256, 256), (256, 256)])
    gate, up = x @ g.T, x @ u.T
    want = gate * sigmoid(gate) * up
    out, _ = gemm_swiglu(X, G, U, 1.0, True)
    yield "a", out[..., :256], want, BF16
    yield "gate", out[..., 256:512], gate, BF16
    yield "up", out[..., 512:], up, BF16
    out, _ = gemm_swiglu(X, G, U, 1.0, False)
    yield "a, for inference", out, want, BF16


@check(LIGER, "int8 [100, 256] x 2-bit [256, 96]")
def mm_int8int2(case):
    from liger_kernel.ops.experimental.mm_int8int2 import matmul

    a, b = case.random.integers(-128, 128, (100, 256)).astype(np.int8), case.random.integers(0, 4, (256, 96)).astype(np.uint8)
    # Four rows a quarter of the depth apart share a byte, and 1 stands for zero.
    packed = sum(b[64 * quarter :][:64] << 2 * quarter for quarter in range(4)).astype(np.uint8)
    yield "product", matmul(torch.Tensor(a), torch.Tensor(packed)), a.astype(np.int64) @ (b.astype(np.int64) - 1), 0.0


@check(LIGER, "bf16 [70, 512] x [512, 24], normalised")
def mhc_mm_norm(case):
    from liger_kernel.ops.mhc import mhc_mm_norm_fwd

    (X, x), (P, p) = case.tensor(70, 512, dtype=bf16), case.tensor(512, 24, dtype=bf16)
    mix, inverse = mhc_mm_norm_fwd(X, P, 1e-6)
    rms = 1 / np.sqrt((x * x).mean(1) + 1e-6)
    yield "1 / rms", inverse, rms, F32
    yield "mix", mix, x @ p * rms[:, None], F32

"""fla-core's Triton kernels (flash attention, linear attention, the delta rule) against their recurrences in f64."""

import ml_dtypes
import numpy as np
import torch

from checking import BF16, F32, bare, check, eps

FLA = "fla-core"
bf16 = ml_dtypes.bfloat16
# Factors of a product that are rounded to TF32, which has ten bits.
TF32 = 2.0**-10

bare("fla", "fla.ops", "fla.ops.attn", "fla.ops.delta_rule", "fla.ops.gla", "fla.ops.simple_gla", "fla.ops.common", "fla.modules", "fla.modules.norm")


def causal(scores):
    return np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)


@check(FLA, "bf16 [2, 200, 4 over 2 heads, 64], causal")
def flash_attention(case):
    from fla.ops.attn.parallel import parallel_attn_bwd, parallel_attn_fwd

    (Q, q), (K, k), (V, v), (D, d) = (case.tensor(2, 200, h, 64, dtype=bf16) for h in (4, 2, 2, 4))
    o, lse = parallel_attn_fwd(Q, K, V, None, None, 0.125)
    q, k, v, d = (np.moveaxis(t, 1, 2) for t in (q, k.repeat(2, 2), v.repeat(2, 2), d))
    s = causal(q @ k.swapaxes(-1, -2) / 8)
    log = np.log(np.exp(s).sum(-1))
    p = np.exp(s - log[..., None])
    yield "o", o, np.moveaxis(p @ v, 2, 1), BF16
    yield "lse", lse, np.moveaxis(log, 2, 1) * np.log2(np.e), F32
    dq, dk, dv, *_ = parallel_attn_bwd(Q, K, V, o, None, lse, D, None, 0.125)
    dp = d @ v.swapaxes(-1, -2)
    ds = p * (dp - (p * dp).sum(-1, keepdims=True)) / 8
    paired = lambda t: np.moveaxis(t.reshape(2, 2, 2, 200, 64).sum(2), 2, 1)  # noqa: E731
    yield "dq", dq, np.moveaxis(ds @ k, 2, 1), 2 * BF16
    yield "dk", dk, paired(ds.swapaxes(-1, -2) @ q), 2 * BF16
    yield "dv", dv, paired(p.swapaxes(-1, -2) @ d), 2 * BF16


@check(FLA, "f16 [1, 150, 2, 128], window of 40")
def flash_attention_window(case):
    from fla.ops.attn.parallel import parallel_attn_fwd

    (Q, q), (K, k), (V, v) = (case.tensor(1, 150, 2, 128, dtype=np.float16) for _ in range(3))
    o, _ = parallel_attn_fwd(Q, K, V, None, None, 128**-0.5, 40)
    q, k, v = (np.moveaxis(t, 1, 2) for t in (q, k, v))
    back = np.arange(150)[:, None] - np.arange(150)
    s = np.where((back >= 0) & (back < 40), q @ k.swapaxes(-1, -2) * 128**-0.5, -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    yield "o", o, np.moveaxis(p / p.sum(-1, keepdims=True) @ v, 2, 1), eps(np.float16, 2)


@check(FLA, "f32 [1, 130, 2, 64], chunks of 64")
def solve_tril(case):
    from fla.ops.utils.solve_tril import solve_tril as op

    a = np.tril(case.normal(2, 2, 64, 64, scale=0.1), -1)
    A = np.moveaxis(a, 0, 1).reshape(1, 2, 128, 64).swapaxes(1, 2)
    yield "inverse", op(torch.Tensor(A.copy())), np.moveaxis(
        np.linalg.inv(np.eye(64) + a.astype(np.float64)), 0, 1
    ).reshape(1, 2, 128, 64).swapaxes(1, 2), 4 * TF32


def delta_rule_of(q, k, v, beta):
    """S := S + k (v - k S)^T beta; o = q S, for one head."""
    state, out = np.zeros((k.shape[-1], v.shape[-1])), []
    for q_t, k_t, v_t, b_t in zip(q, k, v, beta):
        state = state + np.outer(k_t, b_t * (v_t - k_t @ state))
        out.append(q_t @ state)
    return np.array(out)


@check(FLA, "bf16 [1, 150, 2, 64]")
def delta_rule(case):
    from fla.ops.delta_rule.chunk import chunk_delta_rule_fwd

    q, k, v = (case.normal(1, 150, 2, 64) for _ in range(3))
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    q, k, v, beta = (t.astype(bf16) for t in (q, k, v, case.random.random((1, 150, 2))))
    o, *_ = chunk_delta_rule_fwd(*(torch.Tensor(t.copy()) for t in (q, k, v, beta)), 0.125, None, False)
    heads = [delta_rule_of(*(t[0, :, h].astype(np.float64) for t in (q, k, v, beta))) / 8 for h in range(2)]
    yield "o", o, np.stack(heads, 1)[None], 2 * BF16


@check(FLA, "f32 [2, 100, 3, 64], a decay for each head")
def recurrent_gla(case):
    from fla.ops.common.fused_recurrent import fused_recurrent_fwd

    (Q, q), (K, k), (V, v) = (case.tensor(2, 100, 3, 64) for _ in range(3))
    g = -case.random.random((2, 100, 3)).astype(np.float32)
    o, last = fused_recurrent_fwd(Q, K, V, g=torch.Tensor(g), scale=0.125, output_final_state=True)
    state, out = np.zeros((2, 3, 64, 64)), np.zeros((2, 100, 3, 64))
    for t in range(100):
        state = state * np.exp(g[:, t].astype(np.float64))[..., None, None] + k[:, t, :, :, None] * v[:, t, :, None]
        out[:, t] = np.einsum("bhk,bhkv->bhv", q[:, t], state) / 8
    yield "o", o, out, 2 * F32
    yield "state", last, state, 2 * F32


@check(FLA, "bf16 [1, 150, 2, 64], a decay for each head")
def chunk_gla(case):
    from fla.ops.common.chunk_h import chunk_fwd_h
    from fla.ops.common.chunk_o import chunk_fwd_o

    (Q, q), (K, k), (V, v) = (case.tensor(1, 150, 2, 64, dtype=bf16) for _ in range(3))
    h, _ = chunk_fwd_h(K, V, states_in_fp32=False, chunk_size=64)
    o = chunk_fwd_o(Q, K, V, h, None, scale=0.125, chunk_size=64)
    q, k, v = (np.moveaxis(t, 1, 2) for t in (q, k, v))
    s = np.where(np.tril(np.ones((150, 150), bool)), q @ k.swapaxes(-1, -2), 0)
    yield "o", o, np.moveaxis(s @ v, 2, 1) / 8, 2 * BF16


@check(FLA, "f32 [90, 70] x [70, 110] and bf16 [2, 90, 70] x [70, 110]")
def matmul(case):
    from fla.ops.utils.matmul import matmul as op
    from fla.ops.utils.matmul import matmul_kernel

    # Of the configurations that it is tuned over, those that a small product fills.
    tuner = matmul_kernel.fn
    tuner.configs = [config for config in tuner.configs if config.kwargs["BM"] * config.kwargs["BN"] <= 64 * 64]
    (A, a), (B, b) = case.tensor(90, 70), case.tensor(70, 110)
    yield "f32", op(A, B), a @ b, F32
    (A, a), (B, b) = case.tensor(2, 90, 70, dtype=bf16), case.tensor(70, 110, dtype=bf16)
    yield "bf16", op(A, B, "relu"), np.maximum(a @ b, 0), BF16


@check(FLA, "f32 [2, 200, 3, 64]: sums along a sequence, softmax, norms")
def sequence_utilities(case):
    from fla.modules.norm.l2norm import l2norm_fwd
    from fla.ops.utils.cumsum import chunk_global_cumsum, chunk_local_cumsum
    from fla.ops.utils.softmax import softmax_bwd, softmax_fwd

    X, x = case.tensor(2, 200, 3, 64)
    yield "global sum", chunk_global_cumsum(X), x.cumsum(1), 2 * F32
    chunks = [x[:, at : at + 64].cumsum(1) for at in range(0, 200, 64)]
    yield "local sum", chunk_local_cumsum(X, 64), np.concatenate(chunks, 1), 2 * F32
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    P = softmax_fwd(X)
    yield "softmax", P, p, F32
    D, d = case.tensor(2, 200, 3, 64)
    yield "softmax backward", softmax_bwd(P, D), p * (d - (p * d).sum(-1, keepdims=True)), F32
    norm = np.sqrt((x * x).sum(-1, keepdims=True) + 1e-6)
    yield "l2 norm", l2norm_fwd(X)[0], x / norm, F32

"""xformers' Triton kernels: a matrix product of tiles, normalisation, gathering and scattering of rows."""

import ml_dtypes
import numpy as np
import torch

from checking import BF16, F16, F32, bare, check

XFORMERS = "xformers"
bare("xformers", "xformers.ops", "xformers.ops._triton")


@check(XFORMERS, "f16 [200, 160] x [160, 300] and bf16 [64, 100] x [100, 96]")
def tiled_matmul(case):
    from xformers.ops._triton import tiled_matmul_kernels as kernels

    # Its cost model asks nvidia-smi for clock rates.
    kernels._xformers_tiled_matmul_kernel.perf_model = None
    kernels._xformers_tiled_matmul_kernel.early_config_prune = lambda configs, *_, **__: [
        c for c in configs if c.kwargs["SPLIT_K"] == 1 and c.kwargs["BLOCK_M"] * c.kwargs["BLOCK_N"] <= 128 * 64
    ]
    for (m, n, k), kind, bound in [((200, 300, 160), np.float16, F16), ((64, 96, 100), ml_dtypes.bfloat16, BF16)]:
        (A, a), (B, b) = case.tensor(m, k, dtype=kind), case.tensor(k, n, dtype=kind)
        C = torch.empty(m, n, dtype=A.dtype)
        kernels._launch_triton_matmul([[A]], [[B]], [[C]], [m], [n], [k])
        yield "c", C, a @ b, bound


@check(XFORMERS, "f16 [6, 1000]")
def rms_norm_add(case):
    from xformers.ops._triton.rmsnorm_kernels import _rms_norm_add_forward

    (X, x), (Y, y), (W, w) = (case.tensor(*s, dtype=np.float16) for s in [(6, 1000), (6, 1000), (1000,)])
    out = _rms_norm_add_forward(X, Y, W, 1e-5)
    total = x + y
    yield "sum", X, total, F16
    yield "out", out, total / np.sqrt((total**2).mean(1, keepdims=True) + 1e-5) * w, F16


@check(XFORMERS, "f32 [40, 200], 17 rows")
def index_select_cat(case):
    from xformers.ops._triton.k_index_select_cat import index_select_cat_bwd, index_select_cat_fwd

    X, x = case.tensor(40, 200)
    rows = case.random.permutation(40)[:17]
    out = torch.empty(17, 200)
    index_select_cat_fwd(out, X, torch.Tensor(rows))
    yield "rows", out, x[rows], 0.0
    back = torch.zeros(40, 200)
    index_select_cat_bwd(back, torch.Tensor(rows), out)
    want = np.zeros((40, 200))
    want[rows] = x[rows]
    yield "scattered", back, want, 0.0


@check(XFORMERS, "f32 [20, 5, 96], 7 rows")
def scaled_index_add(case):
    from xformers.ops._triton.k_scaled_index_add import scaled_index_add_fwd

    (X, x), (S, s), (W, w) = case.tensor(20, 5, 96), case.tensor(7, 5, 96), case.tensor(96)
    rows = case.random.permutation(20)[:7]
    scaled_index_add_fwd(X, torch.Tensor(rows), S, W, 0.5)
    x[rows] += 0.5 * w * s
    yield "x", X, x, F32

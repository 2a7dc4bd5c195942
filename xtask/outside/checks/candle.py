"""candle-kernels from the Rust registry, compiled by nvcc, launched as candle-core launches them."""

import ctypes
import functools
import math
import os
import re

import ml_dtypes
import numpy as np
import torch

import device
from checking import BF16, F16, F32, LAUNCHED, check, eps

CANDLE = os.environ["OUTSIDE_CANDLE_VERSION"]
bf16 = ml_dtypes.bfloat16
EPS64 = eps(np.float64, 32)
TYPES = {"f32": (np.float32, F32), "f64": (np.float64, EPS64), "f16": (np.float16, F16), "bf16": (bf16, BF16)}


@functools.cache
def module(file):
    """A file's PTX on the device, and its text."""
    with open(os.path.join(os.environ["OUTSIDE_CANDLE"], f"{file}.ptx")) as text:
        text = text.read()
    return device.Module(text), text


def launch(file, kernel, grid, block, *arguments, shared=0):
    """Arrays become tensors that stay, integers are sizes; anything else has to be of ctypes. A name may be a part of a mangled one."""
    loaded, text = module(file)
    names = re.findall(r"\.entry (\w+)", text)
    name = kernel if kernel in names else next(name for name in names if kernel in name)
    as_value = lambda a: ctypes.c_uint64(a.data_ptr()) if isinstance(a, torch.Tensor) else ctypes.c_size_t(a) if isinstance(a, int) else a  # noqa: E731
    LAUNCHED.append(name)
    loaded.launch(name, grid, block, [as_value(argument) for argument in arguments], shared)


def layout(*arrays):
    """Dimensions, and the strides in elements of each array."""
    return torch.Tensor(np.array([*arrays[0].shape, *(s // a.itemsize for a in arrays for s in a.strides)], np.uint64))


i32, u32, f32 = ctypes.c_int, ctypes.c_uint, ctypes.c_float
wide = np.float64
erf = np.vectorize(math.erf)
UNARY = {
    "exp": np.exp, "log": lambda x: np.log(np.abs(x)), "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "erf": erf, "sqr": np.square,
    "sqrt": lambda x: np.sqrt(np.abs(x)), "neg": np.negative, "recip": np.reciprocal, "abs": np.abs, "floor": np.floor,
    "ceil": np.ceil, "relu": lambda x: np.maximum(x, 0), "silu": lambda x: x / (1 + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "gelu_erf": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, "sign": np.sign,
    "gelu": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
}  # fmt: skip


@check(CANDLE, "18 functions, f32 f64 f16 bf16 [40, 50], transposed", archs=(80,))
def unary(case):
    for name, function in UNARY.items():
        for kind, (dtype, bound) in TYPES.items():
            x = case.normal(40, 50, dtype=dtype)
            x = np.abs(x) if name in ("log", "sqrt") else x
            turned, out = x.T, torch.empty(50, 40, dtype=torch._BY_NUMPY[np.dtype(dtype)])
            launch("unary", f"u{name}_{kind}", [4], [256], 2000, 2, layout(turned), torch.Tensor(x.copy()), out)
            # Compositions in 16 bits round in each step.
            times = 4 if dtype in (np.float16, bf16) and name in ("gelu", "gelu_erf", "silu", "sigmoid") else 1
            yield f"{name} {kind}", out, function(turned.astype(wide)), bound * times


@check(CANDLE, "6 operators, f32 f16 bf16 [30, 40], one transposed", archs=(80,))
def binary(case):
    functions = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "maximum": np.maximum, "minimum": np.minimum}
    for name, function in functions.items():
        for kind in ("f32", "f16", "bf16"):
            dtype, bound = TYPES[kind]
            x, y = case.normal(30, 40, dtype=dtype), case.normal(40, 30, dtype=dtype)
            out = torch.empty(30, 40, dtype=torch._BY_NUMPY[np.dtype(dtype)])
            turned = y.T
            strides = torch.Tensor(np.array([30, 40, 40, 1, 1, 30], np.uint64))
            launch("binary", f"b{name}_{kind}", [3], [256], 1200, 2, strides, torch.Tensor(x.copy()), torch.Tensor(y.copy()), out)
            yield f"{name} {kind}", out, function(x.astype(wide), turned.astype(wide)), bound


@check(CANDLE, "f32 [1000] and where, casts", archs=(80,))
def affine_where_cast(case):
    x, y, choice = case.normal(1000), case.normal(1000), case.random.integers(0, 2, 1000).astype(np.uint8)
    X, Y, out = torch.Tensor(x), torch.Tensor(y), torch.empty(1000)
    info = layout(x, x, x)
    launch("affine", "affine_f32", [4], [256], 1000, 1, info, X, out, f32(1.5), f32(-0.25))
    yield "affine", out, x.astype(wide) * 1.5 - 0.25, F32
    out = torch.empty(1000)
    launch("ternary", "where_u8_f32", [4], [256], 1000, 1, torch.Tensor(np.array([1000, 1, 1, 1], np.uint64)), torch.Tensor(choice), X, Y, out)
    yield "where", out, np.where(choice, x, y), 0.0
    for name, dtype in [("f16", np.float16), ("bf16", bf16), ("f64", np.float64), ("i64", np.int64)]:
        out = torch.empty(1000, dtype=torch._BY_NUMPY[np.dtype(dtype)])
        launch("cast", f"cast_f32_{name}", [4], [256], 1000, 1, info, X, out)
        yield f"cast to {name}", out, x.astype(dtype).astype(wide), 0.0


@check(CANDLE, "f32 f16 [6, 1000] along rows", archs=(80,))
def fast_reduce(case):
    for kind in ("f32", "f16"):
        dtype, bound = TYPES[kind]
        x = case.normal(6, 1000, dtype=dtype)
        X = torch.Tensor(x.copy())
        for name, function in {"sum": np.sum, "min": np.min, "max": np.max, "argmin": np.argmin, "argmax": np.argmax}.items():
            out = torch.empty(6, dtype=torch.uint32 if "arg" in name else X.dtype)
            launch("reduce", f"fast_{name}_{kind}", [6], [1024], 6000, 1000, 2, layout(x), X, out)
            yield f"{name} {kind}", out, function(x.astype(wide), 1), 4 * bound if name == "sum" else 0.0


@check(CANDLE, "f32 [8, 125] summed over rows, by atomics", archs=(80,))
def atomic_sum(case):
    x, out = case.normal(8, 125), torch.zeros(125)
    info = torch.Tensor(np.array([8, 125, 125, 1, 8, 125], np.uint64))
    # candle's own order: dimensions, strides, sizes of summed dimensions, their strides.
    launch("reduce", "sum_f32", [4], [256], 1000, 2, 1, info, torch.Tensor(x), out)
    yield "sum", out, x.astype(wide).sum(0), F32


@check(CANDLE, "f32 f16 bf16 [7, 1500]", archs=(80,))
def softmax_norms(case):
    for kind in ("f32", "f16", "bf16"):
        dtype, bound = TYPES[kind]
        (X, x), (A, a), (B, b) = (case.tensor(*s, dtype=dtype) for s in [(7, 1500), (1500,), (1500,)])
        out = torch.empty(7, 1500, dtype=X.dtype)
        launch("reduce", f"softmax_{kind}", [7], [1, 32], X, out, i32(1500))
        e = np.exp(x - x.max(1, keepdims=True))
        yield f"softmax {kind}", out, e / e.sum(1, keepdims=True), 2 * bound
        out = torch.empty(7, 1500, dtype=X.dtype)
        launch("reduce", f"rmsnorm_{kind}", [7], [1024], X, out, A, i32(1500), i32(1024), f32(1e-5))
        yield f"rmsnorm {kind}", out, x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * a, 2 * bound
        out = torch.empty(7, 1500, dtype=X.dtype)
        launch("reduce", f"layernorm_{kind}", [7], [1024], X, out, A, B, i32(1500), i32(1024), f32(1e-5))
        rstd = 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)
        yield f"layernorm {kind}", out, (x - x.mean(1, keepdims=True)) * rstd * a + b, 2 * bound


@check(CANDLE, "f32 [2 x 3 heads, 10, 64], 3 layouts", archs=(80,))
def rotary(case):
    (X, x), (C, c), (S, s) = case.tensor(6, 10, 64), case.tensor(10, 32), case.tensor(10, 32)
    sizes = [u32(6), u32(640)]
    out = torch.empty(6, 10, 64)
    launch("reduce", "rope_f32", [8], [256], X, C, S, out, *sizes, u32(64), u32(0))
    one, two = x[..., :32], x[..., 32:]
    yield "halves", out, np.concatenate([one * c - two * s, one * s + two * c], -1), F32
    out = torch.empty(6, 10, 64)
    launch("reduce", "rope_i_f32", [8], [256], X, C, S, out, *sizes, u32(0))
    one, two = x[..., 0::2], x[..., 1::2]
    yield "pairs", out, np.stack([one * c - two * s, one * s + two * c], -1).reshape(6, 10, 64), F32


@check(CANDLE, "f32 [12, 30, 5] along the middle", archs=(80,))
def indexing(case):
    x, rows = case.normal(12, 30, 5), case.random.integers(0, 30, 9).astype(np.int64)
    X, R, info = torch.Tensor(x), torch.Tensor(rows), torch.Tensor(np.array([9, 1], np.uint64))
    out = torch.empty(12, 9, 5)
    launch("indexing", "is_i64_f32", [3], [256], 540, 1, info, R, X, out, 12, 30, 9, 5)
    yield "index_select", out, x[:, rows], 0.0
    places = case.random.integers(0, 30, (12, 9, 5)).astype(np.int64)
    P, Y, y = torch.Tensor(places), *case.tensor(12, 9, 5)
    out = torch.empty(12, 9, 5)
    launch("indexing", "gather_i64_f32", [3], [256], 540, P, X, out, 12, 30, 9, 5)
    yield "gather", out, np.take_along_axis(x, places, 1), 0.0
    out = torch.zeros(12, 30, 5)
    launch("indexing", "sa_i64_f32", [1], [64], P, Y, out, 12, 9, 30, 5)
    want = np.zeros((12, 30, 5))
    np.add.at(want, (np.arange(12)[:, None, None], places, np.arange(5)), y)
    yield "scatter_add", out, want, F32
    out = torch.zeros(12, 30, 5)
    launch("indexing", "ia_i64_f32", [1], [64], R, 9, Y, out, 12, 9, 30, 5)
    want = np.zeros((12, 30, 5))
    np.add.at(want, (slice(None), rows), y)
    yield "index_add", out, want, F32


@check(CANDLE, "f32 i64 [5, 300], both ways", archs=(80,))
def argsort(case):
    for kind, x in [("f32", case.normal(5, 300)), ("i64", case.random.permutation(1500).reshape(5, 300).astype(np.int64))]:
        for order, sign in [("asc", 1), ("desc", -1)]:
            out = torch.empty(5, 300, dtype=torch.uint32)
            launch("sort", f"asort_{order}_{kind}", [5], [512], torch.Tensor(x), out, i32(300), i32(512), shared=2048)
            yield f"{order} {kind}", out, np.argsort(sign * x, 1), 0.0


@check(CANDLE, "f32 f16 [2, 3, 9, 11], 4 filters 3x3, stride 2, padding 1", archs=(80,))
def conv2d(case):
    for kind in ("f32", "f16"):
        dtype, bound = TYPES[kind]
        (X, x), (K, k) = case.tensor(2, 3, 9, 11, dtype=dtype), case.tensor(4, 3, 3, 3, dtype=dtype)
        shapes = [np.empty(t.shape, np.uint8) for t in (x, k)]
        info = torch.Tensor(np.array([n for a in shapes for n in (*a.shape, *a.strides)], np.uint64))
        out = torch.empty(2, 4, 5, 6, dtype=X.dtype)
        launch("conv", f"conv2d_{kind}", [1], [240], x.size, 6, 5, 2, 1, 1, info, X, K, out)
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))[:, :, ::2, ::2]
        yield f"conv2d {kind}", out, np.einsum("bchwij,ocij->bohw", windows, k), bound


def q8_0(x):
    """Blocks of 32: a scale in f16 and 32 bytes; and the numbers that they stand for."""
    blocks = x.reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / 127).astype(np.float16)
    q = np.clip(np.rint(blocks / scale.astype(np.float32)[:, None]), -127, 127).astype(np.int8)
    packed = np.concatenate([scale[:, None].view(np.uint8), q.view(np.uint8)], 1)
    return packed, (q * scale.astype(wide)[:, None]).reshape(x.shape)


def q4_0(x):
    """Blocks of 32: a scale in f16 and 16 bytes of two numbers, 8 stands for zero; and the numbers without that offset, and the scales."""
    blocks = x.reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / 7).astype(np.float16)
    q = np.clip(np.rint(blocks / scale.astype(np.float32)[:, None]) + 8, 0, 15).astype(np.uint8)
    packed = np.concatenate([scale[:, None].view(np.uint8), q[:, :16] | q[:, 16:] << 4], 1)
    return packed, (q * scale.astype(wide)[:, None]).reshape(x.shape), scale.astype(wide)


def quantised_vector(case, columns, rows=1):
    """Rows as the kernel quantises them, 36 bytes a block; the numbers that they stand for; and each block's sum, in f16."""
    x = case.normal(rows, columns)
    out = torch.empty(rows * columns // 32, 36, dtype=torch.uint8)
    launch("quantized", "quantize_q8_1", [-(-columns // 256), rows], [256], torch.Tensor(x), out, i32(columns), i32(columns))
    blocks = out.array.copy()
    scale = blocks[:, :2].copy().view(np.float16).astype(wide)
    sums = blocks[:, 2:4].copy().view(np.float16).astype(wide)
    return x, out, (blocks[:, 4:].view(np.int8) * scale).reshape(rows, columns), sums


@check(CANDLE, "q8_0 and q4_0 [64, 1024] by a q8_1 vector (dp4a)", archs=(80,))
def quantised_matvec(case):
    x, X, exact, sums = quantised_vector(case, 1024)
    yield "q8_1", exact, x, 0.6 / 127
    eight, w = q8_0(case.normal(64, 1024))
    four, v, scale = q4_0(case.normal(64, 1024))
    # The offset of 4 bits goes with the vector's sums, as the blocks have them.
    offset = 8 * scale.reshape(64, 32) @ sums[:, 0]
    for name, packed, want in [("q8_0", eight, exact[0] @ w.T), ("q4_0", four, exact[0] @ v.T - offset)]:
        out = torch.empty(64)
        sizes = map(i32, (1024, 64, 1024, 64))
        launch("quantized", f"mul_mat_vec_{name}_q8_1_cuda1", [64], [32, 4], torch.Tensor(packed), X, out, *sizes)
        yield name, out, want, F32


@check(CANDLE, "q8_0 [128, 256] by q8_1 [256, 64] (dp4a, tiles)", archs=(80,))
def quantised_matmul(case):
    _, X, exact, _ = quantised_vector(case, 256, 64)
    packed, w = q8_0(case.normal(128, 256))
    out = torch.empty(64, 128)
    sizes = map(i32, (256, 128, 64, 256, 128))
    launch("quantized", "mul_mat_q8_0", [2, 1], [32, 4], torch.Tensor(packed), X, out, *sizes)
    yield "product", out, exact @ w.T, F32


# In f16 this version converts the bits of the result, as a number, once more.
@check(CANDLE, "bf16 [40, 64] by 3 experts' [48, 64] (wmma)", archs=(80,))
def moe_gemm(case):
    experts = np.sort(case.random.integers(0, 3, 40))
    offsets = torch.Tensor(np.searchsorted(experts, np.arange(4)).astype(np.int32))
    order = case.random.permutation(40).astype(np.int32)
    (X, x), (W, w) = case.tensor(40, 64, dtype=bf16), case.tensor(3, 48, 64, dtype=bf16)
    out = torch.zeros(40, 48, dtype=X.dtype)
    sizes = map(i32, (3, 1, 40, 48, 64))
    arguments = [X, W, torch.Tensor(order), offsets, ctypes.c_uint64(0), out, *sizes]
    launch("moe_wmma", "moe_gemm_grouped_kernelI13__nv_bfloat16Li16ELi16E", [3, 2], [128], *arguments, shared=6144)
    want = np.empty((40, 48))
    want[order] = np.einsum("tk,tnk->tn", x[order], w[experts])
    yield "product", out, want, BF16

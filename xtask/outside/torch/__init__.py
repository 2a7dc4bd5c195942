"""A stand-in for PyTorch, so that other people's launchers run as they are: tensors are numpy arrays with a twin in device memory.

It has what the host code around the kernels needs (allocation, views, strides, a little arithmetic), and nothing of autograd: checks call
`forward` and `backward` of a `torch.autograd.Function` by themselves. What is missing says so by name when it is called.

The two copies of a storage follow each other lazily: `data_ptr()` uploads what the host has changed, and hands the storage to the device; the
next look at the array downloads it. Device memory that the host never wrote stays uninitialised, so a kernel that reads `torch.empty` is noticed.
"""

import builtins
import contextlib
import importlib
import math
import sys
import types

import ml_dtypes
import numpy as np

import device as _device
from torch._absences import _Finder, _missing

__version__ = "2.9.0"


class dtype:
    """An element type. Its text is `torch.<name>`, which Triton reads."""

    def __init__(self, name, numpy):
        self.name, self.numpy = name, np.dtype(numpy)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = not (np.issubdtype(self.numpy, np.integer) or self.numpy == bool)
        self.is_complex = False
        self.is_signed = self.is_floating_point or np.issubdtype(self.numpy, np.signedinteger)

    def __repr__(self):
        return f"torch.{self.name}"


_TYPES = {
    "float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e5m2": ml_dtypes.float8_e5m2,
    "int64": np.int64, "int32": np.int32, "int16": np.int16, "int8": np.int8,
    "uint64": np.uint64, "uint32": np.uint32, "uint16": np.uint16, "uint8": np.uint8, "bool": np.bool_,
}  # fmt: skip
_DTYPES = {name: dtype(name, kind) for name, kind in _TYPES.items()}
globals().update(_DTYPES)
float, double, half, int, long, short = float32, float64, float16, int32, int64, int16  # noqa: F821
_BY_NUMPY = {kind.numpy: kind for kind in _DTYPES.values()}


class Size(tuple):
    def numel(self):
        return math.prod(self)


class device:
    """A device's name; also `with torch.device(...)`."""

    def __init__(self, name="cuda", index=0):
        self.type, _, number = str(name).partition(":")
        self.index = builtins.int(number or index or 0)

    def __repr__(self):
        return f"{self.type}:{self.index}"

    def __eq__(self, other):
        return repr(self) == repr(device(other))

    def __hash__(self):
        return hash(repr(self))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class _Storage:
    def __init__(self, array, written):
        self.array, self.host_newer, self.device_newer, self.address = array, written, False, None

    def __del__(self):
        if self.address is not None:
            with contextlib.suppress(Exception):
                _device.free(self.address)

    def host(self):
        """The array, for reading and writing."""
        if self.device_newer:
            _device.download(self.address, self.array)
        self.host_newer, self.device_newer = True, False
        return self.array

    def on_device(self):
        """The address, for reading and writing."""
        if self.address is None:
            self.address = _device.allocate(self.array.nbytes)
        if self.host_newer:
            _device.upload(self.address, self.array)
        self.host_newer, self.device_newer = False, True
        return self.address


def _raw(value):
    if isinstance(value, (tuple, list)):
        return type(value)(map(_raw, value))
    return value.array if isinstance(value, Tensor) else value


def _shape(arguments):
    shape = arguments[0] if len(arguments) == 1 and not isinstance(arguments[0], (builtins.int, np.integer)) else arguments
    return tuple(map(builtins.int, shape))


class Tensor:
    """A view of a storage."""

    def __init__(self, view, storage=None):
        if storage is None:
            view = np.ascontiguousarray(view).reshape(np.shape(view))
            flat = view.reshape(-1).view(np.uint8) if view.size else np.empty(0, np.uint8)
            storage = _Storage(flat, True)
        self._view, self._storage, self.requires_grad, self.grad = view, storage, False, None

    # What it is.
    shape = property(lambda self: Size(self._view.shape))
    dtype = property(lambda self: _BY_NUMPY[self._view.dtype])
    ndim = property(lambda self: self._view.ndim)
    device = property(lambda self: device("cuda:0"))
    is_cuda = property(lambda self: True)
    is_leaf = property(lambda self: True)
    layout = None
    data = property(lambda self: self)
    T = property(lambda self: self.transpose(0, 1))
    mT = property(lambda self: self.transpose(-1, -2))
    array = property(lambda self: (self._storage.host(), self._view)[1])

    def size(self, axis=None):
        return self.shape if axis is None else self.shape[axis]

    def stride(self, axis=None):
        strides = tuple(step // self._view.itemsize for step in self._view.strides)
        return strides if axis is None else strides[axis]

    def data_ptr(self):
        at = self._storage.on_device()
        return at + self._view.ctypes.data - self._storage.array.ctypes.data

    def storage_offset(self):
        return (self._view.ctypes.data - self._storage.array.ctypes.data) // self._view.itemsize

    def numel(self):
        return self._view.size

    def element_size(self):
        return self._view.itemsize

    def dim(self):
        return self._view.ndim

    def is_contiguous(self, **_):
        return self._view.flags.c_contiguous

    def is_floating_point(self):
        return self.dtype.is_floating_point

    def __len__(self):
        return len(self._view)

    def __repr__(self):
        return f"tensor({self.array!r})"

    def __hash__(self):
        return id(self)

    # Views, which share the storage.
    def _of(self, view):
        return Tensor(view, self._storage)

    def view(self, *shape):
        if len(shape) == 1 and isinstance(shape[0], dtype):
            return self._of(self._view.view(shape[0].numpy))
        return self._of(np.reshape(self._view, _shape(shape), copy=False))

    def reshape(self, *shape):
        try:
            return self.view(*shape)
        except ValueError:
            return Tensor(np.reshape(self.array, _shape(shape)))

    def flatten(self, start=0, end=-1):
        end %= self.ndim
        return self.reshape(*self.shape[:start], -1, *self.shape[end + 1 :])

    def view_as(self, other):
        return self.view(other.shape)

    def transpose(self, one, two):
        return self._of(np.swapaxes(self._view, one, two))

    def permute(self, *order):
        return self._of(np.transpose(self._view, _shape(order)))

    def t(self):
        return self.transpose(0, 1) if self.ndim == 2 else self

    def squeeze(self, axis=None):
        keep = axis is not None and self.shape[axis] != 1
        return self if keep else self._of(np.squeeze(self._view, axis))

    def unsqueeze(self, axis):
        return self._of(np.expand_dims(self._view, axis))

    def expand(self, *shape):
        shape = _shape(shape)
        old = (1,) * (len(shape) - self.ndim) + self.shape
        return self._of(np.broadcast_to(self._view, [o if n == -1 else n for n, o in zip(shape, old)]))

    def unbind(self, axis=0):
        return tuple(self._of(view) for view in np.moveaxis(self._view, axis, 0))

    def __getitem__(self, at):
        view = self._view[_raw(at)]
        if isinstance(view, np.ndarray) and np.may_share_memory(view, self._view):
            return self._of(view)
        return Tensor(np.asarray(self.array[_raw(at)]))

    def __setitem__(self, at, value):
        self.array[_raw(at)] = _raw(value)

    def __iter__(self):
        return iter(self.unbind())

    def split(self, size, dim=0):
        sizes = size if isinstance(size, (list, tuple)) else [size] * -(-self.shape[dim] // size)
        ends = np.cumsum(sizes)
        at = lambda first, last: (slice(None),) * (dim % self.ndim) + (slice(first, last),)  # noqa: E731
        return tuple(self._of(self._view[at(end - size, end)]) for end, size in zip(ends, sizes))

    def chunk(self, count, dim=0):
        return self.split(-(-self.shape[dim] // count), dim)

    def detach(self):
        return self._of(self._view)

    def requires_grad_(self, on=True):
        self.requires_grad = on
        return self

    def cuda(self, *_, **__):
        return self

    # Copies.
    def contiguous(self, **_):
        return self if self.is_contiguous() else Tensor(self.array.copy())

    def clone(self, **_):
        return Tensor(self.array.copy())

    def to(self, *kinds, dtype=None, **_):
        for kind in kinds:
            dtype = kind.dtype if isinstance(kind, Tensor) else kind if isinstance(kind, globals()["dtype"]) else dtype
        return self if dtype is None or dtype is self.dtype else Tensor(self.array.astype(dtype.numpy))

    type = to

    def float(self):
        return self.to(float32)  # noqa: F821

    def long(self):
        return self.to(int64)  # noqa: F821

    def int(self):
        return self.to(int32)  # noqa: F821

    def bool(self):
        return self.to(_DTYPES["bool"])

    def half(self):
        return self.to(float16)  # noqa: F821

    def bfloat16(self):
        return self.to(bfloat16)  # noqa: F821

    def type_as(self, other):
        return self.to(other.dtype)

    def item(self):
        return self.array.item()

    def tolist(self):
        return self.array.tolist()

    def numpy(self):
        return self.array

    def cpu(self):
        return self

    # In place.
    def copy_(self, other, **_):
        self.array[...] = _raw(other)
        return self

    def zero_(self):
        return self.fill_(0)

    def fill_(self, value):
        self.array[...] = value
        return self

    def mul_(self, other):
        return self.copy_(self * other)

    def add_(self, other, alpha=1):
        return self.copy_(self + (other if alpha == 1 else other * alpha))

    # Arithmetic, in the types of the operands as PyTorch promotes them.
    def _with(self, operation, *others):
        arrays = [self.array, *map(_raw, others)]
        result = np.asarray(operation(*arrays))
        kinds = [a.dtype for a in arrays if isinstance(a, np.ndarray) and a.dtype != bool]
        if result.dtype != bool and len(set(kinds)) == 1 and _BY_NUMPY[kinds[0]].is_floating_point:
            result = result.astype(kinds[0])
        return Tensor(result)

    def _reduce(self, operation, dim=None, keepdim=False, dtype=None):
        wide = self.array.astype(np.float32) if self.dtype.itemsize < 4 and self.dtype.is_floating_point else self.array
        result = np.asarray(operation(wide, axis=tuple(dim) if isinstance(dim, list) else dim, keepdims=keepdim))
        kind = dtype.numpy if dtype else self.array.dtype if self.dtype.is_floating_point else result.dtype
        return Tensor(result.astype(kind))

    def sum(self, dim=None, keepdim=False, dtype=None):
        return self._reduce(np.sum, dim, keepdim, dtype)

    def mean(self, dim=None, keepdim=False, dtype=None):
        return self._reduce(np.mean, dim, keepdim, dtype)

    def prod(self, dim=None, keepdim=False, dtype=None):
        return self._reduce(np.prod, dim, keepdim, dtype)

    def any(self, dim=None):
        return Tensor(np.asarray(self.array.any(dim)))

    def all(self, dim=None):
        return Tensor(np.asarray(self.array.all(dim)))

    def max(self):
        return Tensor(np.asarray(self.array.max()))

    def min(self):
        return Tensor(np.asarray(self.array.min()))

    def cumsum(self, dim, dtype=None):
        return Tensor(np.cumsum(self.array, dim, dtype=dtype and dtype.numpy))

    def argsort(self, dim=-1, stable=True):
        return Tensor(np.argsort(self.array, dim, kind="stable"))

    def __bool__(self):
        return builtins.bool(self.array)

    def __int__(self):
        return builtins.int(self.array)

    def __float__(self):
        return builtins.float(self.array)

    def __index__(self):
        return self.array.__index__()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(f"Tensor.{name} of the stand-in for PyTorch")


def _operators():
    named = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
        "mod": np.mod, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "matmul": np.matmul,
        "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    }  # fmt: skip
    for name, operation in named.items():
        setattr(Tensor, f"__{name}__", lambda self, other, f=operation: self._with(f, other))
        setattr(Tensor, f"__r{name}__", lambda self, other, f=operation: self._with(lambda a, b: f(b, a), other))
    for name, operation in {"neg": np.negative, "invert": np.invert, "abs": np.abs}.items():
        setattr(Tensor, f"__{name}__", lambda self, f=operation: self._with(f))
    functions = {
        "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "ne": np.not_equal,
        "rsqrt": lambda a: 1 / np.sqrt(a), "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    }  # fmt: skip
    for name, operation in functions.items():
        function = lambda self, *rest, f=operation: self._with(f, *rest)  # noqa: E731
        setattr(Tensor, name, function)
        globals()[name] = function


_operators()


# Making tensors.
def _kind(dtype, default="float32"):
    return (dtype or _DTYPES[default]).numpy


def empty(*shape, dtype=None, **_):
    array = np.empty(_shape(shape), _kind(dtype))
    flat = array.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8)
    flat.fill(0xFF)
    return Tensor(array, _Storage(flat, False))


def zeros(*shape, dtype=None, **_):
    return Tensor(np.zeros(_shape(shape), _kind(dtype)))


def ones(*shape, dtype=None, **_):
    return Tensor(np.ones(_shape(shape), _kind(dtype)))


def full(shape, value, dtype=None, **_):
    return Tensor(np.full(_shape([shape]), value, _kind(dtype, "int64" if isinstance(value, builtins.int) else "float32")))


def arange(*bounds, dtype=None, **_):
    return Tensor(np.arange(*bounds).astype(_kind(dtype, "int64")))


def tensor(value, dtype=None, **_):
    array = np.asarray(_raw(value))
    kinds = {"f": "float32", "i": "int64", "b": "bool"}
    return Tensor(array.astype(_kind(dtype, kinds[array.dtype.kind])))


def from_numpy(array):
    return Tensor(array)


def empty_like(other, dtype=None, **_):
    return empty(other.shape, dtype=dtype or other.dtype)


def zeros_like(other, dtype=None, **_):
    return zeros(other.shape, dtype=dtype or other.dtype)


def ones_like(other, dtype=None, **_):
    return ones(other.shape, dtype=dtype or other.dtype)


def full_like(other, value, dtype=None, **_):
    return full(other.shape, value, dtype=dtype or other.dtype)


def empty_strided(shape, strides, dtype=None, **_):
    last = sum((n - 1) * s for n, s in zip(shape, strides)) + 1
    flat = empty(last, dtype=dtype)
    view = np.lib.stride_tricks.as_strided(flat._view, shape, [s * flat.element_size() for s in strides])
    return Tensor(view, flat._storage)


for _name in ("empty", "zeros", "ones", "full"):
    _like = globals()[_name]
    setattr(Tensor, f"new_{_name}", lambda self, *a, f=_like, dtype=None, **k: f(*a, dtype=dtype or self.dtype, **k))


# Functions of tensors.
def cat(tensors, dim=0):
    return Tensor(np.concatenate(_raw(list(tensors)), dim))


def stack(tensors, dim=0):
    return Tensor(np.stack(_raw(list(tensors)), dim))


def where(condition, one, two):
    return one._with(lambda a, c, b: np.where(c, a, b), condition, two)


def equal(one, two):
    return one.shape == two.shape and builtins.bool((one.array == two.array).all())


def is_tensor(value):
    return isinstance(value, Tensor)


def is_floating_point(value):
    return value.is_floating_point()


def numel(value):
    return value.numel()


def cumsum(value, dim, dtype=None):
    return value.cumsum(dim, dtype)


def sum(value, dim=None, keepdim=False, dtype=None):  # noqa: A001
    return value.sum(dim, keepdim, dtype)


def sort(value, dim=-1, descending=False):
    order = np.argsort(-value.array if descending else value.array, dim, kind="stable")
    return types.SimpleNamespace(values=Tensor(np.take_along_axis(value.array, order, dim)), indices=Tensor(order))


def chunk(value, count, dim=0):
    return value.chunk(count, dim)


def _matmul(one, two):
    wide = np.matmul(one.array.astype(np.float32), two.array.astype(np.float32))
    return Tensor(wide.astype(one.array.dtype))


matmul = mm = bmm = Tensor.__matmul__ = _matmul


class finfo:
    def __init__(self, kind):
        info = ml_dtypes.finfo(kind.numpy)
        self.min, self.max = builtins.float(info.min), builtins.float(info.max)
        self.eps, self.tiny = builtins.float(info.eps), builtins.float(info.tiny)


# What decorates, and what asks about the machine.
def _decorator(*arguments, **_):
    plain = len(arguments) == 1 and callable(arguments[0])
    return arguments[0] if plain else _decorator


class _Nothing(contextlib.ContextDecorator):
    """A context manager and decorator that does nothing."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


no_grad = enable_grad = inference_mode = set_grad_enabled = _Nothing
compile = _decorator  # noqa: A001


def is_grad_enabled():
    return True


def is_autocast_enabled(*_):
    return False


def get_float32_matmul_precision():
    return "highest"


def get_default_dtype():
    return float32  # noqa: F821


sys.meta_path.append(_Finder())


for _name in ("_C", "amp", "autograd", "compiler", "cuda", "distributed", "jit", "library", "nn", "testing", "version"):
    importlib.import_module(f"torch.{_name}")


def __getattr__(name):
    return _missing(f"torch.{name}")

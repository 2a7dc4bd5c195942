"""The CUDA driver by ctypes: whichever libcuda.so.1 the loader finds, so under `cargo xtask outside` the emulator's."""

import ctypes
import functools

_U64 = ctypes.c_uint64


class DriverError(RuntimeError):
    """A driver function gave a code other than 0. The emulator's driver has written the reason to standard error."""


@functools.cache
def driver():
    """libcuda.so.1 with the first device's primary context current."""
    library = ctypes.CDLL("libcuda.so.1")
    context, device = ctypes.c_void_p(), ctypes.c_int()
    for code in (
        library.cuInit(0),
        library.cuDeviceGet(ctypes.byref(device), 0),
        library.cuDevicePrimaryCtxRetain(ctypes.byref(context), device),
        library.cuCtxSetCurrent(context),
    ):
        if code:
            raise DriverError(f"no device: code {code}")
    return library


def call(name, *arguments):
    """A driver function whose code must be 0."""
    if code := getattr(driver(), name)(*arguments):
        raise DriverError(f"{name} gave {code}")


@functools.cache
def attribute(number):
    """cuDeviceGetAttribute of the first device."""
    value = ctypes.c_int()
    call("cuDeviceGetAttribute", ctypes.byref(value), number, 0)
    return value.value


def capability():
    """Major and minor compute capability."""
    return attribute(75), attribute(76)


def allocate(size):
    """Device memory of exactly so many bytes, so that one byte too many is out of bounds."""
    address = _U64()
    call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
    return address.value


def free(address):
    call("cuMemFree_v2", _U64(address))


def upload(address, array):
    call("cuMemcpyHtoD_v2", _U64(address), ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))


def download(address, array):
    call("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), _U64(address), ctypes.c_size_t(array.nbytes))


class Module:
    """Loaded PTX."""

    def __init__(self, ptx):
        self._handle = ctypes.c_void_p()
        call("cuModuleLoadData", ctypes.byref(self._handle), ctypes.c_char_p(ptx.encode()))

    def launch(self, name, grid, block, arguments, shared=0):
        """Runs a kernel. `arguments` are ctypes values, in the order of its parameters."""
        function = ctypes.c_void_p()
        call("cuModuleGetFunction", ctypes.byref(function), self._handle, ctypes.c_char_p(name.encode()))
        if shared > 48 * 1024:
            call("cuFuncSetAttribute", function, 8, shared)
        pointers = (ctypes.c_void_p * max(len(arguments), 1))(*(ctypes.addressof(value) for value in arguments))
        extents = [*grid, *[1] * (3 - len(grid)), *block, *[1] * (3 - len(block))]
        call("cuLaunchKernel", function, *map(ctypes.c_uint, extents), ctypes.c_uint(shared), None, pointers, None)

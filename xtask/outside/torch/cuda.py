"""The device, as the driver describes it."""

import types

import device as _device
from torch import _decorator, _Nothing

device = stream = _Nothing


class amp:
    custom_fwd = custom_bwd = staticmethod(_decorator)


def is_available():
    return True


def current_device():
    return 0


def device_count():
    return 1


def set_device(_):
    pass


def synchronize(*_):
    pass


def get_device_capability(*_):
    return _device.capability()


def get_device_name(*_):
    return "NVIDIA emulated sm_%d%d" % _device.capability()


def current_stream(*_):
    return types.SimpleNamespace(cuda_stream=0)


def get_device_properties(*_):
    major, minor = _device.capability()
    return types.SimpleNamespace(
        name=get_device_name(),
        major=major,
        minor=minor,
        multi_processor_count=_device.attribute(16),
        shared_memory_per_multiprocessor=_device.attribute(81),
        total_memory=80 << 30,
        warp_size=32,
    )

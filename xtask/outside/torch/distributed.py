"""One process."""

from torch import _missing

__path__ = []  # Its submodules are absences.


def is_available():
    return False


is_initialized = is_nccl_available = is_available


def __getattr__(name):
    return _missing(f"torch.distributed.{name}")
